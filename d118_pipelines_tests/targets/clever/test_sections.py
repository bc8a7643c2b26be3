"""Sections.csv: its columns and values, and the faults of the earlier script.

Every case is a section of one district, which is exported with all settings off and
with all of them on. Who teaches a section: `test_section_teachers.py`. Rules and
faults: docs/reference/clever_sftp.md, sections.
"""

from __future__ import annotations

import datetime as dt

import pytest

from d118_pipelines_tests.targets.clever.small_district import (
    SEMESTER_2,
    TAUGHT,
    YEAR,
    CleverSync,
    District,
    Made,
    Row,
)

HEADER = (
    '"School_id","Section_id","Teacher_id","Teacher_2_id","Teacher_3_id",'
    '"Teacher_4_id","Teacher_5_id","Teacher_6_id","Teacher_7_id","Teacher_8_id",'
    '"Teacher_9_id","Teacher_10_id","Course_name","Course_number","Section_number",'
    '"Period","Subject","Grade","Term_start","Term_end","Term_name"'
)
PERIODS = {"3(A)": "3", "1-2(A-B)": "1-2", "7": "7", None: "", "1(A) 2(B)": "1"}
SUBJECTS: dict[str | None, tuple[str, str]] = {
    # as stored: sent at first, sent with the setting
    "ENG": ("English/language arts",) * 2,
    "Mat": ("Math",) * 2,
    "math": ("Math",) * 2,
    "SCI": ("Science",) * 2,
    "SCIENCE": ("Science",) * 2,
    "LANGUAGE": ("Language",) * 2,
    **dict.fromkeys(
        ("GLS", "GOV", "UHI", "SOCIAL STUDIES", "SOCIALSTUDIES"),
        ("Social studies",) * 2,
    ),
    **dict.fromkeys(("PE", "HLT"), ("PE and health",) * 2),
    "Arts and music": ("", "Arts and music"),
    "PE AND HEALTH": ("", "PE and health"),
    "homeroom/Advisory": ("", "Homeroom/advisory"),
    "other": ("", "other"),
    "ART": ("", ""),
    None: ("", ""),
}
GRADES = [
    # GRADE_LEVEL, school, sent at first, sent by words
    (3, 2001, "3", "3"),
    (23, 2001, "2-3", "2-3"),
    (345, 2001, "3-5", "3-5"),
    (12, 5, "12", "12"),
    (12, 2001, "1-2", "1-2"),
    (67, 1003, "6-7", "6-7"),
    (0, 2001, "", "Kindergarten"),
    (0, 5, "", ""),
    (None, 2001, "", ""),
    (10, 1003, "1-0", "10"),
    (910, 5, "9-0", "9-10"),
    (1112, 5, "1-2", "11-12"),
    (-1, 2005, "Preschool", "Prekindergarten"),
    (-2, 2005, "Preschool", "Preschool"),
    (975, 5, "9-5", ""),
]
IN_SEMESTER_2, IN_YEAR, EXCLUDED, LAST_YEAR = 901, 902, 903, 904
EMPTY, DROPPED, OTHER_TERM, GONE = 911, 912, 913, 914
GHOST_COURSE, QUOTED_COURSE, TWO_COURSES, TWICE = 921, 922, 923, 924


def district() -> District:
    """Each case as a section; those of a list are numbered from its first number."""
    made = District()
    made.add_school(1003, "Example Middle School", 6, 8)
    made.add_school(2005, "Example Early School", -2, 5)
    for place, text in enumerate(PERIODS):
        made.add_section(100 + place, **TAUGHT, expression=text)
    for place, text in enumerate(SUBJECTS):
        _add_course(made, f"C{place}", credittype=text)
        made.add_section(200 + place, **TAUGHT, course_number=f"C{place}")
    for place, (grade, school, _, _) in enumerate(GRADES):
        where: Row = {"school": school, "term": YEAR, "grade_level": grade}
        made.add_section(300 + place, **TAUGHT, **where)
    _add_terms(made)
    _add_students(made)
    for number, course in (
        (GHOST_COURSE, "GHOST"),
        (QUOTED_COURSE, "BAND"),
        (TWO_COURSES, "TWO"),
    ):
        made.add_section(number, **TAUGHT, course_number=course)
    for number in ("2", "1"):
        made.add_section(TWICE, **TAUGHT, section_number=number)
    _add_course(made, "BAND", course_name='Band, "Winds", 3-5')
    _add_course(made, "TWO", course_name="Other", schoolid=2001)
    _add_course(made, "TWO", course_name="Own")
    return made


def _add_course(made: District, number: str, **columns: object) -> None:
    row = {"dcid": 100 + len(made.tables["courses"]), "course_number": number}
    made.add("courses", **{**row, "schoolid": 5, **columns})


