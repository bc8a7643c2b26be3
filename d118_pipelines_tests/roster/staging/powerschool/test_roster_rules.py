"""Rules of the roster on a few rows each.

See docs/reference/powerschool.md, the roster.
"""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from d118_pipelines_tests.roster.staging.powerschool.tables import (
    DISTRICT,
    Roster,
    Rows,
    files_of,
    settings,
    staged,
)

SCHOOLS = [
    {"school_number": 5, "name": "WHS", "low_grade": 9, "high_grade": 12},
    {"school_number": 0, "name": "DO", "state_excludefromreporting": 1},
    {"school_number": 134, "name": "TECH", "state_excludefromreporting": 1},
]
TERM = {
    "dcid": 1,
    "id": 3500,
    "schoolid": 5,
    "yearid": 35,
    "isyearrec": 1,
    "portion": 1,
    "name": "Year",
    "firstday": dt.datetime(2025, 8, 13),
    "lastday": dt.datetime(2026, 5, 29),
}
SECTION = {
    "id": 8812,
    "schoolid": 5,
    "termid": 3500,
    "course_number": "ENG9",
    "section_number": "1",
    "teacher": 912,
    "teacher_users_dcid": 4001,
}
STUDENT = {
    "dcid": 70,
    "id": 7,
    "student_number": 220001.0,
    "first_name": "Bo",
    "last_name": "Keane",
    "schoolid": 5,
    "grade_level": 9,
}
ANA = {
    "users_dcid": 4001,
    "schoolid": 5,
    "staffstatus": 1,
    "homeschoolid": 5,
    "email_addr": " Ana@D118.example ",
    "first_name": "Ana",
    "last_name": "Reyl",
}


def made(
    folder: Path, options: dict[str, Any] | None = None, **changed: Rows
) -> Roster:
    """The roster of one school, one section, one student and one teacher."""
    given: dict[str, Rows] = {
        "schools": SCHOOLS,
        "terms": [TERM],
        "courses": [{"dcid": 1, "course_number": "ENG9", "course_name": "English"}],
        "sections": [SECTION],
        "students": [STUDENT],
        "staff": [ANA],
        **changed,
    }
    raw = files_of(folder / "raw", **given)
    return Roster(staged(raw, folder / "work", settings(**(options or {}))), raw)


def stay(number: int, first: dt.datetime | None, left: dt.datetime | None) -> Any:
    return {
        "dcid": number,
        "students_dcid": 70,
        "sectionid": 8812,
        "dateenrolled": first,
        "dateleft": left,
    }


@pytest.mark.long
def test_only_a_whole_student_number_is_one(tmp_path: Path) -> None:
    numbers = [220001.0, None, 220001.5]
    students = [
        {**STUDENT, "dcid": 70 + place, "student_number": number}
        for place, number in enumerate(numbers)
    ]

    roster = made(tmp_path, students=students)

    assert roster.rows(
        "SELECT student_number, email FROM users WHERE starts_with(external_id, 'S')"
        " ORDER BY external_id"
    ) == [("220001", "220001@d118.example"), (None, None), (None, None)]
    assert roster.rows(
        "SELECT external_id FROM findings WHERE code = 'powerschool.student_number'"
    ) == ["S72"]


@pytest.mark.long
def test_an_enrollment_ends_on_the_day_after_the_last_one(tmp_path: Path) -> None:
    first, left = dt.datetime(2025, 8, 13), dt.datetime(2025, 9, 3)
    rows = [
        stay(1, first, left),
        stay(2, first, None),
        stay(3, left, left),
        stay(4, left, first),
        {**stay(5, first, left), "sectionid": -8812},
    ]

    roster = made(tmp_path, enrollments=rows)

    assert roster.rows(
        "SELECT external_id, begin_date, end_date FROM enrollments"
        " WHERE role = 'student'"
    ) == [("S1", first.date(), left.date())]
    assert roster.rows(
        "SELECT external_id, severity FROM findings"
        " WHERE code = 'powerschool.enrollment_days' ORDER BY 1"
    ) == [("S2", "warn"), ("S3", "info"), ("S4", "info")]


