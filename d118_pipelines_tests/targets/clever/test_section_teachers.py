"""Who teaches a section: order, ten at most, each once, and the days they teach.

Every case is a section of one district with teachers of its own. Rules and faults:
docs/reference/clever_sftp.md, teachers of a section.
"""

from __future__ import annotations

from typing import Any

import pytest

from d118_pipelines_tests.targets.clever.small_district import (
    SEMESTER_2,
    CleverSync,
    District,
    Made,
    teachers_of,
)

BY_ROLE, EQUALS, TWELVE, TEN, TWICE, DAYS, LATER = range(1, 8)
NO_EMAIL, NOT_LISTED, NOBODY, ONLY_GONE = range(11, 15)


def staffed(made: District, section: int, people: range, **columns: Any) -> None:
    """Add a section with Ana as lead and these people as co-teachers."""
    for person in people:
        made.add_teacher(person)
    everybody = [4001, *people]
    made.add_section(section, teachers=everybody, students=[9001], **columns)


def district() -> District:
    made = District()
    staffed(made, BY_ROLE, range(101, 101))
    for person, role in ((102, 3), (103, 2)):
        made.add_teacher(person)
        made.teach(BY_ROLE, person, role=role)
    _equals(made)
    staffed(made, TWELVE, range(301, 312))
    staffed(made, TEN, range(401, 410))
    staffed(made, TWICE, range(501, 502))
    ana = made.place(4001, 2001)
    again = {"sectionid": TWICE, "roleid": 3, "teacherid": ana}
    made.add("sectionteacher", id=900, **again)
    _days(made)
    _not_listed(made)
    made.tables["sectionteacher"].reverse()
    return made


def _equals(made: District) -> None:
    """Three leads: Ana is the section's own, the others began on other days."""
    staffed(made, EQUALS, range(201, 201))
    for person, begin in ((202, "2026-08-20"), (203, "2026-08-17")):
        made.add_teacher(person)
        made.teach(EQUALS, person, start_date=begin)
    ana = made.tables["schoolstaff"][0]["id"]
    made.tables["sections"][-1]["teacher"] = ana


def _days(made: District) -> None:
    staffed(made, DAYS, range(601, 601))
    for person, days in (
        (602, {"end_date": "2026-11-01"}),
        (603, {"end_date": "2026-11-02"}),
        (604, {"start_date": "2026-11-02 00:00:00"}),
        (605, {"start_date": "2026-11-03"}),
    ):
        made.add_teacher(person)
        made.teach(DAYS, person, role=2, **days)
    staffed(made, LATER, range(701, 702), term=SEMESTER_2)
    lead, helper = made.tables["sectionteacher"][-2:]
    lead |= {"start_date": "2027-01-18", "end_date": "2027-05-28"}
    helper["start_date"] = "2027-02-01"


def _not_listed(made: District) -> None:
    staffed(made, NO_EMAIL, range(1101, 1102))
    made.tables["users"][-1]["email_addr"] = None
    staffed(made, NOT_LISTED, range(1201, 1204))
    made.tables["schoolstaff"][-1]["status"] = 2
    made.tables["users"][-2]["last_name"] = "Sub"
    made.add_section(NOBODY, students=[9001])
    made.add_section(ONLY_GONE, teachers=[1203], students=[9001])


@pytest.fixture(scope="module")
def sync(tmp_path_factory: pytest.TempPathFactory) -> CleverSync:
    return CleverSync(tmp_path_factory.mktemp("teaching"), district())


@pytest.fixture(scope="module")
def off(sync: CleverSync) -> Made:
    return sync.on("2026-11-02").made()


@pytest.fixture(scope="module")
def autumn(sync: CleverSync, off: Made) -> Made:
    """With the setting teacher_dates, in semester 1."""
    return sync.on("2026-11-02").made_with(teacher_dates=True)


@pytest.fixture(scope="module")
def spring(sync: CleverSync, autumn: Made) -> Made:
    """With the setting teacher_dates, in semester 2."""
    return sync.on("2027-03-01").made_with(teacher_dates=True)


def teachers(made: Made, section: int) -> list[str]:
    return teachers_of(made.sections()[str(section)])


@pytest.mark.long
def test_the_lead_comes_first_then_by_role(off: Made) -> None:
    assert teachers(off, BY_ROLE) == ["4001", "103", "102"]


def test_among_equals_the_section_s_own_teacher_comes_first_then_by_begin(
    off: Made,
) -> None:
    assert teachers(off, EQUALS) == ["4001", "203", "202"]


@pytest.mark.long
def test_the_order_of_the_rows_does_not_change_the_teachers(
    off: Made, sync: CleverSync, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = district()
    other.tables["sectionteacher"].reverse()
    other.tables["schoolstaff"].reverse()

    made = CleverSync(tmp_path_factory.mktemp("again"), other).on("2026-11-02").made()

    assert made.text("Sections.csv") == off.text("Sections.csv")


def test_more_than_ten_are_reported_and_the_first_ten_sent(off: Made) -> None:
    assert teachers(off, TWELVE) == ["4001", *(str(n) for n in range(301, 310))]
    detail = off.findings()["too_many_teachers", str(TWELVE)]
    assert detail == "12 teachers, the first 10 were sent"


def test_ten_are_no_finding(off: Made) -> None:
    assert len(teachers(off, TEN)) == 10
    assert off.codes(TEN) == set()


def test_a_person_with_two_roles_stands_once_by_the_first(off: Made) -> None:
    assert teachers(off, TWICE) == ["4001", "501"]


def test_former_and_coming_teachers_are_left_out_by_the_setting(
    off: Made, autumn: Made
) -> None:
    assert sorted(teachers(off, DAYS)) == ["4001", "602", "603", "604", "605"]
    assert sorted(teachers(autumn, DAYS)) == ["4001", "603", "604"]


def test_teachers_of_terms_that_do_not_run_are_those_of_their_nearest_day(
    autumn: Made, spring: Made
) -> None:
    assert teachers(autumn, LATER) == ["4001"]
    assert teachers(spring, LATER) == ["4001", "701"]
    # Semester 1 has ended: its last day counts.
    assert sorted(teachers(spring, DAYS)) == ["4001", "604", "605"]


def test_people_without_an_email_are_passed_over(off: Made) -> None:
    assert teachers(off, NO_EMAIL) == ["4001"]
    assert off.codes(NO_EMAIL) == set()


def test_who_is_not_in_teachers_csv_is_not_named_and_is_reported(off: Made) -> None:
    assert teachers(off, NOT_LISTED) == ["4001", "1201"]
    detail = off.findings()["orphan", str(NOT_LISTED)]
    assert detail == "Sections.csv: teacher 1202, 1203"
    assert off.codes(1202) == {"bad_name"}


def test_a_section_without_a_teacher_is_left_out_and_reported(off: Made) -> None:
    assert not {str(NOBODY), str(ONLY_GONE)} & set(off.sections())
    assert off.codes(NOBODY) == {"no_teacher"}
    assert off.codes(ONLY_GONE) == {"no_teacher", "orphan"}
