"""Schools that several providers know, and who owns a record."""

from __future__ import annotations

from typing import Any

import pytest

from d118_pipelines_tests.roster.planning.rosters import Row, World, person, school


def planned(world: World, *orgs: Row) -> tuple[Any, dict[str, tuple[Any, ...]]]:
    """Plan of `clever` and external id -> action, rule, reason, id."""
    plan = world.plan({"orgs": list(orgs)}, "clever")
    rows = world.rows(plan, "orgs", "external_id, action, rule, reason, id")
    return plan, {row[0]: row[1:] for row in rows}


def known(world: World, *orgs: Row) -> dict[str, str]:
    world.sync({"orgs": list(orgs)})
    return world.ids("orgs")


@pytest.mark.parametrize("number", ["state_id", "nces_id", "sis_id"])
def test_school_is_linked_by_a_number_that_both_sides_have_once(
    world: World, number: str
) -> None:
    ids = known(world, school("10", **{"sis_id": None, number: "77"}), school("20"))

    row = school("c1", name="Other words", **{"sis_id": None, number: "77"})
    plan, found = planned(world, row)

    assert found == {"c1": ("link", number, None, ids["10"])}
    assert plan.verdict == "ready"
    assert plan.counts["orgs"].linked == 1
    assert plan.counts["orgs"].unchanged == 1


def held_codes(plan: Any) -> set[str]:
    return {rule.code for rule in plan.rules if not rule.passed}


@pytest.mark.parametrize(
    ("mine", "theirs", "rule"),
    [
        ([{"sis_id": "7"}, {"sis_id": "7"}], [{"sis_id": "7"}], "sis_id"),
        ([{"sis_id": "7"}], [{"sis_id": "7"}, {"sis_id": "7"}], "sis_id"),
        ([{"name": "North"}], [{"name": "NORTH "}], "name"),
        (
            [{"state_id": "1"}, {"nces_id": "2"}],
            [{"state_id": "1", "nces_id": "2"}],
            "state_id",
        ),
    ],
    ids=["twice here", "twice there", "same name", "two schools"],
)
def test_school_in_doubt_holds_the_plan_and_says_so(
    world: World, mine: list[Row], theirs: list[Row], rule: str
) -> None:
    blank: Row = {"sis_id": None}
    known(world, *(school(f"s{i}", **{**blank, **m}) for i, m in enumerate(mine)))

    rows = [school(f"c{i}", **{**blank, **t}) for i, t in enumerate(theirs)]
    plan, found = planned(world, *rows)

    assert {row[:3] for row in found.values()} == {
        ("conflict", rule, "MERGE_CANDIDATE")
    }
    assert plan.verdict == "held"
    assert held_codes(plan) == {"guard.schools_linked"}
    [message] = [r.message for r in plan.rules if r.code == "guard.schools_linked"]
    assert f"School c0: the roster may have it already, but {rule}" in message


def test_other_school_is_created(world: World) -> None:
    known(world, school("10"))

    plan, found = planned(world, school("c20", sis_id="20", name="South"))

    assert found["c20"][:2] == ("create", "created")
    assert plan.verdict == "ready"


def test_district_is_linked_to_the_one_that_is_there(world: World) -> None:
    ids = known(world, {"external_id": "D", "name": "CUSD", "org_type": "district"})

    _, found = planned(
        world, {"external_id": "cd", "name": "Unit 118", "org_type": "district"}
    )

    assert found == {"cd": ("link", "district", None, ids["D"])}


def test_school_and_district_with_one_number_stay_two(world: World) -> None:
    known(world, {"external_id": "D", "name": "D", "org_type": "district",
                  "sis_id": "118"})  # fmt: skip

    _, found = planned(world, school("c1", sis_id="118"))

    assert found["c1"][0] == "create"


def test_person_keeps_to_a_school_that_is_in_conflict_no_class(world: World) -> None:
    known(world, school("10", sis_id=None, name="North"))
    staged = {
        "orgs": [school("c10", sis_id=None, name="North")],
        "classes": [{"external_id": "A", "school_external_id": "c10", "name": "A"}],
        "users": [person("c1", at="c10")],
        "enrollments": [{"external_id": "e", "user_external_id": "c1",
                         "class_external_id": "A", "role": "student"}],
    }  # fmt: skip

    plan = world.plan(staged, "clever")

    assert world.rows(plan, "classes", "action, rule") == [
        ("conflict", "school_external_id")
    ]
    assert world.rows(plan, "enrollments", "action, rule") == [
        ("conflict", "class_external_id")
    ]


def both(world: World) -> None:
    """`sis` and `clever` know the same person."""
    world.sync({"orgs": [school("10")], "users": [ada()]})
    world.sync(
        {"orgs": [school("c10", sis_id="10")], "users": [clever_ada()]}, "clever"
    )


def ada(**more: Any) -> Row:
    return person("1", email="a@s.example", **more)


def clever_ada(**more: Any) -> Row:
    return person("c1", at="c10", email="a@s.example", **more)


@pytest.mark.long
def test_provider_of_smaller_number_keeps_the_values(world: World) -> None:
    both(world)

    plan = world.plan({"users": [clever_ada(middle_name="Other")]}, "clever")

    assert plan.changes == 0
    assert plan.counts["users"].unchanged == 1


@pytest.mark.long
def test_person_whom_another_still_reports_is_only_unlinked(world: World) -> None:
    both(world)

    plan = world.sync({"users": []}, "sis")
    assert world.rows(plan, "users", "action, reason") == [("unlink", "missing")]
    assert plan.counts["users"].deactivated == 0
    assert plan.counts["users"].unlinked == 1

    taken = world.sync({"users": [clever_ada()]}, "clever")
    assert world.rows(taken, "users", "action, fields") == [("update", ["provider_id"])]
    last = world.sync({"users": []}, "clever")
    assert world.actions(last, "users") == {"c1": "deactivate"}


@pytest.mark.long
def test_owner_who_comes_back_takes_the_record_again(world: World) -> None:
    both(world)
    world.sync({"users": []}, "sis")
    world.sync({"users": [clever_ada(middle_name="Kim")]}, "clever")

    plan = world.sync({"users": [ada()]}, "sis")

    assert world.rows(plan, "users", "action, rule, fields, keeps_fields") == [
        ("link", "external_id", ["middle_name"], False)
    ]
    assert plan.counts["users"].updated == plan.counts["users"].linked == 1
    assert world.plan({"users": [ada()]}, "sis").changes == 0
    assert world.plan({"users": [clever_ada()]}, "clever").changes == 0


@pytest.mark.long
def test_second_provider_of_greater_number_only_links(world: World) -> None:
    world.sync({"orgs": [school("10")], "users": [ada()]})

    plan = world.plan(
        {"orgs": [school("c10", sis_id="10")], "users": [clever_ada()]}, "clever"
    )

    assert world.rows(plan, "users", "action, keeps_fields") == [("link", True)]
