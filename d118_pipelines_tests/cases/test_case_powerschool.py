"""Rows of PowerSchool that are no plain student: test rows, doubles, no-shows.

The cases of PowerSchool; a test is named after its number.
"""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from d118_pipelines_tests.cases.case import CASES
from d118_pipelines_tests.roster.staging.powerschool.tables import Roster
from d118_pipelines_tests.roster.staging.powerschool.test_roster_rules import (
    SECTION,
    STUDENT,
    TERM,
    made,
)
from d118_pipelines_tests.sources.powerschool.test_roster_queries import ROSTER, read

TERM_2026 = {
    **TERM,
    "id": 3600,
    "yearid": 36,
    "firstday": dt.datetime(2026, 8, 17),
    "lastday": dt.datetime(2027, 6, 4),
}
TODAY = {"today": dt.date(2026, 11, 2)}


def rows_of_the_case() -> list[dict[str, Any]]:
    """The rows of STUDENTS as the query of the roster reads them."""
    [folder] = CASES.glob("36-*")
    with (folder / "students.csv").open(encoding="utf-8", newline="") as file:
        rows = [
            {name.lower(): text for name, text in row.items()}
            for row in csv.DictReader(file)
        ]
    return read(ROSTER["students"], {"students": rows})


def marked(roster: Roster) -> list[Any]:
    return roster.rows(
        "SELECT external_id, severity FROM findings"
        " WHERE code = 'powerschool.marked_name' ORDER BY external_id"
    )


@pytest.mark.long
def test_case_36_only_real_students_are_live_and_a_dupe_is_reported(
    tmp_path: Path,
) -> None:
    stays = [("902", 2027, 6, 5), ("904", 2026, 8, 17)]
    enrollments = [
        {
            "dcid": int(number) + 1000,
            "students_dcid": int(number),
            "sectionid": SECTION["id"],
            "dateenrolled": dt.datetime(2026, 8, 17),
            "dateleft": dt.datetime(year, month, day),
        }
        for number, year, month, day in stays
    ]

    roster = made(
        tmp_path,
        TODAY,
        terms=[TERM_2026],
        sections=[{**SECTION, "termid": 3600}],
        students=rows_of_the_case(),
        enrollments=enrollments,
    )

    students = roster.rows(
        "SELECT external_id FROM users WHERE external_id LIKE 'S%' ORDER BY 1"
    )
    assert students == ["S902", "S904", "S905"]
    assert roster.rows(
        "SELECT external_id FROM enrollments WHERE role = 'student'"
    ) == ["S1902"]
    assert marked(roster) == [("S901", "info")]


NAMES = {
    ("Ana", "Ruiz_dupe"): True,
    ("Ana", "Ruiz_DUPLICATE"): True,
    ("Ana_Dup", "Ruiz"): True,
    ("Ana", "Ruiz (dupe)"): True,
    ("Ana", "Ruiz-dupe"): True,
    ("Ana", "Ruiz_old"): True,
    ("Ana", "Ruiz (TEST)"): True,
    ("DO NOT USE", "Ruiz"): True,
    ("Ana", "zzRuiz"): True,
    ("Dupe", "Okafor"): False,
    ("Ana", "Dupont"): False,
    ("Ana", "Smith-Dupont"): False,
    ("Ana", "Old"): False,
    ("Ana", "Bold-Old"): False,
    (None, "Ruiz"): False,
}


@pytest.mark.long
def test_case_36_active_students_with_a_mark_are_kept_and_reported(
    tmp_path: Path,
) -> None:
    students = [
        {
            **STUDENT,
            "dcid": number,
            "id": number,
            "student_number": float(number),
            "first_name": first,
            "last_name": last,
            "enroll_status": 0,
        }
        for number, (first, last) in enumerate(NAMES, start=10)
    ]

    roster = made(tmp_path, students=students)

    expected = [n for n, is_marked in enumerate(NAMES.values(), start=10) if is_marked]
    assert marked(roster) == [(f"S{number}", "warn") for number in expected]
    kept = roster.rows("SELECT external_id FROM users WHERE external_id LIKE 'S%'")
    assert len(kept) == len(NAMES)
