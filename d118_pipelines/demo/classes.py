"""Sections, their teachers and enrollments in the demonstration district.

Belongs here: the ordinary school year. Not here: courses (`courses.py`), the
awkward classes (`class_cases.py`), files. Semesters and quarters at the high
school, year terms everywhere else.
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
class Term:
    """One term of a school: TERMS.ID and the days that enrollments begin and end."""

    id: int
    schoolid: int
    begin: str
    end: str


@dataclass(slots=True)
class Placement:
    """A SCHOOLSTAFF row: its ID and its person."""

    id: int
    users_dcid: int


@dataclass(slots=True)
class SchoolYear:
    """What the year's classes are made from, and the rows made so far."""

    yearid: int
    rng: random.Random
    terms: dict[tuple[int, int], Term]
    teachers: dict[int, list[Placement]]
    aides: dict[int, list[Placement]]
    sections: list[Row] = field(default_factory=list)
    sectionteacher: list[Row] = field(default_factory=list)
    cc: list[Row] = field(default_factory=list)

    def term(self, school: int, place: int = _YEAR) -> Term:
        """The school's term at that place of the year: 0 year, 1-2, 3-6."""
        return self.terms[school, self.yearid * 100 + place]

    def add_section(
        self,
        course: Course,
        term: Term,
        teacher: Placement | None,
        *,
        grade: int | None = None,
        role: int | None = catalogue.LEAD,
    ) -> Row:
        """Add a section and, unless `role` is None, the row of its lead teacher."""
        number = self.yearid * 10_000 + len(self.sections) + 1
        period = len(self.sections) % 8 + 1
        row: Row = {
            "dcid": number + 3,
            "id": number,
            "section_number": str(len(self.sections) % 40 + 1),
            "course_number": course.number,
            "teacher": teacher.id if teacher else None,
            "termid": term.id,
            "schoolid": term.schoolid,
            "room": str(100 + len(self.sections) % _ROOMS),
            "expression": f"{period}(A)" if term.schoolid == HIGH_SCHOOL else "1-2(A)",
            "grade_level": course.grade if grade is None else grade,
        }
        self.sections.append(row)
        if teacher and role:
            self.add_teacher(row, teacher, role, term.begin)
        return row

    def add_teacher(
        self,
        section: Row,
        teacher: Placement,
        role: int,
        begin: str,
        end: str | None = None,
    ) -> None:
        """Add a SECTIONTEACHER row."""
        number = self.yearid * 10_000 + len(self.sectionteacher) + 1
        self.sectionteacher.append(
            {
                "id": number,
                "teacherid": teacher.id,
                "sectionid": section["id"],
                "roleid": role,
                "start_date": begin,
                "end_date": end,
            }
        )

    def enroll(self, student: Row, section: Row, term: Term, sign: int = 1) -> Row:
        """Add a CC row for the whole term; `sign` -1 is a dropped class."""
        number = self.yearid * 1_000_000 + len(self.cc) + 1
        row: Row = {
            "dcid": number,
            "id": number + 11,
            "studentid": student["id"],
            "sectionid": sign * int(section["id"] or 0),
            "termid": sign * term.id,
            "schoolid": term.schoolid,
            "course_number": section["course_number"],
            "section_number": section["section_number"],
            "teacherid": section["teacher"],
            "studyear": int(student["id"] or 0) * 100 + self.yearid,
            "dateenrolled": term.begin,
            "dateleft": term.end,
        }
        self.cc.append(row)
        return row


def school_year(
    seed: int,
    yearid: int,
    terms: Iterable[Row],
    placements: Iterable[Row],
    users: Iterable[Row],
) -> SchoolYear:
    """Return an empty year with the teachers and aides: STATUS 1 and an e-mail."""
    reachable = {u["dcid"] for u in users if str(u.get("email_addr") or "").strip()}
    teachers: dict[int, list[Placement]] = {}
    aides: dict[int, list[Placement]] = {}
    for row in placements:
        kinds = {1: teachers, 2: aides}
        is_here = row["status"] == 1 and row["users_dcid"] in reachable
        if is_here and row["staffstatus"] in kinds:
            group = kinds[int(row["staffstatus"] or 0)]
            one = Placement(int(row["id"] or 0), int(row["users_dcid"] or 0))
            group.setdefault(int(row["schoolid"] or 0), []).append(one)
    found = {
        (int(row["schoolid"] or 0), int(row["id"] or 0)): Term(
            int(row["id"] or 0),
            int(row["schoolid"] or 0),
            str(row["firstday"]),
            _day_after(str(row["lastday"])),
        )
        for row in terms
    }
    rng = random.Random(f"{seed}:classes:{yearid}")
    return SchoolYear(yearid, rng, found, teachers, aides)


def _day_after(day: str) -> str:
    return (dt.date.fromisoformat(day) + dt.timedelta(days=1)).isoformat()


def fill(year: SchoolYear, students: Sequence[Row]) -> None:
    """Add sections with teachers and enrollments for every active student."""
    groups: dict[tuple[int, int], list[Row]] = {}
    for student in students:
        if student["enroll_status"] == 0:
            key = int(student["schoolid"] or 0), int(student["grade_level"] or 0)
            groups.setdefault(key, []).append(student)
    staff = {school: cycle(people) for school, people in year.teachers.items()}
    for (school, grade), group in sorted(groups.items()):
        if school == HIGH_SCHOOL:
            _high_school(year, grade, group, staff[school])
        else:
            _year_long(year, school, grade, group, staff[school])
    _helpers(year)


def _high_school(
    year: SchoolYear, grade: int, group: Sequence[Row], staff: Iterator[Placement]
) -> None:
    number = -(-len(group) // _SIZE)
    for slot, choice in enumerate(catalogue.high_school_courses(grade)):
        for place in _SEMESTERS:
            term = year.term(HIGH_SCHOOL, place)
            made = [
                year.add_section(choice[n % len(choice)], term, next(staff))
                for n in range(number)
            ]
            for seat, student in enumerate(group):
                section = made[(seat + seat // number * slot) % number]
                year.enroll(student, section, term)
    parts = catalogue.quarter_courses(grade)
    terms = [year.term(HIGH_SCHOOL, place) for place in _QUARTERS]
    taken = [
        (year.add_section(parts[n % len(parts)], terms[n % 4], next(staff)), n % 4)
        for n in range(number)
    ]
    for seat, student in enumerate(group):
        section, quarter = taken[seat % number]
        year.enroll(student, section, terms[quarter])


def _year_long(
    year: SchoolYear,
    school: int,
    grade: int,
    group: Sequence[Row],
    staff: Iterator[Placement],
) -> None:
    number = -(-len(group) // _SIZE)
    term = year.term(school)
    for course in catalogue.year_courses(grade):
        made = [year.add_section(course, term, next(staff)) for _ in range(number)]
        for seat, student in enumerate(group):
            year.enroll(student, made[seat % number], term)


def _helpers(year: SchoolYear) -> None:
    """Give some sections a co-teacher, some an aide, where the building has one."""
    for section in list(year.sections):
        school = int(section["schoolid"] or 0)
        begin = year.terms[school, int(section["termid"] or 0)].begin
        roll = year.rng.random()
        people = year.teachers[school] if roll < 0.06 else year.aides[school]
        role = catalogue.CO_TEACHER if roll < 0.06 else catalogue.AIDE
        helper = year.rng.choice(people)
        if roll < 0.14 and helper.id != section["teacher"]:
            year.add_teacher(section, helper, role, begin)
