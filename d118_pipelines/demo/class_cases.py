"""The awkward classes of the demonstration district, one entry for each rule.

Belongs here: what the roster must leave out, repair or report. Not here: the ordinary
year (`classes.py`).

- enrollments: dropped (negated), dropped without a day, never attended but not negated,
  twice the same, of a pre-registered student, of a transferred student
- sections: of an excluded building, of last and of next year, grades `345`, `1112` and a
  grade that the school does not have, without a teacher, with a lead who has no
  SECTIONTEACHER row, without a course
- teachers: one person at two schools, a helper who has left the section, a lead who has
  left the district, a role of the district's own, a section with more than ten, a
  co-teacher who is an aide of the same section as well
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

from d118_pipelines.demo import courses as catalogue
from d118_pipelines.demo.classes import (
    Placement,
    SchoolYear,
    Term,
)
from d118_pipelines.demo.courses import Course
from d118_pipelines.demo.staff import HIGH_SCHOOL, Row

OUTPLACED = 183
TWO_SCHOOLS, WITHOUT_EMAIL, GONE = 8020, 8052, 8060
_BAND = Course("BAND345", "Band 3-5", 0, "MUS", 3)


def awkward_classes(
    year: SchoolYear, students: Sequence[Row], placements: Iterable[Row]
) -> None:
    """Add every case of the module's text to the year."""
    people = {
        (int(row["users_dcid"] or 0), int(row["schoolid"] or 0)): Placement(
            int(row["id"] or 0), int(row["users_dcid"] or 0)
        )
        for row in placements
    }
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
    section = next(s for s in year.sections if s["termid"] == term.id)
    dropped_on = (dt.date.fromisoformat(term.begin) + dt.timedelta(20)).isoformat()
    for student in older[40:640:10]:
        year.enroll(student, section, term, -1)["dateleft"] = dropped_on
    for student in older[41:61]:
        year.enroll(student, section, term, -1)["dateleft"] = term.begin
    for student in older[61:66]:
        year.enroll(student, section, term)["dateleft"] = term.begin
    for row in year.cc[:5]:
        number = int(year.cc[-1]["dcid"] or 0) + 1
        year.cc.append({**row, "dcid": number, "id": number + 11})
    waiting = next(s for s in students if s["enroll_status"] == -1)
    moved = next(s for s in students if s["enroll_status"] == 2)
    homeroom = next(s for s in year.sections if s["course_number"] == "HRK")
    for student in (waiting, moved):
        year.enroll(student, homeroom, year.term(int(homeroom["schoolid"] or 0)))


def _sections(
    year: SchoolYear, older: Sequence[Row], people: dict[tuple[int, int], Placement]
) -> None:
    for school in (2001, HIGH_SCHOOL):
        at = people[TWO_SCHOOLS, school]
        part = year.add_section(_BAND, year.term(school), at, grade=345)
        if school == HIGH_SCHOOL:
            part["grade_level"] = 1112
    lead = year.teachers[1003][0]
    year.add_section(_BAND, year.term(1003), lead, grade=10)
    year.add_section(_BAND, year.term(1003), None, grade=67)
    year.add_section(_BAND, year.term(1003), lead, grade=678, role=None)
    year.add_section(Course("GHOST1", "", 0, "", 6), year.term(1003), lead)
    for term in _other_terms(year):
        section = year.add_section(
            Course("EXTERN", "Placement", OUTPLACED, "SOC", 9),
            term,
            people[8001, HIGH_SCHOOL],
        )
        for student in older[:3]:
            year.enroll(student, section, term)


def _other_terms(year: SchoolYear) -> list[Term]:
    """The excluded building's year, and the high school's last and next one."""
    return [
        year.term(OUTPLACED),
        year.terms[HIGH_SCHOOL, (year.yearid - 1) * 100],
        year.terms[HIGH_SCHOOL, (year.yearid + 1) * 100],
    ]


def _crowd(year: SchoolYear) -> None:
    """Move helpers of other sections: eleven into one, an aide into a second role."""
    mine = {s["id"]: s for s in year.sections if s["schoolid"] == HIGH_SCHOOL}
    helpers = [
        row
        for row in year.sectionteacher
        if row["sectionid"] in mine and row["roleid"] != catalogue.LEAD
    ]
    crowded = mine[helpers[-1]["sectionid"]]
    people = {crowded["teacher"]: helpers[-1]}
    for row in helpers:
        people.setdefault(row["teacherid"], row)
    chosen = list(people.values())[1:12]
    for row in chosen:
        row["sectionid"] = crowded["id"]
    others = [row for row in helpers if row not in chosen]
    twice = next(row for row in others if row["roleid"] == catalogue.CO_TEACHER)
    aide = next(row for row in others if row["roleid"] == catalogue.AIDE)
    aide |= {"teacherid": twice["teacherid"], "sectionid": twice["sectionid"]}


def _teachers(year: SchoolYear, people: dict[tuple[int, int], Placement]) -> None:
    term = year.term(HIGH_SCHOOL, 1)
    mine = [s for s in year.sections if s["termid"] == term.id]
    left = (dt.date.fromisoformat(term.begin) + dt.timedelta(30)).isoformat()
    helpers = [p for p in year.teachers[HIGH_SCHOOL] if p.id != mine[0]["teacher"]]
    for section, helper in zip(mine[:10], helpers[40:], strict=False):
        year.add_teacher(section, helper, catalogue.CO_TEACHER, term.begin, left)
    year.add_teacher(mine[10], helpers[60], catalogue.OBSERVER, term.begin)
    for dcid in (WITHOUT_EMAIL, GONE):
        year.add_section(
            Course("ENG9", "", HIGH_SCHOOL, "ENG", 9), term, people[dcid, HIGH_SCHOOL]
        )
