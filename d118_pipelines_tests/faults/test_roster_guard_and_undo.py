"""Mass changes wait for a person, and what was wrong can be put back.

A tiny school of twelve students: five who leave are enough for the guard. Limits one by
one are tested beside the plan.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest

from d118_pipelines.errors import FatalError, HeldError, WaitingError
from d118_pipelines.roster.model.tables import sis_sync_runs
from d118_pipelines_tests.support.oneroster_data import district, person
from d118_pipelines_tests.support.roster_sync import (
    PEOPLE_ONLY,
    RosterProject,
    SyncedDistrict,
    changed,
    counts,
    without,
)

FEW = ["U0000001", "U0000002"]
FROM, TO = dt.date(2020, 1, 1), dt.date(2090, 1, 1)
MANY = [f"U000000{number}" for number in range(6)]


@pytest.fixture(scope="module")
def sis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SyncedDistrict]:
    """One school with twelve students and a teacher, in the roster already."""
    folder = tmp_path_factory.mktemp("sis")
    with SyncedDistrict(folder, district(12), sync=PEOPLE_ONLY) as synced:
        yield synced


@pytest.fixture
def project(sis: SyncedDistrict, tmp_path: Path) -> RosterProject:
    return sis.begin(tmp_path)


@pytest.fixture
def held(sis: SyncedDistrict, project: RosterProject) -> RosterProject:
    """Half of the students are gone, and somebody is new; the run was held."""
    sis.serve(users=[*without(sis.data["users"], *MANY), person(77)])
    project.plan("sis")
    with pytest.raises(HeldError, match=r"guard\.deactivated\.per_school"):
        project.apply("sis")
    return project


def inactive(project: RosterProject) -> list[str]:
    statuses = project.statuses("users").items()
    return sorted(name for name, status in statuses if status == "inactive")


@pytest.mark.long
def test_row13_hold_changes_nothing_and_an_approval_releases_the_same_changes(
    sis: SyncedDistrict, held: RosterProject
) -> None:
    before = held.dump()
    assert before == sis.project.dump()
    assert held.runs("sis")[-1][0] == "HELD"

    held.approve("sis")
    result = held.sync("sis")  # a fresh pull with the same changes keeps it

    assert counts(result) == {"created": 1, "deactivated": 6}
    assert inactive(held) == MANY
    [(used,)] = held.sql(
        "SELECT count(*) FROM plan_approvals WHERE used_at IS NOT NULL"
    )
    assert used == 1


@pytest.mark.long
def test_row13_approval_ends_after_its_hours(held: RosterProject) -> None:
    before = held.dump()
    held.approve("sis")
    held.age_approvals(25)

    with pytest.raises(HeldError):
        held.apply_alone("sis")

    assert held.dump() == before


@pytest.mark.long
def test_row13_approval_does_not_release_other_changes(
    sis: SyncedDistrict, held: RosterProject
) -> None:
    before = held.dump()
    held.approve("sis")
    sis.serve(users=without(sis.data["users"], *MANY, "U0000007"))
    held.plan("sis")

    with pytest.raises(HeldError):
        held.apply("sis")

    assert held.dump() == before


@pytest.mark.long
def test_row13_approved_plan_for_a_roster_that_has_moved_is_refused(
    held: RosterProject,
) -> None:
    held.approve("sis")
    move(held)
    before = held.dump()

    with pytest.raises(FatalError, match=r"plan\.overtaken"):
        held.apply_alone("sis")

    assert held.dump() == before
    [(used,)] = held.sql("SELECT used_at FROM plan_approvals")
    assert used is None


@pytest.mark.long
def test_row13_ready_plan_for_a_roster_that_has_moved_is_refused(
    sis: SyncedDistrict, project: RosterProject
) -> None:
    sis.serve(users=changed(sis.data["users"], "U0000001", givenName="Later"))
    project.plan("sis")
    move(project)
    before = project.dump()

    with pytest.raises(FatalError, match=r"plan\.overtaken"):
        project.apply("sis")

    assert project.dump() == before
    assert project.runs("sis")[-1][0] == "FAILURE"
    assert counts(project.sync("sis")) == {"updated": 1}


def move(project: RosterProject) -> None:
    """Another provider's run changes the district's roster in between."""
    with project.writing() as connection:
        connection.exec_driver_sql("UPDATE roster_revision SET revision = revision + 1")


@pytest.mark.long
def test_undo_puts_back_what_a_bad_sync_changed(
    sis: SyncedDistrict, project: RosterProject
) -> None:
    tables = ("users", "user_roles", "external_ids")
    people = changed(sis.data["users"], "U0000005", familyName="Wrong")
    sis.serve(users=[*without(people, *FEW), person(77)])
    bad = project.sync("sis")
    assert counts(bad) == {"created": 1, "updated": 1, "deactivated": 2}

    undone = project.undo("sis")

    assert undone.result.status == "SUCCESS"
    assert inactive(project) == ["U0000077"]
    names = "SELECT external_id, last_name, status FROM users ORDER BY external_id"
    new = [row for row in project.sql(names) if row[0] != "U0000077"]
    assert new == sis.project.sql(names)
    sis.serve()
    assert counts(project.sync("sis")) == {}
    assert len(project.dump(*tables)["users"]) == 14


@pytest.mark.long
def test_undo_that_would_empty_the_roster_is_held_until_it_is_approved(
    sis: SyncedDistrict, project: RosterProject
) -> None:
    before = project.dump()

    with pytest.raises(HeldError, match=r"guard\.deactivated\.per_entity"):
        project.undo("sis")

    assert project.dump() == before
    project.approve("sis")
    project.undo("sis")
    assert set(project.statuses("users").values()) == {"inactive"}


@pytest.mark.long
def test_row14_window_lets_more_leave_on_its_days_only(
    sis: SyncedDistrict, tmp_path: Path
) -> None:
    """Edges of dates and zones are tested beside the guard; here the whole way."""
    limits = {"per_entity": 0.6, "per_school": 0.6}
    open_now = {"name": "new year", "from": FROM, "to": TO}
    past = {**open_now, "to": dt.date(2020, 2, 1)}
    sis.serve(users=without(sis.data["users"], *MANY))
    verdicts = []
    for number, window in enumerate((past, open_now)):
        guard = {"windows": [{**window, "deactivated": limits}]}
        project = sis.project.copied(tmp_path / f"{number}")
        project.set_providers(sis.entry(guard=guard))
        verdicts.append(project.plan("sis").plan.verdict)

    assert verdicts == ["held", "ready"]


@pytest.mark.long
def test_row14_blackout_holds_every_apply(sis: SyncedDistrict, tmp_path: Path) -> None:
    summer = {"from": FROM, "to": TO, "reason": "summer"}
    project = sis.begin(tmp_path, guard={"blackouts": [summer]})
    sis.serve(users=[*sis.data["users"], person(77)])
    project.plan("sis")

    with pytest.raises(WaitingError, match=r"^waiting: summer until 2090-01-01"):
        project.apply("sis")

    assert project.dump() == sis.project.dump()
    assert [row.status for row in project.rows(sis_sync_runs)][-1] == "WAITING"


@pytest.mark.long
def test_row14_window_without_deactivations_lets_everything_else_through(
    sis: SyncedDistrict, tmp_path: Path
) -> None:
    """Five are no longer sent, one is marked, one is new and one has another name."""
    window = {"name": "start", "from": FROM, "to": TO, "deactivate": False}
    project = sis.begin(tmp_path, guard={"windows": [window]})
    users = [*without(sis.data["users"], *MANY[1:]), person(77)]
    users = changed(users, MANY[0], status="tobedeleted")
    users = changed(users, "U0000009", familyName="Renamed")
    sis.serve(users=users)

    planned = project.sync("sis").stats["users"]

    assert planned["withheld"] == len(MANY)
    assert (planned["deactivated"], planned["created"], planned["updated"]) == (0, 1, 1)
    identity = (
        "created",
        "updated",
        "unchanged",
        "reactivated",
        "retired",
        "conflicts",
    )
    assert planned["fetched"] == sum(planned[name] for name in identity)
    assert inactive(project) == []
    past = {**window, "to": dt.date(2020, 2, 1)}
    project.set_providers(sis.entry(guard={"windows": [past]}))
    assert project.plan("sis").plan.counts["users"].deactivated == len(MANY)
