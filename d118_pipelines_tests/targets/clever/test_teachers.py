"""Teachers.csv and Staff.csv, and the faults of the earlier script that they do not have.

Rules and faults: docs/reference/clever_sftp.md, teachers.
"""

from __future__ import annotations

from pathlib import Path

from d118_pipelines_tests.targets.clever.small_district import CleverSync, District

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


def test_quotes_and_commas_stay_in_their_cell_and_nothing_is_the_word_none(
    tmp_path: Path,
) -> None:
    names = {"first_name": 'Jo "JJ"', "last_name": "O'Neil, Jr.", "title": '"'}
    district = District()
    district.add_teacher(4002, **names, teachernumber=None, teacherloginid=None)

    made = CleverSync(tmp_path, district).made()

    row = made.teachers()["4002"]
    assert (row["First_name"], row["Last_name"]) == ('Jo "JJ"', "O'Neil, Jr.")
    assert (row["Title"], row["Teacher_number"], row["Username"]) == ('"', "", "")
    assert '"Jo ""JJ"""' in made.text("Teachers.csv")
    assert "None" not in made.text("Teachers.csv")


def test_home_schools_without_teachers_are_left_out(tmp_path: Path) -> None:
    district = District()
    for number, home in enumerate((0, 2, 136, None, 500, 2001), start=1):
        district.add_teacher(number, home=home)
        district.place(number, 5)

    rows = CleverSync(tmp_path, district).made().teachers()

    assert set(rows) == {"4001", "5", "6"}


def test_active_is_who_is_current_anywhere_and_has_an_email(tmp_path: Path) -> None:
    district = District()
    gone, elsewhere, nowhere = 1, 2, 3
    for number in (gone, elsewhere, nowhere):
        district.add_teacher(number)
        district.tables["schoolstaff"][-1]["status"] = 2
    district.place(elsewhere, 2001)
    district.place(nowhere, 2001, status=0)
    district.add_teacher(4, email_addr=None)
    district.add_teacher(5, email_addr="  ")

    rows = CleverSync(tmp_path, district).made().teachers()

    assert set(rows) == {"4001", "2"}
    assert rows["2"]["School_id"] == "5"


def test_accounts_are_told_by_their_exact_names(tmp_path: Path) -> None:
    names = ("Admin", "tech", "PLUGIN", "Sub", "test", "Teacher", "Subira", "Testa")
    district = District()
    for number, name in enumerate(names, start=1):
        district.add_teacher(number, **{("first_name", "last_name")[number % 2]: name})
    sync = CleverSync(tmp_path, district)

    made = sync.made()
    allowed = sync.made_with(teacher_name_allow=[5])

    assert set(made.teachers()) == {"4001", "7", "8"}
    assert set(made.findings()) == {("bad_name", str(n)) for n in range(1, 7)}
    assert set(allowed.teachers()) == {"4001", "7", "8", "5"}


def test_a_person_without_a_name_is_left_out_and_reported(tmp_path: Path) -> None:
    district = District()
    district.add_teacher(4002, first_name=None)

    made = CleverSync(tmp_path, district).made()

    assert set(made.teachers()) == {"4001"}
    assert made.findings() == {("missing_required", "4002"): "Teachers.csv"}


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
