"""Properties of the plan over rosters of any shape (fault 20)."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from d118_pipelines.roster.planning.plan import RosterPlan
from d118_pipelines_tests.roster.planning.rosters import (
    Roster,
    Row,
    Staged,
    World,
    enrollment,
    person,
    school,
    section,
)
from d118_pipelines_tests.support.examples import examples

few = settings(
    max_examples=examples(4, 8),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)


@st.composite
def people(draw: st.DrawFn, prefix: str = "") -> list[Row]:
    """Up to eight people who share e-mails, numbers, names and roles at random."""
    row = st.fixed_dictionaries(
        {
            "role": st.sampled_from(["student", "student", "teacher", "parent"]),
            "email": st.sampled_from(
                [None, "a@x.example", "b@x.example", "c@x.example"]
            ),
            "student_number": st.sampled_from([None, "1", "2", "3"]),
            "last_name": st.sampled_from(["Example", "Example", "Person"]),
            "status": st.sampled_from(["active", "active", "active", "inactive"]),
        }
    )
    keys = draw(st.sets(st.integers(1, 9), max_size=8))
    return [person(f"{prefix}{key}", **draw(row)) for key in sorted(keys)]


@st.composite
def rosters(draw: st.DrawFn, prefix: str = "") -> Roster:
    users = draw(people(prefix))
    return {
        "orgs": [school("10")],
        "classes": [section("A")],
        "users": users,
        "enrollments": [enrollment(u["external_id"], "A") for u in users[::2]],
    }


def in_world(check: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), sis=100, clever=200)
        try:
            check(world)
        finally:
            world.close()


def identities_hold(plan: RosterPlan, staged: Roster) -> None:
    for name in plan.entities:
        counts = plan.counts[name]
        assert counts.fetched == len(staged[name]) == (
            counts.created + counts.updated + counts.unchanged + counts.reactivated
            + counts.retired + counts.conflicts + counts.errors
        )  # fmt: skip


def active(world: World, entity: str) -> int:
    return Counter(world.statuses(entity).values())["active"]


@pytest.mark.long
@few
@given(rosters(), rosters())
def test_plan_after_apply_is_empty_and_active_records_add_up(
    first: Roster, second: Roster
) -> None:
    def check(world: World) -> None:
        for staged in (first, second):
            before = {e: active(world, e) for e in staged}
            plan = world.sync(staged)
            identities_hold(plan, staged)
            for entity, counted in before.items():
                counts = plan.counts[entity]
                change = counts.created + counts.reactivated - counts.deactivated
                assert active(world, entity) == counted + change
        assert world.plan(second).changes == 0

    in_world(check)


@pytest.mark.long
@few
@given(rosters(), rosters("c"), st.randoms(use_true_random=False))
def test_plan_does_not_depend_on_the_order_of_rows(
    known: Roster, staged: Roster, chance: random.Random
) -> None:
    def check(world: World) -> None:
        world.sync(known)
        first = world.plan(staged, "clever")
        mixed = {name: chance.sample(rows, len(rows)) for name, rows in staged.items()}
        second = world.plan(mixed, "clever")
        assert first.hash == second.hash
        assert first.counts == second.counts

    in_world(check)


@pytest.mark.long
@few
@given(people(), people("c"))
def test_no_two_people_of_one_provider_become_one(
    known: list[Row], staged: list[Row]
) -> None:
    def check(world: World) -> None:
        world.sync({"orgs": [school("10")], "users": known})
        rows = {"orgs": [school("10")], "users": staged}
        plan = world.sync(rows, "clever")
        identities_hold(plan, rows)
        ids = world.ids("users", "clever")
        assert len(set(ids.values())) == len(ids)
        sis = {internal: key for key, internal in world.ids("users").items()}
        theirs = {row["external_id"]: row for row in known}
        mine = {row["external_id"]: row for row in staged}
        for key, internal in ids.items():
            if internal in sis:
                same_person(mine[key], theirs[sis[internal]])

    in_world(check)


def same_person(one: Row, other: Row) -> None:
    """Whoever was linked agrees in role, name and all numbers that both have."""
    assert ('"student"' in one["roles"]) == ('"student"' in other["roles"])
    assert one["last_name"] == other["last_name"]
    if one["email"]:
        assert one["email"] == other["email"]
    assert None in (one["student_number"], other["student_number"]) or (
        one["student_number"] == other["student_number"]
        or '"student"' not in one["roles"]
    )


@pytest.mark.long
@few
@given(rosters(), rosters(), st.sampled_from(["proven", "ended", "never"]))
def test_each_staged_row_has_one_outcome(
    first: Roster, second: Roster, absence: str
) -> None:
    def check(world: World) -> None:
        world.sync(first)
        plan = world.plan(Staged(second, absence=absence))
        identities_hold(plan, second)
        for entity in plan.entities:
            keys = [key for (key,) in world.rows(plan, entity, "external_id")]
            assert len(keys) == len(set(keys))

    in_world(check)
