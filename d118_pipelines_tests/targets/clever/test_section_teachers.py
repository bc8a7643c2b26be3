"""Who teaches a section: order, ten at most, each once, and the days they teach.

Rules and faults: docs/reference/clever_sftp.md, teachers of a section.
"""

from __future__ import annotations

from pathlib import Path

from d118_pipelines_tests.targets.clever.small_district import (
    SEMESTER_2,
    CleverSync,
    District,
    Made,
    teachers_of,
)


def with_teachers(*people: int) -> District:
    """A district with these further people, who teach nothing yet."""
    district = District()
    for person in people:
        district.add_teacher(person)
    return district


def teachers(made: Made, section: int = 51234) -> list[str]:
    return teachers_of(made.sections()[str(section)])


def test_the_lead_comes_first_then_by_role(tmp_path: Path) -> None:
    district = with_teachers(4002, 4003, 4004)
    district.teach(51234, 4002, role=3)
    district.teach(51234, 4003, role=2)
    district.tables["sectionteacher"].reverse()

    assert teachers(CleverSync(tmp_path, district).made()) == ["4001", "4003", "4002"]


def test_among_equals_the_section_s_own_teacher_comes_first_on_every_run(
    tmp_path: Path,
) -> None:
    district = with_teachers(3000, 5000)
    district.teach(51234, 3000, start_date="2026-08-20")
    district.teach(51234, 5000, start_date="2026-08-17")
    lead = district.tables["schoolstaff"][0]["id"]
    district.tables["sections"][0]["teacher"] = lead
    sync = CleverSync(tmp_path, district)

    first = teachers(sync.made())
    district.tables["sectionteacher"].reverse()
    sync.set_district(district)

    assert first == ["4001", "5000", "3000"]
    assert teachers(sync.made()) == first


def test_more_than_ten_are_reported_and_the_first_ten_sent(tmp_path: Path) -> None:
    helpers = range(5001, 5012)
    district = with_teachers(*helpers)
    for person in reversed(helpers):
        district.teach(51234, person, role=2)

    made = CleverSync(tmp_path, district).made()

    assert teachers(made) == ["4001", *(str(n) for n in range(5001, 5010))]
    [(found, detail)] = made.findings().items()
    assert found == ("too_many_teachers", "51234")
    assert detail == "12 teachers, the first 10 were sent"


def test_ten_are_no_finding(tmp_path: Path) -> None:
    helpers = range(5001, 5010)
    district = with_teachers(*helpers)
    for person in helpers:
        district.teach(51234, person, role=2)

    made = CleverSync(tmp_path, district).made()

    assert len(teachers(made)) == 10
    assert made.findings() == {}


def test_a_person_with_two_roles_stands_once_by_the_first(tmp_path: Path) -> None:
    district = with_teachers(4002)
    district.teach(51234, 4002, role=2)
    district.place(4001, 2001)
    other = district.tables["schoolstaff"][-1]["id"]
    again = {"sectionid": 51234, "roleid": 3, "teacherid": other}
    district.add("sectionteacher", id=900, **again)

    assert teachers(CleverSync(tmp_path, district).made()) == ["4001", "4002"]


def test_former_and_coming_teachers_are_left_out_by_the_setting(
    tmp_path: Path,
) -> None:
    district = with_teachers(1, 2, 3, 4)
    district.teach(51234, 1, role=2, end_date="2026-11-01")
    district.teach(51234, 2, role=2, end_date="2026-11-02")
    district.teach(51234, 3, role=2, start_date="2026-11-02 00:00:00")
    district.teach(51234, 4, role=2, start_date="2026-11-03")
    sync = CleverSync(tmp_path, district).on("2026-11-02")

    before = teachers(sync.made())
    after = teachers(sync.made_with(teacher_dates=True))

    assert sorted(before) == ["1", "2", "3", "4", "4001"]
    assert sorted(after) == ["2", "3", "4001"]


def test_teachers_of_terms_that_do_not_run_are_those_of_their_nearest_day(
    tmp_path: Path,
) -> None:
    district = with_teachers(1)
    later = {"teachers": [4001], "students": [9001], "term": SEMESTER_2}
    district.add_section(2, **later)
    both = district.tables["sectionteacher"]
    both[0] |= {"start_date": "2026-08-17", "end_date": "2027-01-15"}
    both[1] |= {"start_date": "2027-01-18", "end_date": "2027-05-28"}
    district.teach(2, 1, role=2, start_date="2027-02-01")
    sync = CleverSync(tmp_path, district, teacher_dates=True)

    autumn, spring = sync.on("2026-11-02").made(), sync.on("2027-03-01").made()

    assert (teachers(autumn), teachers(autumn, 2)) == (["4001"], ["4001"])
    assert (teachers(spring), teachers(spring, 2)) == (["4001"], ["4001", "1"])


def test_people_without_an_email_are_passed_over(tmp_path: Path) -> None:
    district = with_teachers(4002)
    district.tables["users"][0]["email_addr"] = None
    district.teach(51234, 4002, role=2)

    made = CleverSync(tmp_path, district).made()

    assert teachers(made) == ["4002"]
    assert made.findings() == {}


def test_who_is_not_in_teachers_csv_is_not_named_and_is_reported(
    tmp_path: Path,
) -> None:
    district = with_teachers(4002, 4003)
    district.tables["schoolstaff"][1]["status"] = 2
    district.tables["users"][2]["last_name"] = "Sub"
    for person in (4002, 4003):
        district.teach(51234, person, role=2)

    made = CleverSync(tmp_path, district).made()

    assert teachers(made) == ["4001"]
    assert made.findings() == {
        ("bad_name", "4003"): "Teachers.csv",
        ("orphan", "51234"): "Sections.csv: teacher 4002, 4003",
    }


def test_a_section_without_a_teacher_is_left_out_and_reported(tmp_path: Path) -> None:
    district = with_teachers(4002)
    district.add_section(1, students=[9001])
    district.tables["schoolstaff"][1]["status"] = 2
    district.add_section(2, teachers=[4002], students=[9001])

    made = CleverSync(tmp_path, district).made()

    assert set(made.sections()) == {"51234"}
    assert made.findings() == {
        ("no_teacher", "1"): "Sections.csv",
        ("no_teacher", "2"): "Sections.csv",
        ("orphan", "2"): "Sections.csv: teacher 4002",
    }
