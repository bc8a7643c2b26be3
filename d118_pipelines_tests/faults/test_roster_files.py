"""Rosters from files: delta sets, empty files, broken rows, second enrollments.

What a reader makes of bytes is tested beside each reader; here it reaches the tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from d118_pipelines.errors import D118Error
from d118_pipelines_tests.support.bundles import (
    BASE_1_1,
    ENROLLMENTS,
    USERS_1_1,
    set_of,
    write_folder,
)
from d118_pipelines_tests.support.roster_sync import (
    RosterProject,
    counts,
    files,
    spreadsheets,
)


def student(number: int, name: str = "Example", state: str = ",") -> str:
    return (
        f"S-{number},{state},true,S5,student,s{number},,Given,{name},,,"
        f"s{number}@mail.example,,,,09,\n"
    )


USERS = BASE_1_1["users"] + "".join(student(number) for number in range(10))
BASE = {**BASE_1_1, "users": USERS}


class Synced(NamedTuple):
    """A project that has the whole set in its roster, and the folder of the set."""

    project: RosterProject
    folder: Path

    def put(self, sent: dict[str, bytes]) -> None:
        for old in self.folder.iterdir():
            old.unlink()
        write_folder(self.folder, sent)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> RosterProject:
    base = tmp_path_factory.mktemp("files")
    folder = write_folder(base / "set", set_of(BASE))
    project = RosterProject(base / "project", files(folder))
    assert project.sync("files").status == "SUCCESS"
    return project


@pytest.fixture
def synced(first: RosterProject, tmp_path: Path) -> Iterator[Synced]:
    folder = tmp_path / "set"
    folder.mkdir()
    project = first.copied(tmp_path / "project")
    project.set_providers(files(folder))
    yield Synced(project, folder)


def inactive(project: RosterProject, table: str) -> list[str]:
    statuses = project.statuses(table).items()
    return sorted(name for name, status in statuses if status == "inactive")


@pytest.mark.long
def test_d10_delta_set_changes_what_it_names_and_deactivates_nobody(
    synced: Synced,
) -> None:
    moved = "active,2026-10-02T08:30:12.000Z"
    deleted = "tobedeleted,2026-10-02T08:30:12.000Z"
    sent = USERS_1_1 + student(1, "Changed", moved) + student(77, state=moved)
    sent += student(2, state=deleted)
    synced.put(set_of(BASE, users=sent, modes={"users": "delta"}, enrollments=None))

    result = synced.project.sync("files")

    assert counts(result) == {"created": 1, "updated": 1, "deactivated": 1}
    assert inactive(synced.project, "users") == ["S-2"]
    assert inactive(synced.project, "enrollments") == []


@pytest.mark.long
def test_d10_file_that_the_set_lacks_says_nothing_about_its_records(
    synced: Synced,
) -> None:
    before = synced.project.dump("enrollments", "demographics")
    synced.put(set_of(BASE, enrollments=None, demographics=None))

    result = synced.project.sync("files")

    assert {"enrollments", "demographics"}.isdisjoint(result.stats)
    assert synced.project.dump("enrollments", "demographics") == before


@pytest.mark.long
def test_d9_row1_file_with_a_header_only_deactivates_nobody(synced: Synced) -> None:
    before = synced.project.dump()
    synced.put(set_of(BASE, users=USERS_1_1))

    with pytest.raises(D118Error):
        synced.project.sync("files")

    assert synced.project.dump() == before


@pytest.mark.long
def test_d9_enrollments_with_a_header_only_deactivate_nobody(synced: Synced) -> None:
    synced.put(set_of(BASE, enrollments=ENROLLMENTS))

    with pytest.raises(D118Error):
        synced.project.sync("files")

    assert inactive(synced.project, "enrollments") == []


@pytest.mark.long
def test_d13_row5_ragged_row_is_set_aside_stays_active_and_the_rest_flows(
    synced: Synced,
) -> None:
    ragged = USERS.replace(student(3), "S-3,,,true,S5\n")
    synced.put(set_of(BASE, users=ragged.replace(student(4), student(4, "Changed"))))

    result = synced.project.sync("files")

    assert result.status == "PARTIAL"
    assert counts(result)["updated"] == 1
    assert inactive(synced.project, "users") == []


@pytest.mark.long
def test_d14_second_role_and_second_dates_in_one_class_are_rows_of_their_own(
    tmp_path: Path,
) -> None:
    """Plain CSV files have no id of an enrollment: it is made of all four."""
    sheets = {
        "schools.csv": "school_id,name\nS5,Oak School\n",
        "classes.csv": "class_id,name,school_id\nK1,Algebra,S5\n",
        "users.csv": "user_id,first_name,last_name,email,role,school_id\n"
        "U1,Given,Example,u1@d118.example,teacher,S5\n",
        "enrollments.csv": "user_id,class_id,role,start_date\n"
        "U1,K1,teacher,2026-08-17\n"
        "U1,K1,teacher,2027-01-17\n"
        "U1,K1,aide,2026-08-17\n",
    }
    folder = write_folder(
        tmp_path / "sheets", {name: text.encode() for name, text in sheets.items()}
    )
    project = RosterProject(tmp_path / "project", spreadsheets(folder))

    project.sync("sheets")

    rows = project.sql("SELECT role, begin_date FROM enrollments ORDER BY 1, 2")
    assert [(role, str(day)) for role, day in rows] == [
        ("aide", "2026-08-17"),
        ("teacher", "2026-08-17"),
        ("teacher", "2027-01-17"),
    ]
