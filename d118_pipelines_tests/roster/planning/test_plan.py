"""The plan: what happens to each record, run after run."""

from __future__ import annotations

import json

import pytest

from d118_pipelines.roster.planning.plan import find_plan, read_plan
from d118_pipelines.roster.planning.record_views import record_id
from d118_pipelines.roster.planning.show import changes_of
from d118_pipelines_tests.roster.planning.rosters import (
    DISTRICT,
    Roster,
    Staged,
    World,
    enrollment,
    person,
    school,
    section,
)


def roster() -> Roster:
    return {
        "orgs": [school("10"), school("20")],
        "terms": [{"external_id": "T", "name": "Year", "type": "schoolYear",
                   "start_date": "2026-08-01", "end_date": "2027-06-01"}],
        "courses": [{"external_id": "C", "name": "Art", "course_code": "ART",
                     "school_external_id": "10"}],
        "classes": [section("A", course_external_id="C", term_external_ids='["T"]'),
                    section("B")],
        "users": [person("1", student_number="501", email="one@students.example"),
                  person("2", "teacher", email="two@staff.example",
                         agent_external_ids=None)],
        "enrollments": [enrollment("1", "A"), enrollment("2", "A", "teacher")],
        "demographics": [{"external_id": "1", "asian": True}],
    }  # fmt: skip


@pytest.mark.long
def test_first_plan_creates_all_and_the_second_is_empty(world: World) -> None:
    first = world.sync(roster())

    assert {n: c.created for n, c in first.counts.items() if "/" not in n} == {
        "orgs": 2, "terms": 1, "courses": 1, "classes": 2, "users": 2,
        "enrollments": 2, "demographics": 1,
    }  # fmt: skip
    assert first.verdict == "ready"
    second = world.plan(roster())
    assert second.changes == 0
    assert {c.unchanged for c in second.counts.values()} == {1, 2}
    assert all(world.rows(second, e, "action") == [] for e in second.entities)


def test_ids_of_new_records_follow_from_their_keys(world: World) -> None:
    plan = world.sync(roster())

    expected = record_id(DISTRICT, "sis", "users", "1")
    assert world.ids("users")["1"] == expected
    assert world.rows(plan, "users", "id")[0] == (expected,)


@pytest.mark.long
def test_references_become_internal_ids(world: World) -> None:
    world.begin(roster())

    [row] = world.duck.execute(
        "SELECT school_id, course_id, term_ids FROM store.classes "
        "WHERE external_id = 'A'"
    ).fetchall()
    assert row == (
        world.ids("orgs")["10"],
        record_id(DISTRICT, "sis", "courses", "C"),
        json.dumps([record_id(DISTRICT, "sis", "terms", "T")]),
    )
    [[roles]] = world.duck.execute(
        "SELECT roles FROM store.users WHERE external_id = '1'"
    ).fetchall()
    assert json.loads(roles)[0]["school_id"] == world.ids("orgs")["10"]


@pytest.mark.long
def test_update_names_the_changed_columns(world: World) -> None:
    world.begin(roster())
    changed = roster()
    changed["users"][0] |= {"middle_name": "Kim", "grade_level": "04"}
    changed["classes"][0] |= {"term_external_ids": None}

    plan = world.plan(changed)

    assert world.rows(plan, "users", "action, fields, school_id, group_name") == [
        (
            "update",
            ["middle_name", "grade_level"],
            world.ids("orgs")["10"],
            "students",
        )
    ]
    assert world.rows(plan, "classes", "action, fields") == [("update", ["term_ids"])]
    assert plan.counts["users"].updated == plan.counts["users/students"].updated == 1


@pytest.mark.long
def test_absence_from_a_proven_pull_deactivates(world: World) -> None:
    world.begin(roster())
    smaller = roster()
    smaller["users"].pop()
    smaller["enrollments"].pop()
    smaller["classes"][0] |= {"term_external_ids": None}

    plan = world.sync(smaller)

    shown, _ = changes_of(plan)
    assert [(row["entity"], row["action"]) for row in shown] == [
        ("users", "deactivate"),
        ("enrollments", "deactivate"),
        ("classes", "update"),
    ]
    assert world.rows(plan, "users", "action, reason, group_name, old_hash <> ''") == [
        ("deactivate", "missing", "staff", True)
    ]
    assert world.rows(plan, "enrollments", "action, reason, group_name") == [
        ("deactivate", "missing", "teacher")
    ]
    assert plan.counts["users"].missing == 1
    assert world.statuses("users") == {"1": "active", "2": "inactive"}
    assert world.plan(smaller).changes == 0


@pytest.mark.long
def test_fault_d12_and_a7_tobedeleted_and_back_keeps_the_internal_id(
    world: World,
) -> None:
    world.begin(roster())
    before = world.ids("users")
    gone = roster()
    gone["users"][0] |= {"status": "inactive", "inactive_reason": "tobedeleted"}

    retired = world.sync(gone)
    again = world.plan(gone)
    back = world.sync(roster())

    assert world.rows(retired, "users", "action, reason") == [
        ("deactivate", "tobedeleted")
    ]
    assert retired.counts["users"].retired == 1
    assert again.changes == 0
    assert again.counts["users"].unchanged == 2
    assert world.actions(back, "users") == {"1": "reactivate"}
    assert world.ids("users") == before
    assert world.statuses("users")["1"] == "active"


