"""From a server over a pull to staged frames, by the shipped mapping."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from d118_pipelines.frames import open_frames
from d118_pipelines.roster.mapping import read_mapping
from d118_pipelines.roster.raw_relations import RawCollection
from d118_pipelines.roster.staged import Staged
from d118_pipelines.roster.staging import StagingOptions, stage
from d118_pipelines_tests.sources.clever.district import (
    DISTRICT,
    NOW,
    SCHOOL,
    Data,
    as_v2,
    clever_id,
    person,
    pull_of,
    section,
    small_district,
    source_of,
    student,
    teacher,
)
from d118_pipelines_tests.support.clever_server import CleverServer
from d118_pipelines_tests.support.project import REPOSITORY

Row = dict[str, Any]
OTHER_SCHOOL = clever_id("school", 2)
YEAR = f"{DISTRICT}-year-2027"


def staged_of(data: Data, folder: Path, **options: Any) -> Staged:
    """Serve, pull and stage."""
    with CleverServer(data, cap=100) as server:
        return staged_from(server, folder, **options)


def staged_from(server: CleverServer, folder: Path, **options: Any) -> Staged:
    """Pull and stage."""
    pull = pull_of(source_of(server, **options), folder / "raw")
    raw = {
        name: RawCollection(
            name, pull.rows_file(name), name, one.absence, one.is_delta, one.rows
        )
        for name, one in pull.collections.items()
    }
    mapping = read_mapping(REPOSITORY / "mappings/clever.json", project_root=REPOSITORY)
    duck = open_frames()
    try:
        return stage(
            duck,
            raw=raw,
            mapping=mapping,
            options=StagingOptions(district_id="example", provider_id="clever"),
            parent=folder / "staged",
            run_id="a" * 32,
            now=NOW,
            pull_findings=pull.findings_file,
        )
    finally:
        duck.close()


def frame(staged: Staged, name: str) -> dict[str, Row]:
    """The staged rows of an entity by their external id."""
    rows = pq.read_table(staged.folder / f"{name}.parquet").to_pylist()
    return {row["external_id"]: row for row in rows}


def rejected(staged: Staged) -> set[tuple[str, str, str]]:
    rows = pq.read_table(staged.folder / "rejected.parquet").to_pylist()
    return {(row["entity"], row["external_id"], row["code"]) for row in rows}


def roles(row: Row) -> list[tuple[str, str, bool]]:
    """Role, school and whether it is primary."""
    found = json.loads(row["roles"])
    return sorted(
        (r["role"], r["school_external_id"], bool(r["is_primary"])) for r in found
    )


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


def test_nothing_of_a_plain_district_is_odd(tmp_path: Path) -> None:
    staged = staged_of(small_district(), tmp_path)

    assert staged.findings == {}


def test_person_with_two_roles_is_one_user_with_both(tmp_path: Path) -> None:
    data = small_district()
    both = {"staff_id": "77", "title": "Coach", "schools": [SCHOOL]}
    data["users"][-1] = teacher(2, staff=both)
    staged = staged_of(data, tmp_path)

    users = frame(staged, "users")
    assert len(users) == 5
    user = users[clever_id("teacher", 2)]
    assert roles(user) == [("staff", SCHOOL, False), ("teacher", SCHOOL, True)]
    assert user["staff_id"] == "N2"
    assert user["title"] == "Coach"
    assert user["username"] == user["email"] == "teacher2@school.example"
    ids = {i["type"]: i["identifier"] for i in json.loads(user["user_ids"])}
    assert ids == {
        "cleverId": clever_id("teacher", 2),
        "sisId": "T2",
        "teacherNumber": "N2",
        "staffId": "77",
    }


def test_same_email_alone_never_joins_two_people(tmp_path: Path) -> None:
    data = small_district()
    for user in data["users"]:
        user["email"] = "shared@school.example"
    staged = staged_of(data, tmp_path)

    assert len(frame(staged, "users")) == 5


def test_v2_gives_the_same_roster_as_v3(tmp_path: Path) -> None:
    data = small_district()
    data["users"].append(
        person("staff", 1, {"staff": {"staff_id": "9", "schools": [SCHOOL]}})
    )
    v3 = staged_of(data, tmp_path / "3")
    v2 = staged_of(as_v2(data), tmp_path / "2", api_version="v2.1")

    for name in v3.entities:
        assert {key: row["row_hash"] for key, row in frame(v3, name).items()} == {
            key: row["row_hash"] for key, row in frame(v2, name).items()
        }, name


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


def test_student_at_two_schools_has_dates_at_each(tmp_path: Path) -> None:
    data = small_district()
    data["schools"].append(
        {"id": OTHER_SCHOOL, "name": "Example Middle", "district": DISTRICT}
    )
    enrollments = [
        {"school": SCHOOL, "start_date": "2026-08-17", "end_date": "2027-06-01"},
        {"school": OTHER_SCHOOL, "start_date": "2026-08-20", "end_date": None},
    ]
    data["users"][0] = student(
        1,
        schools=[SCHOOL, OTHER_SCHOOL],
        enrollments=enrollments,
        graduation_year="2030",
    )
    user = frame(staged_of(data, tmp_path), "users")[clever_id("student")]

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
    tmp_path: Path,
) -> None:
    data = small_district()
    data["users"] += [
        person("staff", 1, {"staff": {"staff_id": "9", "schools": []}}),
        person("staff", 2, {"district_admin": {"title": "Boss"}}),
    ]
    users = frame(staged_of(data, tmp_path), "users")

    assert roles(users[clever_id("staff", 1)]) == [("staff", DISTRICT, True)]
    assert roles(users[clever_id("staff", 2)]) == [("district_admin", DISTRICT, True)]


@pytest.mark.parametrize(
    ("relations", "role"),
    [
        ([("Sibling", "Primary"), ("Parent", "Other")], "parent"),
        ([("Grandparent", "Emergency"), ("Other", "Parent/Guardian")], "guardian"),
        ([("Sibling", "Emergency")], "relative"),
    ],
)
def test_contact_has_the_first_word_that_fits(
    tmp_path: Path, relations: list[tuple[str, str]], role: str
) -> None:
    data = small_district()
    own = [
        {"student": clever_id("student", n + 1), "relationship": r, "type": t}
        for n, (r, t) in enumerate(relations)
    ]
    contact = person("contact", 1, {"contact": {"student_relationships": own}})
    data["users"].append({**contact, "name": {"last": "Pat de Last1"}})
    users = frame(staged_of(data, tmp_path, with_contacts=True), "users")

    found = users[clever_id("contact")]
    assert roles(found) == [(role, SCHOOL, True)]
    assert (found["first_name"], found["last_name"]) == ("Pat de", "Last1")
    agents = users[clever_id("student")]["agent_external_ids"]
    assert json.loads(agents) == [clever_id("contact")]


def test_members_of_a_section_become_enrollments(tmp_path: Path) -> None:
    data = small_district()
    teachers = [clever_id("teacher", n) for n in (1, 2)]
    students = [clever_id("student", n) for n in (1, 2, 2)]
    data["sections"] = [section(1, teachers=teachers, students=students)]
    staged = staged_of(data, tmp_path)

    one = clever_id("section", 1)
    found = {
        key: (row["role"], row["is_primary"], row["class_external_id"])
        for key, row in frame(staged, "enrollments").items()
    }
    assert found == {
        f"{one}-s-{clever_id('student', 1)}": ("student", None, one),
        f"{one}-s-{clever_id('student', 2)}": ("student", None, one),
        f"{one}-t-{teachers[0]}": ("teacher", True, one),
        f"{one}-t-{teachers[1]}": ("teacher", False, one),
    }


def test_teacher_who_is_not_listed_is_added(tmp_path: Path) -> None:
    data = small_district()
    data["sections"] = [section(1, teachers=[clever_id("teacher", 2)])]
    staged = staged_of(data, tmp_path)

    primary = {
        row["user_external_id"]: row["is_primary"]
        for row in frame(staged, "enrollments").values()
        if row["role"] == "teacher"
    }
    assert primary == {clever_id("teacher", 1): True, clever_id("teacher", 2): False}
    assert staged.findings == {"clever.teacher_not_listed": 1}


def test_unknown_member_of_a_section_is_rejected(tmp_path: Path) -> None:
    data = small_district()
    unknown = clever_id("student", 99)
    data["sections"] = [section(1, students=[clever_id("student"), unknown])]
    staged = staged_of(data, tmp_path)

    key = f"{clever_id('section', 1)}-s-{unknown}"
    assert rejected(staged) == {("enrollments", key, "ref.orphan")}
    assert len(frame(staged, "enrollments")) == 2


def test_section_without_term_or_course_gets_the_substitutes(tmp_path: Path) -> None:
    data = small_district()
    undated = clever_id("term", 2)
    data["terms"].append({"id": undated, "name": "S2", "district": DISTRICT})
    data["sections"] = [
        section(1),
        section(2, term_id=None, course=None, subject="homeroom/advisory"),
        section(3, term_id=undated),
    ]
    staged = staged_of(data, tmp_path)

    classes = frame(staged, "classes")
    one, two, three = (classes[clever_id("section", n)] for n in (1, 2, 3))
    assert json.loads(one["term_external_ids"]) == [clever_id("term")]
    assert json.loads(two["term_external_ids"]) == [YEAR]
    assert json.loads(three["term_external_ids"]) == [YEAR]
    assert two["course_external_id"] == f"{two['external_id']}-course"
    assert (one["class_type"], two["class_type"]) == ("scheduled", "homeroom")
    assert set(frame(staged, "courses")) == {
        clever_id("course"),
        two["course_external_id"],
    }
    assert set(frame(staged, "terms")) == {clever_id("term"), YEAR}


def test_last_day_of_a_term_belongs_to_it(tmp_path: Path) -> None:
    data = small_district()
    whole = {"start_date": "2026-08-17T00:00:00.000Z", "end_date": "2027-06-01"}
    data["terms"].append({"id": clever_id("term", 2), "district": DISTRICT, **whole})
    terms = frame(staged_of(data, tmp_path), "terms")

    shown = {
        key: (t["name"], t["type"], str(t["start_date"]), str(t["end_date"]))
        for key, t in terms.items()
    }
    assert shown == {
        clever_id("term"): ("S1", "term", "2026-08-17", "2027-01-16"),
        clever_id("term", 2): (
            "2026-08-17 - 2027-06-01",
            "schoolYear",
            "2026-08-17",
            "2027-06-02",
        ),
        YEAR: ("2026-07-01 - 2027-06-30", "schoolYear", "2026-07-01", "2027-07-01"),
    }
    assert {t["school_year"] for t in terms.values()} == {2027}


def test_schools_belong_to_their_district(tmp_path: Path) -> None:
    orgs = frame(staged_of(small_district(), tmp_path), "orgs")

    assert {
        key: (o["org_type"], o["name"], o["parent_external_id"], o["sis_id"])
        for key, o in orgs.items()
    } == {
        DISTRICT: ("district", "Example District", None, None),
        SCHOOL: ("school", "Example High", DISTRICT, "5"),
    }