def _add_terms(made: District) -> None:
    made.add_section(IN_SEMESTER_2, term=SEMESTER_2, **TAUGHT)
    made.add_section(IN_YEAR, term=YEAR, **TAUGHT)
    made.add_school(183, "SEDOL", 9, 12)
    made.tables["schools"][-1]["state_excludefromreporting"] = 1
    made.add_section(EXCLUDED, school=183, **TAUGHT)
    made.add_term(5, 3500, "25-26", dt.date(2025, 8, 18), dt.date(2026, 5, 29))
    made.add_section(LAST_YEAR, term=3500, **TAUGHT)
    # The year terms stand after their semesters.
    made.tables["terms"].reverse()


def _add_students(made: District) -> None:
    made.add_section(EMPTY, teachers=[4001])
    made.enroll(9001, made.add_section(DROPPED, teachers=[4001]), -1)
    other = made.add_section(OTHER_TERM, teachers=[4001])
    made.enroll(9001, other, termid=SEMESTER_2)
    made.add_student(9002, enroll_status=2)
    made.add_section(GONE, teachers=[4001], students=[9002])


@pytest.fixture(scope="module")
def sync(tmp_path_factory: pytest.TempPathFactory) -> CleverSync:
    return CleverSync(tmp_path_factory.mktemp("sections"), district())


@pytest.fixture(scope="module")
def off(sync: CleverSync) -> Made:
    return sync.made()


@pytest.fixture(scope="module")
def on(sync: CleverSync, off: Made) -> Made:
    settings = ("clever_subjects", "grade_words", "active_students_only")
    return sync.made_with(**dict.fromkeys(settings, True))


def column(made: Made, name: str, start: int, count: int) -> list[str]:
    rows = made.sections()
    return [rows[str(number)][name] for number in range(start, start + count)]


def test_header_and_columns_are_those_of_the_file_that_it_replaces(off: Made) -> None:
    assert off.text("Sections.csv").startswith(HEADER + "\r\n")
    row = off.sections()["51234"]
    assert {name: value for name, value in row.items() if value} == {
        "School_id": "5",
        "Section_id": "51234",
        "Teacher_id": "4001",
        "Course_name": "Algebra I",
        "Course_number": "MAT101",
        "Section_number": "3",
        "Period": "3",
        "Subject": "Math",
        "Grade": "9",
        "Term_start": "08/17/2026",
        "Term_end": "01/15/2027",
        "Term_name": "S1 26-27",
    }


def test_commas_and_quotes_in_a_course_name_do_not_shift_the_columns(
    off: Made,
) -> None:
    row = off.sections()[str(QUOTED_COURSE)]

    assert row["Course_name"] == 'Band, "Winds", 3-5'
    assert row["Term_name"] == "S1 26-27"


def test_all_terms_of_the_year_are_sent_with_the_year_s_label(off: Made) -> None:
    rows = off.sections()

    names = [rows[str(n)]["Term_name"] for n in (51234, IN_SEMESTER_2, IN_YEAR)]
    assert names == ["S1 26-27", "S2 26-27", "Year 26-27"]
    assert rows[str(IN_YEAR)]["Term_end"] == "05/28/2027"


def test_sections_of_other_years_and_excluded_buildings_are_left_out(
    off: Made,
) -> None:
    assert not {str(EXCLUDED), str(LAST_YEAR)} & set(off.sections())


def test_a_section_without_a_student_is_left_out(off: Made) -> None:
    empty = (EMPTY, DROPPED, OTHER_TERM)

    assert not {str(number) for number in empty} & set(off.sections())
    assert off.codes(*empty) == set()


def test_a_section_of_students_who_have_left_is_sent_until_the_setting_stops_it(
    off: Made, on: Made
) -> None:
    assert set(off.sections()) - set(on.sections()) == {str(GONE)}


def test_the_period_is_what_stands_before_the_first_bracket(off: Made) -> None:
    assert column(off, "Period", 100, len(PERIODS)) == list(PERIODS.values())


def test_subjects_of_several_words_are_kept_by_the_setting(off: Made, on: Made) -> None:
    found = [column(made, "Subject", 200, len(SUBJECTS)) for made in (off, on)]

    assert list(zip(*found, strict=True)) == list(SUBJECTS.values())


def test_ranges_of_grades_are_read_by_the_setting_from_the_school_s_grades(
    off: Made, on: Made
) -> None:
    assert column(off, "Grade", 300, len(GRADES)) == [row[2] for row in GRADES]
    assert column(on, "Grade", 300, len(GRADES)) == [row[3] for row in GRADES]
    found = [key for code, key in on.findings() if code == "bad_value"]
    assert found == ["314"]


def test_of_two_courses_with_one_number_the_school_s_own_counts(off: Made) -> None:
    rows = off.sections()

    assert rows[str(TWO_COURSES)]["Course_name"] == "Own"
    ghost = rows[str(GHOST_COURSE)]
    assert (ghost["Course_name"], ghost["Course_number"]) == ("", "GHOST")


def test_of_two_sections_with_one_identifier_one_is_sent_and_reported(
    off: Made,
) -> None:
    assert off.sections()[str(TWICE)]["Section_number"] == "1"
    assert off.findings() == {("duplicate_id", str(TWICE)): "Sections.csv"}
