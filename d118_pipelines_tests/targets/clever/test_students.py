"""Students.csv, and the faults of the earlier script that it does not have.

Every case is a student of one district, which is exported with all settings off and
with all of them on. Rules and faults: docs/reference/clever_sftp.md, students.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from d118_pipelines.errors import ConfigurationError
from d118_pipelines_tests.targets.clever.small_district import (
    CleverSync,
    District,
    Made,
)

HEADER = (
    '"Student_id","State_id","Student_number","School_id","Student_city","Dob",'
    '"First_name","Middle_name","Last_name","Gender","Grade","Student_state",'
    '"Student_Street","Student_Zip","Student_email","Hispanic_Latino","Race",'
    '"Ell_Status","Frl_status","IEP_status","Section_504_status","Gifted_status",'
    '"Unweighted_gpa","Weighted_gpa"'
)
LUNCH = {"F": "F", "FDC": "F", "T": "F", "R": "R", "P": "N", "E": "N", None: "N"}
BLANKS = {
    "dob": "Dob",
    "gender": "Gender",
    "state": "Student_state",
    "middle_name": "Middle_name",
    "grade_level": "Grade",
    "state_studentnumber": "State_id",
    "street": "Student_Street",
    "student_number": "Student_email",
}
REQUIRED = ("schoolid", "first_name", "last_name")
STATE_NUMBERS = {
    # as stored: sent at first, sent as text
    "012345678": ("12345678", "012345678"),
    "000": ("0", "000"),
    "1234567890123456789012": ("1234567890123456789012",) * 2,
    "IL-40018": ("", "IL-40018"),
    "½": ("", "½"),
}
GRADES = {
    -3: "InfantToddler",
    -2: "Preschool",
    -1: "Prekindergarten",
    0: "Kindergarten",
    1: "1",
    12: "12",
    99: "Postgraduate",
    40: "",
}
STATUSES = (0, -1, 1, 2, 3, 4)
ACCOUNTS = ("TestStudent", "use", "use ", "Nurse", "Planning", "user")
REAL_NAMES = ("Tests", "Use-Adams", " nurse", "Students")
BAD_VALUES = (
    *("Student_number", "Gender", "Hispanic_Latino", "Race", "Ell_Status"),
    "Gifted_status",
)
FULL, BAD, DOUBLED, EXTENDED_TWICE, ALLOWED = 900, 901, 902, 903, 904


def district() -> District:
    """Each case as a student; those of a list are numbered from its first number."""
    made = District()
    for start, column, values in (
        (100, "lunchstatus", LUNCH),
        (300, "state_studentnumber", STATE_NUMBERS),
        (400, "grade_level", GRADES),
        (600, "first_name", ACCOUNTS),
        (700, "last_name", (*ACCOUNTS, *REAL_NAMES)),
    ):
        for place, value in enumerate(values):
            made.add_student(start + place, **{column: value})
    for place, column in enumerate((*BLANKS, *REQUIRED)):
        made.add_student(200 + place, **{column: None})
    made.add("schools", dcid=901, school_number=901, name="Pre-Enrollment")
    made.tables["schools"][-1]["state_excludefromreporting"] = 1
    for place, status in enumerate(STATUSES):
        made.add_student(500 + place, enroll_status=status, schoolid=901)
    _special(made)
    return made


def _special(made: District) -> None:
    made.add_student(FULL)
    own = {"custom_ethnicity": "Y", "custom_race": "W", "custom_lep": "N"}
    gpa = {"simple_gpa": "3.8750", "weighted_gpa": "4"}
    made.extend(FULL, "u_def_ext_students0", **own, **gpa)
    made.extend(FULL, "s_il_stu_x", iep=1)
    made.extend(FULL, "s_il_stu_plan504_x", participant=1)
    made.extend(FULL, "s_stu_crdc_x", giftedtalentedprograms_yn="Y")
    made.add_student(BAD, gender="Z", student_number="219001.5")
    wrong = {"custom_ethnicity": "1", "custom_race": "Q", "custom_lep": "y"}
    made.extend(BAD, "u_def_ext_students0", **wrong)
    made.extend(BAD, "s_stu_crdc_x", giftedtalentedprograms_yn="1")
    made.add_student(DOUBLED, first_name="Second")
    made.add_student(DOUBLED, first_name="First", dcid=1)
    made.add_student(EXTENDED_TWICE)
    for value in (1, 0):
        made.extend(EXTENDED_TWICE, "s_il_stu_x", iep=value)
    made.add_student(ALLOWED, last_name="Nurse")


@pytest.fixture(scope="module")
def sync(tmp_path_factory: pytest.TempPathFactory) -> CleverSync:
    folder = tmp_path_factory.mktemp("students")
    return CleverSync(folder, district(), student_name_allow=[ALLOWED])


@pytest.fixture(scope="module")
def off(sync: CleverSync) -> Made:
    return sync.made()


@pytest.fixture(scope="module")
def on(sync: CleverSync, off: Made) -> Made:
    return sync.made_with(state_id_as_text=True, grade_words=True)


def column(made: Made, name: str, start: int, count: int) -> list[str]:
    rows = made.students()
    return [rows[str(number)][name] for number in range(start, start + count)]


def test_header_and_line_ends_are_those_of_the_file_that_it_replaces(
    off: Made,
) -> None:
    text = off.text("Students.csv")

    lines = text.split("\r\n")
    assert lines[0] == HEADER
    assert lines[-1] == "" and len(lines) == len(off.students()) + 2
    assert "\n" not in text.replace("\r\n", "")


def test_every_column_has_its_value(off: Made) -> None:
    assert off.students()[str(FULL)] == {
        "Student_id": "900",
        "State_id": "90077",
        "Student_number": "210900",
        "School_id": "5",
        "Student_city": "Wauconda",
        "Dob": "2011-03-04",
        "First_name": "Sam",
        "Middle_name": "",
        "Last_name": "Lee",
        "Gender": "F",
        "Grade": "9",
        "Student_state": "IL",
        "Student_Street": "12 Main St",
        "Student_Zip": "60084",
        "Student_email": "210900@d118.org",
        "Hispanic_Latino": "Y",
        "Race": "W",
        "Ell_Status": "N",
        "Frl_status": "N",
        "IEP_status": "Y",
        "Section_504_status": "Y",
        "Gifted_status": "Y",
        "Unweighted_gpa": "3.875",
        "Weighted_gpa": "4.0",
    }


def test_a_student_without_rows_in_the_extension_tables_is_sent(off: Made) -> None:
    row = off.students()["9001"]

    yes_no = ("IEP_status", "Section_504_status", "Gifted_status", "Frl_status")
    blank = ("Hispanic_Latino", "Race", "Ell_Status", "Unweighted_gpa", "Weighted_gpa")
    assert {row[name] for name in yes_no} == {"N"}
    assert {row[name] for name in blank} == {""}


def test_every_lunch_status_and_none_keeps_the_student(off: Made) -> None:
    assert column(off, "Frl_status", 100, len(LUNCH)) == list(LUNCH.values())


def test_what_is_empty_is_blank_and_keeps_the_student(off: Made) -> None:
    rows = off.students()

    blank = [rows[str(200 + n)][header] for n, header in enumerate(BLANKS.values())]
    assert blank == [""] * len(BLANKS)
    assert "None" not in off.text("Students.csv")
    assert off.codes(*range(200, 208)) == set()


def test_without_school_or_name_a_student_is_left_out_and_reported(off: Made) -> None:
    keys = {"208", "209", "210"}

    assert not keys & set(off.students())
    found = {key: detail for (c, key), detail in off.findings().items() if key in keys}
    assert found == dict.fromkeys(keys, "Students.csv")
    assert off.codes(*keys) == {"missing_required"}


def test_state_numbers_lose_their_zeros_until_the_setting_keeps_them(
    off: Made, on: Made
) -> None:
    found = [column(made, "State_id", 300, len(STATE_NUMBERS)) for made in (off, on)]

    assert list(zip(*found, strict=True)) == list(STATE_NUMBERS.values())
    details = [off.findings().get(("bad_value", str(n))) for n in range(300, 305)]
    assert details == [None] * 3 + ["Students.csv: State_id"] * 2
    assert on.codes(*range(300, 305)) == set()


def test_grades_are_numbers_until_the_setting_makes_them_clever_s_words(
    off: Made, on: Made
) -> None:
    assert column(off, "Grade", 400, len(GRADES)) == [str(g) for g in GRADES]
    assert column(on, "Grade", 400, len(GRADES)) == list(GRADES.values())
    assert on.findings()["bad_value", "407"] == "Students.csv: Grade"
    assert off.codes(*range(400, 408)) | on.codes(*range(400, 407)) == set()


def test_values_that_clever_does_not_know_are_blank_and_reported(off: Made) -> None:
    row = off.students()[str(BAD)]

    assert {row[name] for name in BAD_VALUES} == {""}
    assert row["Student_email"] == ""
    detail = off.findings()["bad_value", str(BAD)]
    assert detail == "Students.csv: " + ", ".join(BAD_VALUES)


def test_active_and_preregistered_students_of_every_building_are_sent(
    off: Made,
) -> None:
    rows = off.students()

    sent = [status for n, status in enumerate(STATUSES) if str(500 + n) in rows]
    assert sent == [0, -1]
    assert rows["501"]["School_id"] == "901"


def test_accounts_are_told_by_their_exact_names(off: Made) -> None:
    accounts = {*range(600, 606), *range(700, 706)}
    real = {*range(706, 710), ALLOWED}

    assert not {str(n) for n in accounts} & set(off.students())
    assert {str(n) for n in real} <= set(off.students())
    assert {key for code, key in off.findings() if code == "bad_name"} == {
        str(number) for number in accounts
    }


def test_of_two_rows_with_one_identifier_the_first_is_sent(off: Made) -> None:
    assert off.students()[str(DOUBLED)]["First_name"] == "First"
    assert off.codes(DOUBLED) == {"duplicate_id"}


def test_an_extension_table_with_two_rows_of_a_student_sends_one(off: Made) -> None:
    assert str(EXTENDED_TWICE) in off.students()
    assert off.codes(EXTENDED_TWICE) == {"duplicate_id"}


@pytest.mark.long
def test_after_a_query_that_fails_nothing_is_sent(tmp_path: Path) -> None:
    sync = CleverSync(tmp_path)
    sync.run()
    before = sync.files()
    (sync.tables / "s_il_stu_x.csv").unlink()
    sync.next_day()

    with pytest.raises(ConfigurationError, match=r"lacks s_il_stu_x\.csv"):
        sync.run()

    assert sync.files() == before


@pytest.mark.long
def test_findings_name_nobody(tmp_path: Path) -> None:
    district = District()
    personal = {"last_name": "Zqname, Jr.\n", "street": "Zqstreet\t1", "dob": None}
    district.add_student(9002, **personal, gender="Zq", state_studentnumber="Zq1")
    district.add_student(9003, last_name=None, first_name="Zqfirst")

    made = CleverSync(tmp_path, district).made()

    texts = [repr(finding) for finding in made.export.findings]
    assert len(texts) == 3
    assert not [text for text in texts if "Zq" in text]
