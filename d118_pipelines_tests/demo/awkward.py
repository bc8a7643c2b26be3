"""The demonstration district with every awkward case that the roster must handle.

Called by the tests of the staging, of Clever's files and of the staff queries; the
people are in `awkward_people.py`.

- enrollments: dropped (negated), dropped without a day, never attended but not negated,
  twice the same, of a pre-registered student, of a transferred student
- sections: of an excluded building, of last and of next year, grades `345`, `1112` and a
  grade that the school does not have, without a teacher, with a lead who has no
  SECTIONTEACHER row, without a course
- teachers: one person at two schools, a helper who has left the section, a lead who has
  left the district, a section with more than ten, a co-teacher who is an aide of the
  same section as well
- students, at the same places of every class: names with comma, quote and both, a test
  account; state numbers with a leading zero, with letters, none; no gender, no birthday;
  every lunch status; a street with comma and quote, one with a line break
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence
from pathlib import Path

from d118_pipelines.demo import courses as catalogue
from d118_pipelines.demo.classes import SchoolYear, days_after
from d118_pipelines.demo.courses import Course, course_row
from d118_pipelines.demo.district import (
    Tables,
    district_tables,
    school_year,
    staff_tables,
    write_district,
)
from d118_pipelines.demo.staff import HIGH_SCHOOL, Row
from d118_pipelines.demo.students import start_year, term_row
from d118_pipelines_tests.demo.awkward_people import awkward_people

OUTPLACED = 183
REAL_PERSON, TWO_SCHOOLS, WITHOUT_EMAIL, GONE = 8001, 8020, 8052, 8060
BAND = Course("BAND345", "Band 3-5", 0, "MUS", 3)
EXTERN = Course("EXTERN", "Placement", OUTPLACED, "SOC", 9)
PLACES = 1000  # DCIDs of a class of students
STUDENTS: dict[int, Row] = {
    1: {"last_name": "Lindqvist, Jr."},
    2: {"first_name": 'Anna "Annie"'},
    3: {"first_name": 'Lee, "Chip"', "middle_name": 'de "la", Cruz'},
    4: {"last_name": "Teststudent"},
    5: {"state_studentnumber": "012345678"},
    6: {"state_studentnumber": "IL-40018"},
    7: {"state_studentnumber": None},
    8: {"gender": None},
    9: {"dob": None},
    10: {"lunchstatus": "T"},
    11: {"lunchstatus": "FDC"},
    12: {"lunchstatus": "E"},
    13: {"street": '7 Elm St, "Unit B"'},
    14: {"street": "9 Fern Rd\nUnit 3"},
}
Placements = dict[tuple[int, int], Row]


def make_awkward_district(folder: Path, *, today: dt.date, seed: int = 118) -> None:
    """Write the demonstration district and every case of the module's text."""
    tables = district_tables(seed, today)
    _staff(tables, random.Random(f"{seed}:awkward"))
    _students(tables["students"])
    outplaced = term_row(len(tables["terms"]) + 1, OUTPLACED, start_year(today))
    tables["terms"].append(outplaced)
    for course in (BAND, EXTERN):
        tables["courses"].append(course_row(course, len(tables["courses"])))
    _classes(school_year(seed, today, tables), tables)
    write_district(folder, tables)


def _staff(tables: Tables, rng: random.Random) -> None:
    first = len(tables["schoolstaff"]) + 1
    for name, rows in staff_tables(awkward_people(rng), first).items():
        tables[name] += rows


def _students(students: Sequence[Row]) -> None:
    for row in students:
        year, place = divmod(row["dcid"], PLACES)
        case = dict(STUDENTS.get(place, {}))
        if case.get("state_studentnumber"):
            # Two students of one number would be one person in the roster.
            case["state_studentnumber"] += str(year)
        row.update(case)


def _classes(year: SchoolYear, tables: Tables) -> None:
    """Add every case of classes to the year that the tables have."""
    year.sections, year.cc = tables["sections"], tables["cc"]
    year.sectionteacher = tables["sectionteacher"]
    people = {
        (row["users_dcid"], row["schoolid"]): row for row in tables["schoolstaff"]
    }
    students = tables["students"]
    active = [s for s in students if s["enroll_status"] == 0]
    older = [s for s in active if s["schoolid"] == HIGH_SCHOOL]
    _enrollments(year, students, older)
    _sections(year, older, people)
    _crowd(year)
    _teachers(year, people)


