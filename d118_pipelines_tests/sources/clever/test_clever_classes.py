"""Schools, terms, sections and their members as staged by the shipped mapping."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from d118_pipelines.roster.staging.staged import Staged
from d118_pipelines_tests.sources.clever.district import (
    DISTRICT,
    SCHOOL,
    Record,
    clever_id,
    section,
    small_district,
)
from d118_pipelines_tests.sources.clever.staged_district import (
    COACH,
    OTHER_SCHOOL,
    WHOLE_YEAR,
    YEAR,
    frame,
    oddities,
    rejected,
    staged_of,
)
from d118_pipelines_tests.support.project import REPOSITORY


@pytest.mark.long
def test_members_of_a_section_become_enrollments(rich: Staged) -> None:
    one = clever_id("section", 1)
    found = {
        key: (row["role"], row["is_primary"])
        for key, row in frame(rich, "enrollments").items()
        if row["class_external_id"] == one
    }

    assert found == {
        f"{one}-s-{clever_id('student', 1)}": ("student", None),
        f"{one}-s-{clever_id('student', 2)}": ("student", None),
        f"{one}-t-{clever_id('teacher', 1)}": ("teacher", True),
        f"{one}-t-{clever_id('teacher', 2)}": ("teacher", False),
    }


def test_unknown_member_of_a_section_is_rejected(rich: Staged) -> None:
    key = f"{clever_id('section', 1)}-s-{clever_id('student', 99)}"

    assert rejected(rich) == {("enrollments", key, "ref.orphan")}


def test_teacher_who_is_not_listed_is_added(rich: Staged) -> None:
    primary = {
        row["user_external_id"]: row["is_primary"]
        for row in frame(rich, "enrollments").values()
        if row["class_external_id"] == clever_id("section", 4)
        and row["role"] == "teacher"
    }

    assert primary == {clever_id("teacher", 3): True, COACH: False}


def test_findings_are_those_of_the_odd_records(rich: Staged) -> None:
    assert oddities(rich) == {
        "clever.teacher_not_listed": 1,
        "ref.orphan": 1,
        "row.defaulted": 1,
        "sem.primary_org_without_role": 3,  # contacts: the district is theirs
    }


def test_section_without_term_or_course_gets_the_substitutes(rich: Staged) -> None:
    classes = frame(rich, "classes")
    one, two, three = (classes[clever_id("section", n)] for n in (1, 2, 3))

    assert json.loads(one["term_external_ids"]) == [clever_id("term")]
    assert json.loads(two["term_external_ids"]) == [YEAR]
    assert json.loads(three["term_external_ids"]) == [YEAR]
    assert two["course_external_id"] == f"{two['external_id']}-course"
    assert (one["class_type"], two["class_type"]) == ("scheduled", "homeroom")
    assert set(frame(rich, "courses")) == {
        clever_id("course"),
        two["course_external_id"],
    }


def test_last_day_of_a_term_belongs_to_it(rich: Staged) -> None:
    terms = frame(rich, "terms")

    shown = {
        key: (t["name"], t["type"], str(t["start_date"]), str(t["end_date"]))
        for key, t in terms.items()
    }
    year = ("2026-08-17 - 2027-06-01", "schoolYear", "2026-08-17", "2027-06-02")
    assert shown == {
        clever_id("term"): ("S1", "term", "2026-08-17", "2027-01-16"),
        WHOLE_YEAR: year,
        YEAR: ("2026-07-01 - 2027-06-30", "schoolYear", "2026-07-01", "2027-07-01"),
    }
    assert {t["school_year"] for t in terms.values()} == {2027}


def test_schools_belong_to_their_district(rich: Staged) -> None:
    assert {
        key: (o["org_type"], o["name"], o["parent_external_id"], o["sis_id"])
        for key, o in frame(rich, "orgs").items()
    } == {
        DISTRICT: ("district", "Example District", None, None),
        SCHOOL: ("school", "Example High", DISTRICT, "5"),
        OTHER_SCHOOL: ("school", "Example Middle", DISTRICT, None),
    }


def odd_sections() -> list[Record]:
    """The sections of the case as objects of this district, and others of the kind."""
    path = REPOSITORY / "d118_pipelines_tests/cases/31-clever-section-without-members"
    entries = json.loads((path / "section.json").read_text("utf-8"))["data"]
    own = {"district": DISTRICT, "school": SCHOOL}
    found = [{**entry["data"], **own} for entry in entries]
    for number, members in enumerate(({}, "none", 5, [None], [5])):
        odd = {"teachers": members, "students": members, "teacher": None}
        found.append(section(7 + number, **odd))
    return found


@pytest.mark.long
def test_case_31_a_section_without_members_is_a_class_without_members(
    tmp_path: Path,
) -> None:
    odd = odd_sections()
    data = {**small_district(), "sections": [section(1), *odd]}
    staged = staged_of(data, tmp_path)

    classes, enrollments = frame(staged, "classes"), frame(staged, "enrollments")
    assert classes.keys() == {section(1)["id"], *(row["id"] for row in odd)}
    assert {row["class_external_id"] for row in enrollments.values()} == {
        section(1)["id"]
    }
    assert staged.entities["enrollments"].absence == "proven"


@pytest.mark.long
@pytest.mark.parametrize("teachers", [None, {}, "x", 5])
def test_case_31_a_teacher_beside_lists_that_are_none_still_counts(
    teachers: Any, tmp_path: Path
) -> None:
    alone = section(2, teachers=teachers, students=None)
    data = {**small_district(), "sections": [alone]}
    staged = staged_of(data, tmp_path)

    [row] = frame(staged, "enrollments").values()
    assert (row["class_external_id"], row["role"]) == (alone["id"], "teacher")
    assert oddities(staged)["clever.teacher_not_listed"] == 1