@pytest.mark.long
@pytest.mark.parametrize("entity", ["users", "enrollments"])
def test_pull_that_merely_ended_deactivates_the_second_time(
    world: World, entity: str
) -> None:
    world.begin(roster())
    smaller = roster()
    del smaller[entity][-1]
    staged = Staged(smaller, absence="ended")

    first, second = world.sync(staged), world.sync(staged)

    assert list(world.actions(first, entity).values()) == ["absent_once"]
    assert first.counts[entity].absent_once == 1
    assert first.counts[entity].deactivated == 0
    assert list(world.actions(second, entity).values()) == ["deactivate"]


@pytest.mark.long
def test_record_that_returns_between_two_ended_pulls_begins_anew(world: World) -> None:
    world.begin(roster())
    smaller = roster()
    del smaller["users"][-1]
    world.sync(Staged(smaller, absence="ended"))
    world.sync(Staged(roster(), absence="ended"))

    plan = world.plan(Staged(smaller, absence="ended"))

    assert world.actions(plan, "users") == {"2": "absent_once"}


@pytest.mark.long
@pytest.mark.parametrize(
    "staged",
    [{"absence": "never"}, {"is_delta": True}],
    ids=["unproven", "delta"],
)
def test_absence_without_proof_means_nothing(
    world: World, staged: dict[str, object]
) -> None:
    world.begin(roster())
    few = {**roster(), "users": [], "enrollments": []}

    plan = world.plan(Staged(few, **staged))  # type: ignore[arg-type]

    assert plan.changes == 0


@pytest.mark.long
def test_fault_d13_rejected_row_counts_as_present(world: World) -> None:
    world.begin(roster())
    smaller = roster()
    del smaller["users"][0]
    staged = Staged(smaller, rejected=[("users", "1")])

    plan = world.plan(staged)

    assert world.actions(plan, "users") == {}
    assert plan.counts["users"].errors == 1
    assert plan.counts["users"].fetched == 2


def test_duplicates_and_the_reason_of_staging_reach_the_plan(world: World) -> None:
    staged = Staged(roster(), duplicates={"users": 3}, held_reason="pupils.csv")

    plan = world.plan(staged)

    counts = plan.counts["users"]
    assert (counts.fetched, counts.errors, counts.created) == (5, 3, 2)
    assert plan.verdict == "held"


@pytest.mark.long
@pytest.mark.parametrize(
    ("unreadable", "deactivates"), [({"users": 1}, True), ({}, False)]
)
def test_unreadable_keys_and_the_switch_withhold_deactivation(
    world: World, unreadable: dict[str, int], deactivates: bool
) -> None:
    world.begin(roster())
    smaller = roster()
    del smaller["users"][0]
    staged = Staged(smaller, rejected=[("users", None)], unreadable=unreadable)

    plan = world.plan(staged, deactivate_missing=deactivates)

    assert world.actions(plan, "users") == {"1": "withheld"}
    assert plan.counts["users"].withheld == 1
    assert plan.counts["users"].missing == 0


@pytest.mark.long
def test_entity_that_is_not_staged_is_not_touched(world: World) -> None:
    world.begin(roster())
    without = roster()
    del without["users"]

    plan = world.plan(without)

    assert plan.changes == 0
    assert "users" not in plan.entities


def test_record_unknown_and_retired_is_not_created(world: World) -> None:
    some = roster()
    some["users"].append(person("9", status="inactive", inactive_reason="tobedeleted"))

    plan = world.plan(some)

    assert "9" not in world.actions(plan, "users")
    assert plan.counts["users"].unchanged == 1


@pytest.mark.long
def test_suspended_user_is_neither_lifted_nor_deactivated(world: World) -> None:
    world.begin(roster())
    world.duck.execute(
        "UPDATE store.users SET status = 'suspended' WHERE external_id = '1'"
    )
    without = roster()
    del without["users"][0]

    assert world.plan(roster()).counts["users"].unchanged == 2
    assert world.actions(world.plan(without), "users") == {}


def test_plan_is_stored_and_read_back(world: World) -> None:
    plan = world.plan(roster())

    assert read_plan(plan.folder) == plan
    assert find_plan(plan.folder.parent) == plan
    assert sorted(p.name for p in plan.folder.parent.iterdir()) == [plan.folder.name]
    assert {oct(p.stat().st_mode & 0o777) for p in plan.folder.iterdir()} == {"0o600"}


@pytest.mark.long
def test_hash_follows_changes_revision_and_mapping(world: World) -> None:
    first, same = world.plan(roster()), world.plan(roster())
    other = roster()
    other["users"][0]["first_name"] = "Bea"
    changed = world.plan(other)
    world.revision = 7
    moved = world.plan(roster())

    assert first.hash == same.hash
    assert len({first.hash, changed.hash, moved.hash}) == 3


@pytest.mark.long
def test_values_of_people_are_not_in_the_plan(world: World) -> None:
    some = roster()
    some["users"][0] |= {"first_name": "Canaryname", "email": "canary@x.example"}
    world.sync(some)
    some["users"][0] |= {"first_name": "Canarysecond"}

    plan = world.plan(some)

    for path in plan.folder.iterdir():
        assert b"anary" not in path.read_bytes(), path.name
