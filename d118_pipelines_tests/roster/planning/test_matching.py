"""Matching of people: four steps in order, and never a guess (A14, faults C19, 15)."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from d118_pipelines.config.providers import Matching
from d118_pipelines.roster.planning.matching import SEVERITIES
from d118_pipelines_tests.roster.planning.rosters import (
    Row,
    Staged,
    World,
    person,
    school,
)

FAMILY = "family@home.example"
Known = dict[str, Any]


def known(world: World, *people: Row) -> dict[str, str]:
    """The roster has these people from `sis`; external id -> internal id."""
    sync = world.sync if world.count else world.begin
    sync({"orgs": [school("10")], "users": list(people)})
    return world.ids("users")


def matched(world: World, *people: Row, **more: Any) -> dict[str, tuple[Any, ...]]:
    """External id -> action, rule, reason, id, of `clever`'s people."""
    orgs = [school("c10", sis_id="10")]
    staged = [{**p, "primary_school_external_id": "c10"} for p in people]
    plan = world.plan({"orgs": orgs, "users": staged}, "clever", **more)
    rows = world.rows(plan, "users", "external_id, action, rule, reason, id")
    counts = plan.counts["users"]
    assert counts.fetched == len(people)
    return {row[0]: row[1:] for row in rows}


@pytest.mark.long
def test_a14_email_links_without_case_and_blanks(world: World) -> None:
    ids = known(world, person("1", email="Ada@Students.example"))

    found = matched(world, person("c1", email=" ada@students.EXAMPLE "))

    assert found == {"c1": ("link", "email", None, ids["1"])}


@pytest.mark.long
def test_a14_student_number_links_students_without_email(world: World) -> None:
    ids = known(world, person("1", student_number="501", email="a@students.example"))

    found = matched(world, person("c1", student_number="501"))

    assert found == {"c1": ("link", "student_number", None, ids["1"])}


@pytest.mark.long
def test_a14_external_id_goes_before_email(world: World) -> None:
    ids = known(world, person("1", email="a@s.example"))
    clever = {"orgs": [school("c10", sis_id="10")],
              "users": [person("c1", email="a@s.example")]}  # fmt: skip
    world.sync(clever, "clever")
    ids |= known(
        world, person("1", email="a@s.example"), person("2", email="b@s.example")
    )

    found = matched(world, person("c1", email="b@s.example"))

    assert world.ids("users", "clever")["c1"] == ids["1"]
    assert found == {}  # sis owns the values; the link stands


@pytest.mark.long
def test_nobody_known_is_created(world: World) -> None:
    known(world, person("1", email="a@s.example", student_number="1"))

    found = matched(world, person("c1", email="b@s.example", student_number="2"))

    assert found["c1"][:3] == ("create", "created", None)


@pytest.mark.long
def test_creation_switched_off_is_a_conflict_without_match(world: World) -> None:
    known(world, person("1", email="a@s.example"))

    found = matched(
        world, person("c1", email="b@s.example"), matching=Matching(create=False)
    )

    assert found == {"c1": ("conflict", "no_match", "MERGE_CANDIDATE", None)}


def expected(case: tuple[str, str, bool], ids: Known, own_id: Any) -> tuple[Any, ...]:
    """The decision table: e-mail hit, number hit, whether the row has an e-mail."""
    email, number, has_email = case
    hits = {"same": ids["1"], "other": ids["2"]}
    if has_email and email in hits:
        if number in ("none", email):
            return ("link", "email", None, hits[email])
        return ("conflict", "email", "EMAIL_MISMATCH", None)
    if number == "none":
        return ("create", "created", None, own_id)
    if has_email:
        return ("conflict", "student_number", "MERGE_CANDIDATE", None)
    return ("link", "student_number", None, hits[number])


def test_every_combination_of_hits(world: World) -> None:
    ids = known(
        world,
        person("1", email="one@s.example", student_number="501"),
        person("2", email="two@s.example", student_number="502"),
    )
    mails = {"same": "one@s.example", "other": "two@s.example", "none": "x@s.example"}
    numbers = {"same": "501", "other": "502", "none": None}

    for case in itertools.product(mails, numbers, (True, False)):
        email, number, has_email = case
        row = person("c1", email=mails[email] if has_email else None)
        found = matched(world, {**row, "student_number": numbers[number]})["c1"]
        assert found == expected(case, ids, found[3]), case


