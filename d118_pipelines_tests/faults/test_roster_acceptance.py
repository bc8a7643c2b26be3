"""The acceptance tests of the roster sync, each from the source to the tables.

Which code is shown by which test: docs/reference/roster_faults.md.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psycopg2
import pytest

from d118_pipelines.errors import FatalError, IncompleteExtractError
from d118_pipelines_tests.sources.clever.district import DISTRICT, small_district
from d118_pipelines_tests.support.clever_server import CleverServer
from d118_pipelines_tests.support.oneroster_data import district, person
from d118_pipelines_tests.support.oneroster_server import (
    OneRosterServer,
    Quirks,
    TokenGate,
)
from d118_pipelines_tests.support.postgres import new_database
from d118_pipelines_tests.support.roster_sync import (
    PEOPLE_ONLY,
    RosterProject,
    SyncedDistrict,
    changed,
    counts,
    entry,
    oneroster,
    sync_together,
)

STUDENTS = 12


@pytest.fixture(scope="module")
def sis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SyncedDistrict]:
    """One school with twelve students and a teacher, in the roster already."""
    folder = tmp_path_factory.mktemp("sis")
    with SyncedDistrict(folder, district(STUDENTS), sync=PEOPLE_ONLY) as synced:
        yield synced


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A roster database of each kind; the empty text is the project's SQLite file."""
    if request.param == "sqlite":
        yield ""
        return
    yield from new_database()


@pytest.mark.long
def test_a1_150_students_and_20_teachers_of_clever_become_170_users(
    tmp_path: Path,
) -> None:
    with CleverServer(small_district(150, 20), district=DISTRICT, cap=100) as server:
        login = {"districtId": DISTRICT, "accessToken": "${CLEVER_TOKEN}"}
        project = RosterProject(
            tmp_path / "project",
            entry(
                "clever",
                "CLEVER",
                {**login, "baseUrl": server.host},
                sync=PEOPLE_ONLY,
                secrets={"CLEVER_TOKEN": server.token},
            ),
        )
        result = project.sync("clever")

        assert result.status == "SUCCESS"
        roles = "SELECT role, count(*) FROM user_roles GROUP BY role"
        assert dict(project.sql(roles)) == {"student": 150, "teacher": 20}
        assert len(project.statuses("users")) == 170


@pytest.mark.long
def test_a2_server_that_caps_the_limit_at_50_gives_all_120_rows(tmp_path: Path) -> None:
    data, cap = district(119), Quirks(max_limit=50)
    with OneRosterServer(data, gate=TokenGate(), quirks=cap) as server:
        project = RosterProject(
            tmp_path / "project", oneroster(server, sync=PEOPLE_ONLY)
        )
        project.sync("sis")

        assert len(server.asked("users")) >= 3
        assert len(project.statuses("users")) == 120


@pytest.mark.long
def test_a5_second_run_on_identical_data_writes_the_run_row_only(
    tmp_path: Path, url: str
) -> None:
    with OneRosterServer(district(3), gate=TokenGate()) as server:
        project = RosterProject(tmp_path / "project", oneroster(server), url=url)
        first = project.sync("sis")
        before = project.dump()

        second = project.sync("sis")

        assert counts(first) == {"created": 4}
        assert all(counts(second, entity) == {} for entity in second.stats)
        assert second.changed == 0
        assert second.revision == first.revision
        assert project.dump() == before
        assert project.runs("sis") == [("SUCCESS", None)] * 2


@pytest.mark.long
def test_a6_empty_users_fail_the_pull_and_change_nothing(
    sis: SyncedDistrict, tmp_path: Path
) -> None:
    project = sis.begin(tmp_path)
    before = project.dump()
    sis.serve(users=[])

    with pytest.raises(IncompleteExtractError) as failed:
        project.sync("sis")

    assert "rest.empty_collection" in str(failed.value)
    assert project.dump() == before
    assert project.runs("sis")[-1][0] == "FAILURE"


@pytest.mark.long
def test_a6_empty_users_that_are_allowed_are_held_and_change_nothing(
    sis: SyncedDistrict, tmp_path: Path
) -> None:
    project = sis.begin(tmp_path, config={"allowEmpty": ["users"]})
    before = project.dump()
    sis.serve(users=[])
    planned = project.plan("sis")

    with pytest.raises(FatalError, match=r"guard\.zero_rows"):
        project.apply("sis")

    assert planned.plan.verdict != "ready"
    assert project.dump() == before


@pytest.mark.long
def test_a7_deleted_and_disabled_user_is_deactivated_once_and_comes_back_as_before(
    sis: SyncedDistrict, tmp_path: Path
) -> None:
    project = sis.begin(tmp_path)
    ids = project.ids("users")
    gone = {"status": "tobedeleted", "enabledUser": "false"}
    sis.serve(users=changed(sis.data["users"], "U0000001", **gone))
    first = project.sync("sis")
    again = project.sync("sis")
    statuses = project.statuses("users")
    sis.serve()

    back = project.sync("sis")

    assert counts(first) == {"deactivated": 1}
    assert counts(again) == {}
    assert [name for name, one in statuses.items() if one != "active"] == ["U0000001"]
    assert counts(back) == {"reactivated": 1}
    assert set(project.statuses("users").values()) == {"active"}
    assert project.ids("users") == ids


