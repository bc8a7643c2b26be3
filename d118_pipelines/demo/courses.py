"""Courses and section roles of the demonstration district; they are the same every year.

Called by `district.py`; who teaches and takes a course is in `classes.py`. A course of
SCHOOLID 0 belongs to the whole district.
"""

from __future__ import annotations

from dataclasses import dataclass

from d118_pipelines.demo.data import DATA
from d118_pipelines.demo.staff import HIGH_SCHOOL, Row

LEAD, CO_TEACHER, AIDE, OBSERVER = 1, 2, 3, 4
_ROLES = {
    LEAD: ("Lead Teacher", "leadteacher"),
    CO_TEACHER: ("Co-teacher", "coteacher"),
    AIDE: ("Teacher's Aide", "teachersaide"),
    OBSERVER: ("Observer", "observer"),  # of the district's own making
}
_MIDDLE = {**DATA["core"], "PE": "Physical Education", "HR": "Homeroom"}
_NOT_OFFERED = 130


@dataclass(frozen=True, slots=True)
class Course:
    """One course: its number, name, owner (0 = district), subject and grade."""

    number: str
    name: str
    schoolid: int
    subject: str
    grade: int


def high_school_courses(grade: int) -> list[list[Course]]:
    """Return for each subject of a high school grade the courses to choose from."""
    return [
        [
            Course(f"{code}{grade}{v}", f"{name} {grade}{more}", 5, code, grade)
            for v, more in DATA["variants"].items()
        ]
        for code, name in DATA["core"].items()
    ]


def quarter_courses(grade: int) -> list[Course]:
    """Return the courses that high school students take for one quarter."""
    return [
        Course(f"{code}{grade}", f"{name} {grade}", HIGH_SCHOOL, code, grade)
        for code, name in DATA["quarter"].items()
    ]


def year_courses(grade: int) -> list[Course]:
    """Return what everybody of a grade below 9 takes; homeroom is one of them."""
    subjects = _MIDDLE if grade > 5 else DATA["elementary"]
    short = {0: "K", -1: "P4", -2: "P3"}.get(grade, str(grade))
    return [
        Course(f"{code}{short}", f"{name} {short}", 0, code, grade)
        for code, name in subjects.items()
    ]


def courses() -> list[Row]:
    """Return all COURSES rows, those that nobody teaches at the end."""
    made = [
        *(c for g in range(-2, 9) for c in year_courses(g)),
        *(c for g in range(9, 13) for group in high_school_courses(g) for c in group),
        *(c for g in range(9, 13) for c in quarter_courses(g)),
        *(
            Course(f"X{n:03}", f"Elective {n}", HIGH_SCHOOL, "ART", 9)
            for n in range(1, _NOT_OFFERED + 1)
        ),
    ]
    return [course_row(course, place) for place, course in enumerate(made)]


def course_row(course: Course, place: int) -> Row:
    """Return the COURSES row of the course at that place of the table."""
    return {
        "dcid": 500 + place,
        "id": 100 + place,
        "course_number": course.number,
        "course_name": course.name,
        "credittype": DATA["credit"].get(course.subject, course.subject),
        "credit_hours": "0.5" if course.schoolid == HIGH_SCHOOL else None,
        "schoolid": course.schoolid,
    }


def roles() -> list[Row]:
    """Return the ROLEDEF rows."""
    return [
        {"id": number, "name": name, "rolekey": key}
        for number, (name, key) in _ROLES.items()
    ]