def _enrollments(
    year: SchoolYear, students: Sequence[Row], older: Sequence[Row]
) -> None:
    term = year.term(HIGH_SCHOOL, 1)
    section = next(s for s in year.sections if s["termid"] == term["id"])
    dropped_on = days_after(term["firstday"], 20)
    for student in older[40:640:10]:
        year.enroll(student, section, term, -1)["dateleft"] = dropped_on
    for student in older[41:61]:
        year.enroll(student, section, term, -1)["dateleft"] = term["firstday"]
    for student in older[61:66]:
        year.enroll(student, section, term)["dateleft"] = term["firstday"]
    for row in year.cc[:5]:
        number = year.cc[-1]["dcid"] + 1
        year.cc.append({**row, "dcid": number, "id": number + 11})
    waiting = next(s for s in students if s["enroll_status"] == -1)
    moved = next(s for s in students if s["enroll_status"] == 2)
    homeroom = next(s for s in year.sections if s["course_number"] == "HRK")
    for student in (waiting, moved):
        year.enroll(student, homeroom, year.term(homeroom["schoolid"]))


def _sections(year: SchoolYear, older: Sequence[Row], people: Placements) -> None:
    for school, grade in ((2001, 345), (HIGH_SCHOOL, 1112)):
        at = people[TWO_SCHOOLS, school]
        year.add_section(BAND, year.term(school), at, grade=grade)
    lead = year.teachers[1003][0]
    year.add_section(BAND, year.term(1003), lead, grade=10)
    year.add_section(BAND, year.term(1003), None, grade=67)
    year.add_section(BAND, year.term(1003), lead, grade=678, role=None)
    year.add_section(Course("GHOST1", "", 0, "", 6), year.term(1003), lead)
    for term in _other_terms(year):
        section = year.add_section(EXTERN, term, people[REAL_PERSON, HIGH_SCHOOL])
        for student in older[:3]:
            year.enroll(student, section, term)


def _other_terms(year: SchoolYear) -> list[Row]:
    """The excluded building's year, and the high school's last and next one."""
    return [
        year.term(OUTPLACED),
        year.terms[HIGH_SCHOOL, (year.yearid - 1) * 100],
        year.terms[HIGH_SCHOOL, (year.yearid + 1) * 100],
    ]


def _crowd(year: SchoolYear) -> None:
    """Move helpers of other sections: fifteen into one, an aide into a second role."""
    mine = {s["id"]: s for s in year.sections if s["schoolid"] == HIGH_SCHOOL}
    helpers = [
        row
        for row in year.sectionteacher
        if row["sectionid"] in mine
        and row["roleid"] in (catalogue.CO_TEACHER, catalogue.AIDE)
    ]
    crowded = mine[helpers[-1]["sectionid"]]
    people = {crowded["teacher"]: helpers[-1]}
    for row in helpers:
        people.setdefault(row["teacherid"], row)
    # Some of them are not in the files: cases teach too.
    chosen = list(people.values())[1:16]
    for row in chosen:
        row |= {"sectionid": crowded["id"], "start_date": helpers[-1]["start_date"]}
    others = [row for row in helpers if row not in chosen]
    twice = next(row for row in others if row["roleid"] == catalogue.CO_TEACHER)
    aide = next(row for row in others if row["roleid"] == catalogue.AIDE)
    aide |= {name: twice[name] for name in ("teacherid", "sectionid", "start_date")}


def _teachers(year: SchoolYear, people: Placements) -> None:
    term = year.term(HIGH_SCHOOL, 1)
    mine = [s for s in year.sections if s["termid"] == term["id"]]
    left = days_after(term["firstday"], 30)
    lead = mine[0]["teacher"]
    helpers = [row for row in year.teachers[HIGH_SCHOOL] if row["id"] != lead]
    for section, helper in zip(mine[:10], helpers[40:], strict=False):
        year.add_teacher(section, helper, catalogue.CO_TEACHER, term["firstday"], left)
    english = Course("ENG9", "", HIGH_SCHOOL, "ENG", 9)
    for dcid in (WITHOUT_EMAIL, GONE):
        year.add_section(english, term, people[dcid, HIGH_SCHOOL])