@pytest.mark.long
def test_a8_teacher_row_and_aide_row_for_one_user_and_class_are_both_kept(
    tmp_path: Path,
) -> None:
    data = district(1)
    teacher = data["enrollments"][-1]
    aide = {**teacher, "sourcedId": "E-aide", "role": "aide"}
    data["enrollments"].append(aide)
    with OneRosterServer(data, gate=TokenGate()) as server:
        project = RosterProject(tmp_path / "project", oneroster(server))
        project.sync("sis")

        rows = project.sql(
            "SELECT e.role FROM enrollments e JOIN users u ON u.id = e.user_id "
            "WHERE u.external_id = 'U9000000' ORDER BY e.role"
        )
        assert rows == [("aide",), ("teacher",)]


@pytest.mark.long
@pytest.mark.real
def test_a10_c12_two_districts_in_parallel_never_mix(tmp_path: Path) -> None:
    for url in new_database():
        with OneRosterServer(district(4), gate=TokenGate()) as server:
            north, south = (_own_district(tmp_path, n, server, url) for n in NAMES)
            results = sync_together((north, "sis_north"), (south, "sis_south"))

        assert [result.status for result in results] == ["SUCCESS", "SUCCESS"]
        for table in ("orgs", "users"):
            whose = f"SELECT DISTINCT district_id, provider_id FROM {table}"
            assert sorted(north.sql(whose)) == [
                ("north", "sis_north"),
                ("south", "sis_south"),
            ]
        foreign = (
            "SELECT count(*), count(*) FILTER (WHERE r.district_id <> u.district_id "
            "OR o.district_id <> u.district_id) FROM user_roles r "
            "JOIN users u ON u.id = r.user_id JOIN orgs o ON o.id = r.school_id"
        )
        assert north.sql(foreign) == [(10, 0)]


NAMES = ("north", "south")


def _own_district(
    folder: Path, name: str, server: OneRosterServer, url: str
) -> RosterProject:
    mine = oneroster(server, f"sis_{name}", sync=PEOPLE_ONLY)
    project = RosterProject(folder / name, mine, url=url)
    project.edit("config/district.yaml", "id: district_118", f"id: {name}")
    return project


@pytest.mark.long
def test_a11_error_inside_the_load_leaves_the_database_as_it_was(
    sis: SyncedDistrict, tmp_path: Path
) -> None:
    project = sis.begin(tmp_path)
    # Schools are written before people: the first part of the load has happened.
    sis.serve(
        orgs=changed(sis.data["orgs"], "S5", name="Elm School"),
        users=[*sis.data["users"], person(77)],
    )
    project.plan("sis")
    with project.writing() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER t BEFORE INSERT ON users "
            "BEGIN SELECT RAISE(ABORT, 'a value of a person'); END"
        )
    before = project.dump()

    with pytest.raises(FatalError) as failed:
        project.apply("sis")

    assert "a value of a person" not in str(failed.value)
    assert project.dump() == before
    assert project.runs("sis")[-1][0] == "FAILURE"
    with project.writing() as connection:
        connection.exec_driver_sql("DROP TRIGGER t")
    assert counts(project.sync("sis")) == {"created": 1}


@pytest.mark.long
@pytest.mark.real
def test_a11_c10_run_that_is_ended_in_the_middle_of_the_load_is_cancelled_for_good(
    tmp_path: Path,
) -> None:
    for url in new_database():
        with OneRosterServer(district(3), gate=TokenGate()) as server:
            project = RosterProject(
                tmp_path / "project", oneroster(server, sync=PEOPLE_ONLY), url=url
            )
            project.plan("sis")
            # Schools come first, then people: there the load waits, and is ended.
            with _locked_users(url), pytest.raises(KeyboardInterrupt):
                project.apply("sis")

            assert project.sql("SELECT count(*) FROM orgs") == [(0,)]
            assert project.runs("sis") == [
                ("CANCELLED", "The run was ended from outside.")
            ]
            with pytest.raises(FatalError, match="already ended as CANCELLED"):
                project.apply("sis")
            assert project.runs("sis")[0][0] == "CANCELLED"
            assert counts(project.sync("sis")) == {"created": 4}


@contextmanager
def _locked_users(url: str) -> Iterator[None]:
    """While the block runs nobody writes people; who waits for that is interrupted."""
    with psycopg2.connect(url) as other, other.cursor() as cursor:
        cursor.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")

        def end_when_waiting() -> None:
            with suppress(TimeoutError):
                _wait_for_a_waiter(url)
                os.kill(os.getpid(), signal.SIGINT)
            other.rollback()

        ending = threading.Thread(target=end_when_waiting)
        ending.start()
        yield
        ending.join()
    other.close()


def _wait_for_a_waiter(url: str) -> None:
    watcher = psycopg2.connect(url)
    watcher.autocommit = True
    with closing(watcher), watcher.cursor() as cursor:
        end = time.monotonic() + 120
        while time.monotonic() < end:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            [(waiting,)] = cursor.fetchall()
            if waiting:
                return
            time.sleep(0.05)
    raise TimeoutError