@pytest.mark.long
def test_shared_family_email_of_two_rows_links_nobody(world: World) -> None:
    known(world, person("1", email=FAMILY))

    found = matched(world, person("c1", email=FAMILY), person("c2", email=FAMILY))

    conflict = ("conflict", "email", "DUPLICATE_EMAIL", None)
    assert found == {"c1": conflict, "c2": conflict}


@pytest.mark.long
def test_shared_family_email_of_two_known_users_links_nobody(world: World) -> None:
    known(world, person("1", email=FAMILY), person("2", email=FAMILY))

    found = matched(world, person("c1", email=FAMILY))

    assert found == {"c1": ("conflict", "email", "DUPLICATE_EMAIL", None)}


def test_siblings_whom_nobody_knows_yet_are_both_created(world: World) -> None:
    known(world)

    found = matched(world, person("c1", email=FAMILY), person("c2", email=FAMILY))

    assert [row[0] for row in found.values()] == ["create", "create"]
    assert found["c1"][3] != found["c2"][3]


@pytest.mark.long
def test_student_number_that_stands_twice_links_nobody(world: World) -> None:
    known(world, person("1", student_number="501"))

    found = matched(
        world, person("c1", student_number="501"), person("c2", student_number="501")
    )

    conflict = ("conflict", "student_number", "MERGE_CANDIDATE", None)
    assert found == {"c1": conflict, "c2": conflict}


@pytest.mark.long
def test_number_of_a_student_never_finds_staff(world: World) -> None:
    known(world, person("1", "teacher", student_number="501"))

    found = matched(world, person("c1", student_number="501"))

    assert found["c1"][0] == "create"


@pytest.mark.long
def test_student_and_staff_with_one_email_stay_two(world: World) -> None:
    known(world, person("1", email="a@s.example"))

    found = matched(world, person("c1", "teacher", email="a@s.example"))

    assert found == {"c1": ("conflict", "email", "ROLE_CONFLICT", None)}


def test_student_who_becomes_staff_under_one_id_is_a_conflict(world: World) -> None:
    ids = known(world, person("1", email="a@s.example"))

    plan = world.plan({"users": [person("1", "teacher", email="a@s.example")]})

    assert world.rows(plan, "users", "action, rule, reason, id") == [
        ("conflict", "external_id", "ROLE_CONFLICT", ids["1"])
    ]
    assert plan.counts["users"].deactivated == 0


@pytest.mark.long
def test_student_who_also_helps_as_an_aide_stays_a_student(world: World) -> None:
    known(world, person("1"))
    both = json.loads(person("1")["roles"]) + json.loads(person("1", "aide")["roles"])

    staged = {"orgs": [school("10")], "users": [person("1", roles=json.dumps(both))]}
    plan = world.plan(staged)

    assert world.rows(plan, "users", "action, fields, group_name") == [
        ("update", ["roles"], "students")
    ]


@pytest.mark.long
def test_other_last_name_behind_an_email_is_a_conflict(world: World) -> None:
    known(world, person("1", email="a@s.example", last_name="Müller-Example"))

    same = matched(world, person("c1", email="a@s.example", last_name="MULLER EXAMPLE"))
    other = matched(world, person("c1", email="a@s.example", last_name="Person"))

    assert same["c1"][0] == "link"
    assert other == {"c1": ("conflict", "email", "NAME_MISMATCH", None)}


def test_name_change_under_one_id_is_an_ordinary_update(world: World) -> None:
    known(world, person("1", email="a@s.example"))

    plan = world.plan({"users": [person("1", last_name="New", email="b@s.example")]})

    [(action, fields)] = world.rows(plan, "users", "action, fields")
    assert (action, {"last_name", "email"} <= set(fields)) == ("update", True)


@pytest.mark.long
def test_returner_after_leaving_keeps_the_link(world: World) -> None:
    ids = known(world, person("1", email="a@s.example"), person("2"))
    world.sync({"users": [person("2")]})
    assert world.statuses("users")["1"] == "inactive"

    plan = world.sync({"users": [person("1", email="new@s.example"), person("2")]})

    assert world.rows(plan, "users", "action, id, rule") == [
        ("reactivate", ids["1"], "external_id")
    ]


@pytest.mark.long
def test_inactive_person_whom_another_provider_brings_back_keeps_the_id(
    world: World,
) -> None:
    ids = known(world, person("1", email="a@s.example"), person("2"))
    world.sync({"users": [person("2")]})

    found = matched(world, person("c1", email="a@s.example"))

    assert found == {"c1": ("reactivate", "email", None, ids["1"])}


