"""Sections, their teachers and enrollments in the demonstration district.

Called by `district.py`; the courses are in `courses.py`. Semesters and quarters at the
high school, year terms everywhere else.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle

from d118_pipelines.demo import courses as catalogue
from d118_pipelines.demo.courses import Course
from d118_pipelines.demo.staff import HIGH_SCHOOL, Row

_SIZE = 25
_YEAR, _SEMESTERS, _QUARTERS = 0, (1, 2), (3, 4, 5, 6)
_ROOMS = 160


@dataclass(slots=True)
class SchoolYear:
    """What the year's classes are made from, and the rows made so far.

    terms: SCHOOLID and ID -> the TERMS row. teachers, aides: SCHOOLID -> SCHOOLSTAFF
    rows.
    """

    yearid: int
    rng: random.Random
    terms: dict[tuple[int, int], Row]
    teachers: dict[int, list[Row]]
    aides: dict[int, list[Row]]
    sections: list[Row] = field(default_factory=list)
    sectionteacher: list[Row] = field(default_factory=list)
    cc: list[Row] = field(default_factory=list)

    def term(self, school: int, place: int = _YEAR) -> Row:
        """The school's term at that place of the year: 0 year, 1-2, 3-6."""
        return self.terms[school, self.yearid * 100 + place]

    def add_section(
        self,
        course: Course,
        term: Row,
        teacher: Row | None,
        *,
        grade: int | None = None,
        role: int | None = catalogue.LEAD,
    ) -> Row:
        """Add a section and, unless `role` is None, the row of its lead teacher."""
        place, school = len(self.sections), term["schoolid"]
        row: Row = {
            "dcid": self.yearid * 10_000 + place + 4,
            "id": self.yearid * 10_000 + place + 1,
            "section_number": str(place % 40 + 1),
            "course_number": course.number,
            "teacher": teacher["id"] if teacher else None,
            "termid": term["id"],
            "schoolid": school,
            "room": str(100 + place % _ROOMS),
            "expression": f"{place % 8 + 1}(A)" if school == HIGH_SCHOOL else "1-2(A)",
            "grade_level": course.grade if grade is None else grade,
        }
        self.sections.append(row)
        if teacher and role:
            self.add_teacher(row, teacher, role, term["firstday"])
        return row

    def add_teacher(
        self, section: Row, teacher: Row, role: int, begin: str, end: str | None = None
    ) -> None:
        """Add a SECTIONTEACHER row."""
        self.sectionteacher.append(
            {
                "id": self.yearid * 10_000 + len(self.sectionteacher) + 1,
                "teacherid": teacher["id"],
                "sectionid": section["id"],
                "roleid": role,
                "start_date": begin,
                "end_date": end,
            }
        )

    def enroll(self, student: Row, section: Row, term: Row, sign: int = 1) -> Row:
        """Add a CC row for the whole term; `sign` -1 is a dropped class."""
        number = self.yearid * 1_000_000 + len(self.cc) + 1
        row: Row = {
            "dcid": number,
            "id": number + 11,
            "studentid": student["id"],
            "sectionid": sign * section["id"],
            "termid": sign * term["id"],
            "schoolid": term["schoolid"],
            "course_number": section["course_number"],
            "section_number": section["section_number"],
            "teacherid": section["teacher"],
            "dateenrolled": term["firstday"],
            "dateleft": days_after(term["lastday"], 1),
        }
        self.cc.append(row)
        return row


def days_after(day: str, days: int) -> str:
    """Return the day that many days later, as `2026-08-14`."""
    return (dt.date.fromisoformat(day) + dt.timedelta(days)).isoformat()


def school_year(
    seed: int,
    yearid: int,
    terms: Iterable[Row],
    placements: Iterable[Row],
    users: Iterable[Row],
) -> SchoolYear:
    """Return an empty year with the teachers and aides: STATUS 1 and an e-mail."""
    reachable = {u["dcid"] for u in users if (u.get("email_addr") or "").strip()}
    kinds: dict[int, dict[int, list[Row]]] = {1: {}, 2: {}}
    for row in placements:
        is_here = row["status"] == 1 and row["users_dcid"] in reachable
        if is_here and row["staffstatus"] in kinds:
            kinds[row["staffstatus"]].setdefault(row["schoolid"], []).append(row)
    found = {(row["schoolid"], row["id"]): row for row in terms}
    rng = random.Random(f"{seed}:classes:{yearid}")
    return SchoolYear(yearid, rng, found, kinds[1], kinds[2])


def fill(year: SchoolYear, students: Sequence[Row]) -> None:
    """Add sections with teachers and enrollments for every active student."""
    groups: dict[tuple[int, int], list[Row]] = {}
    for student in students:
        if student["enroll_status"] == 0:
            key = student["schoolid"], student["grade_level"]
            groups.setdefault(key, []).append(student)
    staff = {school: cycle(people) for school, people in year.teachers.items()}
    for (school, grade), group in sorted(groups.items()):
        if school == HIGH_SCHOOL:
            _high_school(year, grade, group, staff[school])
        else:
            _year_long(year, school, grade, group, staff[school])
    _helpers(year)


def _high_school(
    year: SchoolYear, grade: int, group: Sequence[Row], staff: Iterator[Row]
) -> None:
    number = -(-len(group) // _SIZE)
    for slot, choice in enumerate(catalogue.high_school_courses(grade)):
        for term in (year.term(HIGH_SCHOOL, place) for place in _SEMESTERS):
            made = [
                year.add_section(choice[n % len(choice)], term, next(staff))
                for n in range(number)
            ]
            for seat, student in enumerate(group):
                section = made[(seat + seat // number * slot) % number]
                year.enroll(student, section, term)
    parts = catalogue.quarter_courses(grade)
    terms = [year.term(HIGH_SCHOOL, place) for place in _QUARTERS]
    made = [
        year.add_section(parts[n % len(parts)], terms[n % 4], next(staff))
        for n in range(number)
    ]
    for seat, student in enumerate(group):
        year.enroll(student, made[seat % number], terms[seat % number % 4])


def _year_long(
    year: SchoolYear,
    school: int,
    grade: int,
    group: Sequence[Row],
    staff: Iterator[Row],
) -> None:
    number = -(-len(group) // _SIZE)
    term = year.term(school)
    for course in catalogue.year_courses(grade):
        made = [year.add_section(course, term, next(staff)) for _ in range(number)]
        for seat, student in enumerate(group):
            year.enroll(student, made[seat % number], term)


def _helpers(year: SchoolYear) -> None:
    """Give some sections a co-teacher, some an aide, and one the district's own role."""
    for section in list(year.sections):
        school = section["schoolid"]
        begin = year.terms[school, section["termid"]]["firstday"]
        roll = year.rng.random()
        people = year.teachers[school] if roll < 0.06 else year.aides[school]
        role = catalogue.CO_TEACHER if roll < 0.06 else catalogue.AIDE
        helper = year.rng.choice(people)
        if roll < 0.14 and helper["id"] != section["teacher"]:
            year.add_teacher(section, helper, role, begin)
    last, visitor = year.sections[-1], year.teachers[HIGH_SCHOOL][0]
    year.add_teacher(last, visitor, catalogue.OBSERVER, begin)
