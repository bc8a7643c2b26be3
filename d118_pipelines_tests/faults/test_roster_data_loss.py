"""Faults that lose people: what is absent, deleted, switched off or set aside.

From the source to the tables. How sources notice an incomplete pull is tested beside
each of them; docs/reference/roster_faults.md has the list.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from d118_pipelines.errors import D118Error, HeldError
from d118_pipelines_tests.support.oneroster_data import district, person
from d118_pipelines_tests.support.oneroster_server import Quirks
from d118_pipelines_tests.support.roster_sync import (
    PEOPLE_ONLY,
    RosterProject,
    SyncedDistrict,
    changed,
    counts,
    without,
)

ONE = "U0000001"
STAFF = [f"U900000{number}" for number in range(6)]


@pytest.fixture(scope="module")
def sis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SyncedDistrict]:
    """One school with 40 students and six of its staff, in the roster already."""
    data = district(40)
    staff = [person(9_000_000 + number, role="teacher") for number in range(1, 6)]
    data["users"] += staff
    folder = tmp_path_factory.mktemp("sis")
    with SyncedDistrict(folder, data, sync=PEOPLE_ONLY) as synced:
        yield synced


@pytest.fixture
def project(sis: SyncedDistrict, tmp_path: Path) -> RosterProject:
    return sis.begin(tmp_path)


def gone(project: RosterProject) -> dict[str, str]:
    """External id and reason of the inactive users."""
    return dict(
        project.sql(
            "SELECT external_id, inactive_reason FROM users WHERE status = 'inactive'"
        )
    )


@pytest.mark.long
def test_d1_d8_role_that_vanishes_among_many_others_is_held(
    sis: SyncedDistrict, project: RosterProject
) -> None:
    """Six of 46 users, but six of six teachers at their school."""
    before = project.dump()
    sis.serve(users=without(sis.data["users"], *STAFF))
    project.plan("sis")

    with pytest.raises(HeldError, match="staff"):
        project.apply("sis")

    assert project.dump() == before


@pytest.mark.long
@pytest.mark.parametrize("collection", ["orgs", "users"])
def test_d4_page_that_fails_leaves_the_roster_and_the_last_pull(
    sis: SyncedDistrict, project: RosterProject, collection: str
) -> None:
    before = project.dump()
    pulls = sorted((project.home / "raw/sis").iterdir())
    sis.server.quirks = Quirks(statuses={collection: 400})

    with pytest.raises(D118Error):
        project.sync("sis")

    assert project.dump() == before
    assert sorted((project.home / "raw/sis").iterdir()) == pulls
    assert project.runs("sis")[-1][0] == "FAILURE"


def test_d7_failed_run_leaves_earlier_snapshots_byte_by_byte(
    sis: SyncedDistrict, project: RosterProject
) -> None:
    kept = [project.home / name for name in ("raw", "staged", "plans")]
    before = {p: p.read_bytes() for f in kept for p in f.rglob("*") if p.is_file()}
    sis.serve(users=[])

    with pytest.raises(D118Error):
        project.sync("sis")

    after = {p: p.read_bytes() for f in kept for p in f.rglob("*") if p.is_file()}
    refused = project.home / "staged/sis/refused.parquet"  # its findings
    assert after == before | {refused: refused.read_bytes()}


@pytest.mark.long
@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"status": "tobedeleted"}, "tobedeleted"),
        ({"enabledUser": "false"}, "disabled"),
        ({"enabledUser": False}, "disabled"),
    ],
)
def test_d11_person_whom_the_source_retires_is_deactivated(
    sis: SyncedDistrict, tmp_path: Path, fields: dict[str, object], reason: str
) -> None:
    """Also where absence never deactivates."""
    project = sis.begin(tmp_path, deactivate_missing=False)
    sis.serve(users=changed(sis.data["users"], ONE, **fields))

    result = project.sync("sis")

    assert counts(result) == {"deactivated": 1}
    assert gone(project) == {ONE: reason}


@pytest.mark.long
def test_deactivate_missing_false_withholds_and_says_so(
    sis: SyncedDistrict, tmp_path: Path
) -> None:
    project = sis.begin(tmp_path, deactivate_missing=False)
    sis.serve(users=without(sis.data["users"], ONE))

    result = project.sync("sis")

    assert (result.status, counts(result)) == ("PARTIAL", {"withheld": 1})
    assert gone(project) == {}


@pytest.mark.long
def test_absence_without_a_total_counts_the_second_time(
    sis: SyncedDistrict, project: RosterProject
) -> None:
    sis.serve(users=without(sis.data["users"], ONE))
    sis.server.quirks = Quirks(total=None)
    first = project.sync("sis")
    after_first = gone(project)

    second = project.sync("sis")

    assert counts(first) == {}
    assert after_first == {}
    assert counts(second) == {"deactivated": 1}
    assert gone(project) == {ONE: "missing"}


@pytest.mark.long
def test_d13_bad_row_is_set_aside_stays_active_and_the_rest_flows(
    sis: SyncedDistrict, project: RosterProject
) -> None:
    """The word of the role is unknown: the person is neither changed nor absent."""
    people = changed(sis.data["users"], ONE, role="wizard", familyName="New")
    sis.serve(users=changed(people, "U0000002", familyName="New"))

    result = project.sync("sis")

    assert result.status == "PARTIAL"
    assert result.stats["users"]["errors"] == 1
    assert counts(result) == {"updated": 1}
    assert gone(project) == {}
    new = "SELECT external_id FROM users WHERE last_name = 'New'"
    assert project.sql(new) == [("U0000002",)]


@pytest.mark.long
def test_d15_d16_second_school_staff_id_middle_name_and_no_email_are_stored(
    sis: SyncedDistrict, project: RosterProject
) -> None:
    [oak] = [row for row in sis.data["orgs"] if row["sourcedId"] == "S5"]
    both = [{"sourcedId": "S5"}, {"sourcedId": "S6"}]
    teacher = {"middleName": "Quinn", "orgs": both}
    teacher["userIds"] = [{"type": "staffId", "identifier": "77"}]
    people = changed(sis.data["users"], STAFF[0], **teacher)
    sis.serve(
        orgs=[*sis.data["orgs"], {**oak, "sourcedId": "S6", "name": "Elm School"}],
        users=[*people, {**person(77), "email": None}],
    )

    project.sync("sis")

    stored = "SELECT middle_name, staff_id FROM users WHERE external_id = '{}'"
    assert project.sql(stored.format(STAFF[0])) == [("Quinn", "77")]
    schools = project.sql(
        "SELECT o.name FROM user_roles r JOIN users u ON u.id = r.user_id "
        "JOIN orgs o ON o.id = r.school_id "
        f"WHERE u.external_id = '{STAFF[0]}' ORDER BY o.name"
    )
    assert schools == [("Elm School",), ("Oak School",)]
    assert project.sql(
        "SELECT email, status FROM users WHERE external_id = 'U0000077'"
    ) == [(None, "active")]


def test_switched_off_entities_stay_as_they_are(
    sis: SyncedDistrict, project: RosterProject
) -> None:
    before = project.dump("users", "user_roles")
    project.set_providers(sis.entry(sync={**PEOPLE_ONLY, "sync_users": False}))
    sis.serve(users=[])

    result = project.sync("sis")

    assert set(result.stats) == {"schools"}
    assert project.dump("users", "user_roles") == before
