"""People from a server over a pull to staged frames, by the shipped mapping."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from d118_pipelines.roster.model.entities import COMMON_COLUMNS
from d118_pipelines.roster.staging.staged import Staged
from d118_pipelines_tests.sources.clever.district import (
    DISTRICT,
    SCHOOL,
    as_v2,
    clever_id,
    person,
    small_district,
    teacher,
)
from d118_pipelines_tests.sources.clever.staged_district import (
    COACH,
    OTHER_SCHOOL,
    STUDENT,
    frame,
    oddities,
    rejected,
    rich_district,
    roles,
    staged_from,
    staged_of,
)
from d118_pipelines_tests.support.clever_server import CleverServer

ORIGIN_COLUMNS = set(COMMON_COLUMNS) - {"external_id", "status", "inactive_reason"}


@pytest.mark.long
def test_all_people_of_several_pages_are_staged(tmp_path: Path) -> None:
    staged = staged_of(small_district(students=150, teachers=20), tmp_path)

    users = frame(staged, "users")
    assert len(users) == 170
    assert Counter(roles(u)[0][0] for u in users.values()) == {
        "student": 150,
        "teacher": 20,
    }
    assert staged.entities["users"].absence == "proven"
    assert rejected(staged) == set()
    assert oddities(staged) == {}


@pytest.mark.long
def test_person_with_two_roles_is_one_user_with_both(rich: Staged) -> None:
    user = frame(rich, "users")[COACH]

    assert roles(user) == [("staff", SCHOOL, False), ("teacher", SCHOOL, True)]
    assert user["staff_id"] == "N2"
    assert user["title"] == "Coach"
    assert user["username"] == "shared@school.example"
    ids = {i["type"]: i["identifier"] for i in json.loads(user["user_ids"])}
    assert ids == {
        "cleverId": COACH,
        "sisId": "T2",
        "teacherNumber": "N2",
        "staffId": "77",
    }


def test_same_email_alone_never_joins_two_people(rich: Staged) -> None:
    users = frame(rich, "users")

    assert set(users) == {user["id"] for user in rich_district()["users"]}
    assert {user["email"] for user in users.values()} == {"shared@school.example"}


@pytest.mark.long
def test_v2_gives_the_same_roster_as_v3(tmp_path: Path) -> None:
    data = small_district()
    data["users"].append(
        person("staff", 1, {"staff": {"staff_id": "9", "schools": [SCHOOL]}})
    )
    v3 = staged_of(data, tmp_path / "3")
    v2 = staged_of(as_v2(data), tmp_path / "2", api_version="v2.1")

    for name in v3.entities:
        records = [
            {
                key: {n: value for n, value in row.items() if n not in ORIGIN_COLUMNS}
                for key, row in frame(staged, name).items()
            }
            for staged in (v3, v2)
        ]
        assert records[0] == records[1], name


@pytest.mark.long
def test_newest_object_of_a_person_counts(tmp_path: Path) -> None:
    data = small_district()
    user = teacher(2, staff={"staff_id": "77", "schools": []})
    data["users"][-1] = user
    newer = {**user, "email": "new@school.example"}
    newer["last_modified"] = "2026-10-03T00:00:00.000Z"
    with CleverServer(data) as server:
        server.changes["users?role=staff"] = newer
        staged = staged_from(server, tmp_path)

    found = frame(staged, "users")[user["id"]]
    assert found["email"] == "new@school.example"
    assert roles(found) == [("staff", DISTRICT, True), ("teacher", SCHOOL, True)]


def test_student_at_two_schools_has_dates_at_each(rich: Staged) -> None:
    user = frame(rich, "users")[STUDENT]

    assert user["primary_school_external_id"] == SCHOOL
    assert user["graduation_year"] == 2030
    assert user["grade_level"] == "09"
    dates = {
        r["school_external_id"]: (r["begin_date"], r["end_date"])
        for r in json.loads(user["roles"])
    }
    assert dates == {
        SCHOOL: ("2026-08-17", "2027-06-02"),
        OTHER_SCHOOL: ("2026-08-20", None),
    }


def test_staff_without_school_and_district_admins_belong_to_the_district(
    rich: Staged,
) -> None:
    users = frame(rich, "users")

    assert roles(users[clever_id("staff", 1)]) == [("staff", DISTRICT, True)]
    assert roles(users[clever_id("staff", 2)]) == [("district_admin", DISTRICT, True)]


@pytest.mark.parametrize(
    ("number", "role"), [(1, "parent"), (2, "guardian"), (3, "relative")]
)
def test_contact_has_the_first_word_that_fits(
    rich: Staged, number: int, role: str
) -> None:
    found = frame(rich, "users")[clever_id("contact", number)]

    assert roles(found) == [(role, SCHOOL, True)]
    assert (found["first_name"], found["last_name"]) == ("Pat de", "Last1")


def test_contacts_are_agents_of_the_students_they_name(rich: Staged) -> None:
    users = frame(rich, "users")

    agents = {
        number: json.loads(users[clever_id("student", number)]["agent_external_ids"])
        for number in (2, 3)
    }
    assert agents == {
        2: [clever_id("contact", n) for n in (1, 2, 3)],
        3: [clever_id("contact", n) for n in (1, 2)],
    }
    assert users[STUDENT]["agent_external_ids"] is None