def test_link_whose_user_is_gone_is_a_conflict(world: World) -> None:
    known(world, person("1"))
    world.duck.execute("DELETE FROM store.users")

    plan = world.plan({"users": [person("1")]})

    assert world.rows(plan, "users", "action, reason, id") == [
        ("conflict", "ORPHANED_MAPPING", None)
    ]


def resolve(world: World, key: str, resolution: str, internal_id: str | None) -> None:
    world.duck.execute(
        "INSERT INTO base.resolutions VALUES ('users', ?, ?, ?)",
        [key, resolution, internal_id],
    )


def test_resolution_to_keep_separate_creates(world: World) -> None:
    known(world, person("1", email=FAMILY))
    people = person("c1", email=FAMILY), person("c2", email=FAMILY)
    resolve(world, "c1", "RESOLVED_KEPT_SEPARATE", None)

    found = matched(world, *people)

    assert found["c1"][:3] == ("create", "created", None)
    assert found["c2"][2] == "DUPLICATE_EMAIL"


def test_resolution_to_merge_links_to_that_record(world: World) -> None:
    ids = known(world, person("1", email=FAMILY))
    people = person("c1", email=FAMILY), person("c2", email=FAMILY)
    resolve(world, "c2", "RESOLVED_MERGED", ids["1"])

    found = matched(world, *people)

    assert found["c1"][2] == "DUPLICATE_EMAIL"
    assert found["c2"] == ("link", "resolved", None, ids["1"])


def test_resolution_to_merge_accepts_a_change_of_role(world: World) -> None:
    ids = known(world, person("1"))
    resolve(world, "1", "RESOLVED_MERGED", ids["1"])

    plan = world.plan({"users": [person("1", "teacher")]})

    assert world.rows(plan, "users", "action, group_name") == [("update", "staff")]


@pytest.mark.parametrize("resolution", ["RESOLVED_MANUAL", "DISMISSED", "OPEN"])
def test_other_resolutions_leave_the_conflict(world: World, resolution: str) -> None:
    ids = known(world, person("1", email=FAMILY), person("2", email=FAMILY))
    resolve(world, "c1", resolution, ids["1"])

    assert matched(world, person("c1", email=FAMILY))["c1"][0] == "conflict"


def test_two_rows_never_claim_one_record(world: World) -> None:
    ids = known(world, person("1", email="a@s.example", student_number="501"))

    found = matched(
        world, person("c1", email="a@s.example"), person("c2", student_number="501")
    )

    assert ids["1"] not in {row[3] for row in found.values() if row[0] != "conflict"}
    assert {row[2] for row in found.values()} <= {"MERGE_CANDIDATE", "EMAIL_MISMATCH"}


@pytest.mark.long
def test_steps_can_be_switched_off(world: World) -> None:
    ids = known(world, person("1", email="a@s.example", student_number="501"))
    row = person("c1", email="a@s.example", student_number="501")

    by_number = matched(world, row, matching=Matching(email=False))
    by_nothing = matched(
        world, row, matching=Matching(email=False, student_number=False)
    )

    assert by_number == {"c1": ("link", "student_number", None, ids["1"])}
    assert by_nothing["c1"][0] == "create"


@pytest.mark.long
def test_conflicted_person_has_no_enrollments_yet(world: World) -> None:
    known(world, person("1", email=FAMILY), person("2", email=FAMILY))
    staged: dict[str, list[Row]] = {
        "orgs": [school("c10", sis_id="10")],
        "classes": [{"external_id": "A", "school_external_id": "c10", "name": "A"}],
        "users": [person("c1", at="c10", email=FAMILY)],
        "enrollments": [{"external_id": "e", "user_external_id": "c1",
                         "class_external_id": "A", "role": "student"}],
        "demographics": [{"external_id": "c1", "white": True}],
    }  # fmt: skip

    plan = world.plan(Staged(staged), "clever")

    lost = ("conflict", "UNRESOLVED_REFERENCE")
    assert world.rows(plan, "enrollments", "action, reason, rule") == [
        (*lost, "user_external_id")
    ]
    assert world.rows(plan, "demographics", "action, reason") == [lost]


def test_every_type_has_a_severity(world: World) -> None:
    assert set(SEVERITIES.values()) <= {"LOW", "MEDIUM", "HIGH", "CRITICAL"}
