"""Plans that the guard holds, from staged rosters on (faults D5, D8, D9, A6, 13)."""

from __future__ import annotations

from typing import Any

import pytest

from d118_pipelines.roster.model.entities import ENTITIES
from d118_pipelines_tests.roster.planning.rosters import (
    Roster,
    Row,
    World,
    enrollment,
    person,
    school,
    section,
)

NUMBER = "student_number"


def roster(students: int = 30, teachers: int = 12) -> Roster:
    """Two schools, every fourth student in `20`; all in one class."""
    people = [
        person(f"s{i}", at="10" if i % 4 else "20", student_number=str(500 + i))
        for i in range(students)
    ]
    people += [person(f"t{i}", "teacher") for i in range(teachers)]
    return {
        "orgs": [school("10"), school("20")],
        "courses": [{"external_id": "C", "name": "Art", "course_code": "ART"}],
        "classes": [section("A", course_external_id="C", section_number="1")],
        "users": people,
        "enrollments": [enrollment(f"s{i}", "A") for i in range(students)],
    }


def broken(plan: Any) -> dict[str, str]:
    return {rule.code: rule.message for rule in plan.rules if not rule.passed}


def without(rows: list[Row], *keys: str) -> list[Row]:
    return [row for row in rows if row["external_id"] not in keys]


@pytest.mark.long
def test_fault_d8_role_group_that_vanishes_is_held(world: World) -> None:
    world.begin(roster(students=200))
    students = [r for r in roster(200)["users"] if r["external_id"].startswith("s")]

    plan = world.plan({**roster(200), "users": students})

    assert set(broken(plan)) == {
        "guard.deactivated.per_entity",
        "guard.deactivated.per_school",
        "guard.zero_rows",
    }
    [line] = broken(plan)["guard.deactivated.per_entity"].splitlines()
    assert line.startswith("users/staff: 12 of 12")
    assert plan.counts["users"].missing == plan.counts["users/staff"].missing == 12
    assert plan.counts["users/students"].missing == 0


@pytest.mark.long
def test_faults_d5_d9_empty_collection_holds_and_cannot_be_approved(
    world: World,
) -> None:
    world.begin(roster())

    users = world.plan({**roster(), "users": []})
    enrollments = world.plan({**roster(), "enrollments": []})

    assert (users.verdict, enrollments.verdict) == ("failed", "held")
    assert "guard.zero_rows" in broken(users)
    assert "guard.zero_rows" in broken(enrollments)


@pytest.mark.long
def test_school_that_loses_its_students_is_held_though_the_entity_is_not(
    world: World,
) -> None:
    world.begin(roster(students=200))
    gone = [f"s{i}" for i in range(0, 44, 4)]
    staged = roster(200)
    staged["users"] = without(staged["users"], *gone)

    plan = world.plan(staged)

    assert set(broken(plan)) == {"guard.deactivated.per_school"}
    assert broken(plan)["guard.deactivated.per_school"].startswith(
        "school 20, users/students: 11 of 50"
    )


@pytest.mark.long
def test_transfer_counts_as_leaving_the_old_school_only(world: World) -> None:
    world.begin(roster(students=200))
    staged = roster(200)
    for row in staged["users"][:44:4]:
        row |= person(row["external_id"], at="10", student_number=row[NUMBER])

    plan = world.plan(staged)

    assert plan.counts["users"].deactivated == 0
    assert plan.counts["users"].updated == 11
    assert set(broken(plan)) == {"guard.deactivated.per_school"}
    by_school = {
        s.school: (s.active, s.leaving) for s in plan.schools if s.group == "students"
    }
    assert by_school["20"] == (50, 11)
    assert by_school["10"] == (150, 0)


@pytest.mark.long
def test_people_who_return_under_other_ids_are_churn(world: World) -> None:
    world.begin(roster(students=200))
    staged = roster(200)
    for row in staged["users"][:10]:
        row["external_id"] = "new" + row["external_id"]
    staged["enrollments"] = staged["enrollments"][10:]

    plan = world.plan(staged)

    assert plan.counts["users"].churned == 10
    assert set(broken(plan)) == {"guard.id_churn"}
    assert broken(plan)["guard.id_churn"].startswith("users: 10 of 212")


@pytest.mark.long
def test_schools_courses_and_classes_churn_by_their_natural_keys(world: World) -> None:
    first: Roster = {
        "orgs": [school("10", sis_id=None), school("20", state_id="S")],
        "courses": [{"external_id": "C", "name": "Art", "course_code": "ART",
                     "school_external_id": "20"}],
        "classes": [section("A", at="20", course_external_id="C", section_number="1",
                            term_external_ids='["T"]')],
        "terms": [{"external_id": "T", "name": "Year", "type": "schoolYear",
                   "start_date": "2026-08-01", "end_date": "2027-06-01"}],
    }  # fmt: skip
    world.sync(first)
    second = {name: [dict(row) for row in rows] for name, rows in first.items()}
    second["orgs"][0]["external_id"] = "x10"
    second["courses"][0]["external_id"] = "xC"
    second["terms"][0]["external_id"] = "xT"
    second["classes"][0] |= {"external_id": "xA", "course_external_id": "xC",
                             "term_external_ids": '["xT"]'}  # fmt: skip

    plan = world.plan(second)

    churned = {name: plan.counts[name].churned for name in plan.entities}
    assert churned == {"orgs": 1, "courses": 1, "classes": 1, "terms": 0}


@pytest.mark.long
def test_most_records_changed_is_held(world: World) -> None:
    world.begin(roster())
    staged = roster()
    for row in staged["users"]:
        row["middle_name"] = "Kim"

    plan = world.plan(staged)

    assert set(broken(plan)) == {"guard.updated"}
    assert plan.counts["users/students"].updated == 30


def test_first_import_is_ready_whatever_its_size(world: World) -> None:
    plan = world.plan(roster(students=50))

    assert plan.verdict == "ready"
    assert [r.code for r in plan.rules if not r.passed] == []
    assert set(plan.entities) <= set(ENTITIES)
