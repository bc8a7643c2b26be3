"""Teachers.csv and Staff.csv, and the faults of the earlier script that they do not have.

Rules and faults: docs/reference/clever_sftp.md, teachers.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from d118_pipelines_tests.targets.clever.small_district import (
    CleverSync,
    District,
    Made,
    Row,
)

HEADER = (
    '"Teacher_id","Teacher_number","State_teacher_id","School_id","First_name",'
    '"Middle_name","Last_name","Teacher_email","Title","Username"'
)


def test_header_and_columns_are_those_of_the_file_that_it_replaces(
    tmp_path: Path,
) -> None:
    district = District()
    district.tables["users"][0] |= {"middle_name": "Lee", "sif_stateprid": "00123"}

    made = CleverSync(tmp_path, district).made()

    assert made.text("Teachers.csv").startswith(HEADER + "\r\n")
    assert made.rows("Teachers.csv") == [
        {
            "Teacher_id": "4001",
            "Teacher_number": "T4001",
            "State_teacher_id": "00123",
            "School_id": "5",
            "First_name": "Ana",
            "Middle_name": "Lee",
            "Last_name": "Ruiz",
            "Teacher_email": "p4001@d118.example",
            "Title": "Teacher",
            "Username": "login4001",
        }
    ]


@pytest.mark.long
def test_a_teacher_of_several_schools_stands_once_at_the_home_school(
    tmp_path: Path,
) -> None:
    district = District()
    district.place(4001, 2001)
    second = district.tables["schoolstaff"][-1]["id"]
    district.add_section(7, school=2001, term=3600, students=[9001])
    district.add("sectionteacher", id=900, teacherid=second, sectionid=7, roleid=1)

    made = CleverSync(tmp_path, district).made()

    assert made.teachers()["4001"]["School_id"] == "5"
    sections = made.sections()
    assert {sections[key]["Teacher_id"] for key in ("7", "51234")} == {"4001"}
    assert sections["7"]["School_id"] == "2001"


@pytest.mark.long
def test_quotes_and_commas_stay_in_their_cell_and_nothing_is_the_word_none(
    tmp_path: Path,
) -> None:
    names: Row = {"first_name": 'Jo "JJ"', "last_name": "O'Neil, Jr.", "title": '"'}
    district = District()
    district.add_teacher(4002, **names, teachernumber=None, teacherloginid=None)

    made = CleverSync(tmp_path, district).made()

    row = made.teachers()["4002"]
    assert (row["First_name"], row["Last_name"]) == ('Jo "JJ"', "O'Neil, Jr.")
    assert (row["Title"], row["Teacher_number"], row["Username"]) == ('"', "", "")
    assert '"Jo ""JJ"""' in made.text("Teachers.csv")
    assert "None" not in made.text("Teachers.csv")


HOMES = (0, 2, 136, None, 500, 2001)
NAMES = ("Admin", "tech", "PLUGIN", "Sub", "test", "Teacher", "Subira", "Testa")
GONE, ELSEWHERE, NOWHERE, WITHOUT_EMAIL, BLANK_EMAIL, NAMELESS, ALLOWED = range(
    301, 308
)


def district() -> District:
    """Each case as a person; those of a list are numbered from its first number."""
    made = District()
    for number, home in enumerate(HOMES, start=101):
        made.add_teacher(number, home=home)
        made.place(number, 5)
    for number, name in enumerate(NAMES, start=201):
        columns: Row = {("first_name", "last_name")[number % 2]: name}
        made.add_teacher(number, **columns)
    for number in (GONE, ELSEWHERE, NOWHERE):
        made.add_teacher(number)
        made.tables["schoolstaff"][-1]["status"] = 2
    made.place(ELSEWHERE, 2001)
    made.place(NOWHERE, 2001, status=0)
    made.add_teacher(WITHOUT_EMAIL, email_addr=None)
    made.add_teacher(BLANK_EMAIL, email_addr="  ")
    made.add_teacher(NAMELESS, first_name=None)
    made.add_teacher(ALLOWED, last_name="Test")
    return made


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("teachers")
    return CleverSync(folder, district(), teacher_name_allow=[ALLOWED]).made()


def sent(made: Made, start: int, count: int) -> list[int]:
    rows = made.teachers()
    return [n for n in range(start, start + count) if str(n) in rows]


@pytest.mark.long
def test_home_schools_without_teachers_are_left_out(many: Made) -> None:
    assert sent(many, 101, len(HOMES)) == [105, 106]
    assert many.codes(*range(101, 107)) == set()


@pytest.mark.long
def test_active_is_who_is_current_anywhere_and_has_an_email(many: Made) -> None:
    assert sent(many, GONE, 5) == [ELSEWHERE]
    assert many.teachers()[str(ELSEWHERE)]["School_id"] == "5"


def test_accounts_are_told_by_their_exact_names(many: Made) -> None:
    assert sent(many, 201, len(NAMES)) == [207, 208]
    assert sent(many, ALLOWED, 1) == [ALLOWED]
    assert {key for code, key in many.findings() if code == "bad_name"} == {
        str(number) for number in range(201, 207)
    }


def test_a_person_without_a_name_is_left_out_and_reported(many: Made) -> None:
    assert sent(many, NAMELESS, 1) == []
    assert many.findings()["missing_required", str(NAMELESS)] == "Teachers.csv"


@pytest.mark.long
def test_staff_who_do_not_teach_stand_once_per_school(tmp_path: Path) -> None:
    district = District()
    district.add_teacher(4002, title="Secretary")
    district.tables["schoolstaff"][-1]["staffstatus"] = 2
    district.place(4002, 2001, kind=2)
    district.place(4002, 0, kind=2)
    district.place(4001, 2001, kind=2)

    made = CleverSync(tmp_path, district).made()

    rows = made.rows("Staff.csv")
    assert [(row["Staff_id"], row["School_id"]) for row in rows] == [
        ("4001", "2001"),
        ("4002", "2001"),
        ("4002", "5"),
    ]
    assert rows[2] == {
        "School_id": "5",
        "Staff_id": "4002",
        "Staff_email": "p4002@d118.example",
        "First_name": "Ana",
        "Last_name": "Ruiz",
        "Department": "",
        "Title": "Secretary",
        "Username": "login4002",
        "Role": "",
    }