@pytest.mark.long
def test_of_two_courses_with_one_number_the_schools_own_counts(tmp_path: Path) -> None:
    courses = [
        {"dcid": 1, "course_number": "ENG9", "course_name": "District", "schoolid": 0},
        {"dcid": 2, "course_number": "ENG9", "course_name": "Own", "schoolid": 5},
    ]

    roster = made(tmp_path, courses=courses)

    assert roster.rows("SELECT name, course_external_id FROM classes") == [("Own", "2")]
    assert roster.rows("SELECT external_id, school_external_id FROM courses") == [
        ("2", "5")
    ]


@pytest.mark.long
def test_several_excluded_buildings_make_one_role_at_the_district(
    tmp_path: Path,
) -> None:
    staff = [
        {**ANA, "schoolid": 0, "staffstatus": 2, "homeschoolid": 134},
        {**ANA, "schoolid": 134, "staffstatus": 1, "homeschoolid": 134},
    ]

    roster = made(tmp_path / "a", staff=staff)
    apart = made(tmp_path / "b", {"state_exclude": False}, staff=staff)

    [role] = json.loads(
        roster.one("SELECT roles FROM users WHERE external_id = 'T4001'")
    )
    assert (role["school_external_id"], role["role"]) == (DISTRICT, "teacher")
    assert apart.rows(
        "SELECT external_id FROM orgs WHERE org_type = 'school' ORDER BY 1"
    ) == ["0", "134", "5"]


@pytest.mark.long
def test_the_user_name_is_the_login_unless_it_is_no_name(tmp_path: Path) -> None:
    people = [
        {**ANA, "users_dcid": number, "teacherloginid": login}
        for number, login in enumerate(["areyl", "##1", "~~2", None], start=1)
    ]

    roster = made(tmp_path, staff=people)

    email = "ana@d118.example"
    assert roster.rows(
        "SELECT username, email FROM users WHERE starts_with(external_id, 'T')"
        " ORDER BY external_id"
    ) == [("areyl", email), (email, email), (email, email), (email, email)]


@pytest.mark.long
def test_nobody_but_a_teacher_is_taken_for_one(tmp_path: Path) -> None:
    people = [
        {**ANA, "users_dcid": number, "staffstatus": status}
        for number, status in enumerate([1, 0, 2, 3, 4, None], start=1)
    ]

    roster = made(tmp_path, staff=people)

    texts = roster.rows(
        "SELECT roles FROM users WHERE starts_with(external_id, 'T') ORDER BY external_id"
    )
    assert [[r["role"] for r in json.loads(text)] for text in texts] == [
        ["teacher"],
        *[["staff"]] * 5,
    ]


@pytest.mark.long
def test_a_lead_with_two_stays_is_primary_in_the_open_one(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": 31, "end_date": None, "role_name": "Lead Teacher"},
        {"id": 32, "end_date": dt.datetime(2025, 9, 1), "role_name": "Lead Teacher"},
    ]
    listed = [{**row, "sectionid": 8812, "users_dcid": 4001} for row in rows]

    roster = made(tmp_path, section_teachers=listed)

    assert roster.rows(
        "SELECT external_id, is_primary, end_date FROM enrollments ORDER BY 1"
    ) == [("T31", True, None), ("T32", False, dt.date(2025, 9, 2))]


@pytest.mark.long
def test_findings_beyond_a_thousand_of_a_code_are_counted(tmp_path: Path) -> None:
    sections = [{**SECTION, "id": n, "course_number": "X"} for n in range(1, 1_201)]

    roster = made(tmp_path, sections=sections)

    assert roster.rows(
        "SELECT count(*), count(external_id), sum(count) FROM findings"
        " WHERE code = 'powerschool.course_unknown'"
    ) == [(1_001, 1_000, 1_200)]
