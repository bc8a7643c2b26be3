"""The files as one set: which are sent, what refers to what, when they are held.

Rules: docs/reference/clever_sftp.md, files and limits.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from d118_pipelines.errors import D118Error, ExportError, HeldError
from d118_pipelines_tests.targets.clever.small_district import (
    YEAR,
    CleverSync,
    District,
    Row,
    parsed,
)

ALL: Row = {"deliver_schools": True, "deliver_staff": True, "deliver_enrollments": True}
OWN = {"Students.csv", "Teachers.csv", "Sections.csv"}
IN_ORDER = [
    *("Schools.csv", "Students.csv", "Teachers.csv", "Staff.csv"),
    *("Sections.csv", "Enrollments.csv"),
]


@pytest.mark.long
def test_all_six_files_are_made_and_three_are_sent(tmp_path: Path) -> None:
    sync = CleverSync(tmp_path)

    made = sync.run()

    assert [file.file.file for file in made.export.files] == IN_ORDER
    assert set(sync.files()) == OWN


@pytest.mark.long
def test_the_other_files_are_sent_when_their_options_say_so(tmp_path: Path) -> None:
    sync = CleverSync(tmp_path, **ALL)

    made = sync.run()

    assert [entry["name"] for entry in made.export.to_send] == IN_ORDER
    assert set(sync.files()) == set(IN_ORDER)


@pytest.mark.long
def test_worked_example(tmp_path: Path) -> None:
    district = District()
    district.add_student(9002, last_name=None)
    district.enroll(9002, district.tables["sections"][0])
    district.tables["students"][0]["last_name"] = "O'Neil, Jr."
    district.tables["terms"][1]["lastday"] = "2027-01-15"
    sync = CleverSync(tmp_path, district, **ALL, grade_words=True)

    sync.run()

    files = {name: parsed(data.decode("utf-8")) for name, data in sync.files().items()}
    assert files["Schools.csv"] == [
        {
            **dict.fromkeys(files["Schools.csv"][0], ""),
            "School_id": "5",
            "School_name": "Example High School",
            "School_number": "5",
            "Low_grade": "9",
            "High_grade": "12",
        }
    ]
    assert [row["Last_name"] for row in files["Students.csv"]] == ["O'Neil, Jr."]
    [section] = files["Sections.csv"]
    assert (section["Grade"], section["Period"], section["Term_end"]) == (
        "9",
        "3",
        "01/15/2027",
    )
    enrolled = {"School_id": "5", "Section_id": "51234", "Student_id": "9001"}
    assert files["Enrollments.csv"] == [enrolled]
    found = {(f.code, f.key) for f in sync.findings()}
    assert found == {
        ("clever_sftp.missing_required", "9002"),
        ("clever_sftp.orphan", "51234/9002"),
    }


@pytest.mark.long
def test_without_the_last_enrollment_nothing_is_sent(tmp_path: Path) -> None:
    district = District()
    sync = CleverSync(tmp_path, district, active_students_only=True)
    sync.run()
    before = sync.files()
    district.tables["students"][0]["last_name"] = None
    district.add_student(9003)
    sync.set_district(district)
    sync.next_day()

    sync.export()
    with pytest.raises(ExportError, match=r"Without a record: Sections\.csv"):
        sync.deliver()

    assert sync.files() == before


@pytest.mark.long
def test_enrollments_have_begun_or_begin_soon_and_have_not_ended(
    tmp_path: Path,
) -> None:
    days = {
        1: ("2026-08-17", "2026-11-03"),
        2: ("2026-08-17", "2026-11-02"),
        3: ("2026-11-23", "2027-01-01"),
        4: ("2026-11-24", "2027-01-01"),
        5: ("2026-11-20", "2026-11-20"),
    }
    district = District()
    section = district.tables["sections"][0]
    for number, (begin, left) in days.items():
        district.add_student(number)
        district.enroll(number, section, dateenrolled=begin, dateleft=left)
    district.enroll(1, section, dateenrolled="2026-10-01")
    district.add_student(6)
    district.enroll(6, section, -1)

    made = CleverSync(tmp_path, district).on("2026-11-02").made()

    rows = made.rows("Enrollments.csv")
    assert [row["Student_id"] for row in rows] == ["1", "3", "9001"]
    assert {(row["School_id"], row["Section_id"]) for row in rows} == {("5", "51234")}


@pytest.mark.long
def test_every_reference_of_the_set_resolves(tmp_path: Path) -> None:
    district = District()
    district.add("schools", dcid=901, school_number=901, name="Pre-Enrollment")
    district.add_student(9002, schoolid=901, enroll_status=-1)
    district.add_student(9003, schoolid=4711)
    district.add_student(9004, first_name="Test")
    district.add_teacher(4002, home=4711)
    district.add_teacher(4003, last_name="TECH")
    for student in (9002, 9003, 9004):
        district.enroll(student, district.tables["sections"][0])
    for teacher in (4002, 4003):
        district.teach(51234, teacher, role=2)
    district.add_section(2, school=2001, term=YEAR, teachers=[4002], students=[9003])

    made = CleverSync(tmp_path, district, **ALL).made()

    schools = {row["School_id"] for row in made.rows("Schools.csv")}
    for file in IN_ORDER[1:]:
        assert {row["School_id"] for row in made.rows(file)} <= schools, file
    teachers = set(made.teachers())
    for row in made.rows("Sections.csv"):
        named = {v for k, v in row.items() if k.startswith("Teacher_") and v}
        assert named <= teachers
    for row in made.rows("Enrollments.csv"):
        assert row["Section_id"] in made.sections()
        assert row["Student_id"] in made.students()
    assert set(made.students()) == {"9001", "9002"}
    orphans = {key for code, key in made.findings() if code == "orphan"}
    assert orphans == {"9003", "4002", "51234", "51234/9003", "2"}


@pytest.mark.long
def test_an_unknown_school_matters_only_where_schools_are_sent(tmp_path: Path) -> None:
    district = District()
    district.add_student(9002, schoolid=4711)

    made = CleverSync(tmp_path, district).made()

    assert set(made.students()) == {"9001", "9002"}
    assert made.findings() == {}


def crowd(count: int) -> District:
    """A district with that many further students."""
    district = District()
    for number in range(1, count + 1):
        district.add_student(number)
    return district


@pytest.mark.long
@pytest.mark.parametrize(
    ("before", "after", "is_held"),
    [(40, 36, False), (39, 35, True), (17, 3, False)],
    ids=["exactly a tenth", "more than a tenth", "few rows"],
)
def test_more_than_a_tenth_gone_from_a_file_is_held(
    tmp_path: Path, before: int, after: int, is_held: bool
) -> None:
    sync = CleverSync(tmp_path, crowd(before - 1))
    sync.run()
    sync.set_district(crowd(after - 1))
    sync.next_day()

    sync.export()
    if is_held:
        with pytest.raises(HeldError, match=r"Students\.csv: 4 of 39 records removed"):
            sync.deliver()
        sync.approve()
    sync.deliver()

    assert len(sync.lines("Students.csv")) == after + 1


@pytest.mark.long
def test_more_than_three_quarters_changed_in_a_file_is_held(tmp_path: Path) -> None:
    district = crowd(39)
    sync = CleverSync(tmp_path, district)
    sync.run()
    for student in district.tables["students"][:31]:
        student["city"] = "Volo"
    sync.set_district(district)
    sync.next_day()

    sync.export()
    with pytest.raises(HeldError, match=r"Students\.csv: 31 of 40 records changed"):
        sync.deliver()


@pytest.mark.long
def test_what_is_not_sent_holds_nothing_back(tmp_path: Path) -> None:
    district = crowd(40)
    for number in range(1, 41):
        district.enroll(number, district.tables["sections"][0])
    sync = CleverSync(tmp_path, district)
    sync.run()
    for row in district.tables["cc"]:
        row["dateleft"] = "2026-10-01"
    sync.set_district(district)
    sync.next_day()

    made = sync.run()

    [enrollments] = [f for f in made.export.files if f.file.name == "enrollments"]
    assert (enrollments.rows, enrollments.file.deliver) == (0, False)
    assert len(sync.deliveries()) == 2


@pytest.mark.long
def test_the_same_data_give_the_same_bytes(tmp_path: Path) -> None:
    sync = CleverSync(tmp_path, crowd(5))
    sync.run()
    before = sync.files()
    sync.next_day()

    sync.run()

    assert sync.files() == before


@pytest.mark.long
def test_a_failed_upload_is_an_error_and_the_whole_set_goes_again(
    tmp_path: Path,
) -> None:
    sync = CleverSync(tmp_path)
    sync.export()
    sync.break_outbox()

    with pytest.raises(D118Error):
        sync.deliver()
    sync.mend_outbox()
    sync.run()

    assert set(sync.files()) == OWN
