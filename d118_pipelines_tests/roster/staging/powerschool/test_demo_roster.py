"""The demonstration district's roster, from its tables to the staged frames.

Each awkward case of the generated classes has its outcome here.
See docs/reference/powerschool.md, the roster.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from d118_pipelines.roster.staging.powerschool import RAW_COLLECTIONS, prepare
from d118_pipelines_tests.demo.awkward import make_awkward_district
from d118_pipelines_tests.roster.staging.powerschool.tables import (
    DISTRICT,
    TODAY,
    Roster,
    pulled,
    settings,
    staged,
)


@pytest.fixture(scope="module")
def roster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Roster]:
    home = tmp_path_factory.mktemp("demo-roster")
    make_awkward_district(home / "tables", today=TODAY)
    raw = pulled(home / "tables", home / "raw")
    found = Roster(staged(raw, home / "work", settings()), raw)
    found.add_tables(home / "tables")
    yield found
    found.duck.close()


@pytest.mark.long
def test_the_roster_has_the_size_of_the_district(roster: Roster) -> None:
    counts = {name: one.staged for name, one in roster.staged.entities.items()}

    assert counts["orgs"] == 7
    assert counts["terms"] == 42
    assert 180 <= counts["courses"] <= 200
    assert 1_250 <= counts["classes"] <= 1_400
    assert 4_600 <= counts["users"] <= 4_750
    assert 31_000 <= counts["enrollments"] <= 33_500


@pytest.mark.long
def test_nothing_refers_to_a_record_that_is_not_staged(roster: Roster) -> None:
    for entity, column, target in (
        ("orgs", "parent_external_id", "orgs"),
        ("terms", "school_external_id", "orgs"),
        ("terms", "parent_external_id", "terms"),
        ("courses", "school_external_id", "orgs"),
        ("classes", "school_external_id", "orgs"),
        ("classes", "course_external_id", "courses"),
        ("users", "primary_school_external_id", "orgs"),
        ("enrollments", "user_external_id", "users"),
        ("enrollments", "class_external_id", "classes"),
        ("enrollments", "school_external_id", "orgs"),
    ):
        orphans = roster.one(
            f"SELECT count(*) FROM {entity} WHERE {column} IS NOT NULL"
            f" AND {column} NOT IN (SELECT external_id FROM {target})"
        )
        assert orphans == 0, (entity, column)
    listed = "SELECT DISTINCT unnest(from_json(term_external_ids, '[\"VARCHAR\"]')) FROM classes"
    kept_terms = "SELECT external_id FROM terms"
    assert roster.rows(f"FROM ({listed}) t(id) WHERE id NOT IN ({kept_terms})") == []


def test_only_the_findings_that_the_awkward_cases_ask_for(roster: Roster) -> None:
    assert roster.staged.findings == {
        "powerschool.course_unknown": 1,
        "powerschool.enrollment_days": 5,
        "powerschool.enrollment_doubled": 5,
        "powerschool.section_grades": 1,
        "powerschool.staffstatus": 2,
        "powerschool.teacher_left_out": 2,
        "row.bad_enum": 1,  # the district's own section role
        "row.defaulted": 1,  # a person without a first name
        "row.whitespace": 1,  # the first name `use `
    }
    assert roster.rows("SELECT entity, code FROM rejected") == [
        ("enrollments", "row.bad_enum")
    ]


def test_orgs_are_the_district_and_the_six_schools(roster: Roster) -> None:
    found = roster.rows(
        "SELECT external_id, org_type, parent_external_id, sis_id, low_grade FROM orgs"
        " ORDER BY org_type, length(external_id), external_id"
    )

    assert found[0] == (DISTRICT, "district", None, None, None)
    assert [row[0] for row in found[1:]] == [
        "5",
        "1003",
        "1004",
        "2001",
        "2005",
        "2007",
    ]
    assert found[1] == ("5", "school", DISTRICT, "5", "09")


def test_a_term_ends_the_day_after_its_last_one_and_knows_its_parent(
    roster: Roster,
) -> None:
    found = roster.rows(
        "SELECT external_id, type, start_date, end_date, parent_external_id, school_year"
        " FROM terms WHERE school_external_id = '5' ORDER BY external_id"
    )

    first, end = dt.date(2025, 7, 1), dt.date(2026, 7, 1)
    assert found[0] == ("5-3500", "schoolYear", first, end, None, 2026)
    new_year = dt.date(2026, 1, 1)
    assert found[1] == ("5-3501", "semester", first, new_year, "5-3500", 2026)
    assert found[6][4] == "5-3502"


def test_external_ids_and_those_that_are_live_in_clever(roster: Roster) -> None:
    student = roster.rows(
        "SELECT external_id, sis_id FROM users WHERE external_id IN"
        " (SELECT 'S' || dcid FROM ps.students) AND sis_id NOT IN"
        " (SELECT CAST(id AS VARCHAR) FROM ps.students)"
    )
    teacher = roster.one(
        "SELECT sis_id, staff_id FROM users WHERE external_id = 'T8020'"
    )
    section = roster.rows("FROM classes WHERE external_id <> sis_id")

    assert student == []
    assert teacher == ("8020", "8020")
    assert section == []


def test_a_student_number_is_whole_and_makes_the_email(roster: Roster) -> None:
    found = roster.rows(
        "SELECT DISTINCT regexp_full_match(student_number, '2[12][0-9]{4}'),"
        " email = student_number || '@d118.example' FROM users"
        " WHERE starts_with(external_id, 'S')"
    )

    assert found == [(True, True)]


def test_dropped_and_never_attended_classes_are_left_out(roster: Roster) -> None:
    not_taken = (
        "SELECT 'S' || dcid FROM ps.cc WHERE sectionid < 0 OR dateleft <= dateenrolled"
    )

    assert roster.one(f"SELECT count(*) FROM ({not_taken})") == 85
    assert roster.rows(f"FROM enrollments WHERE external_id IN ({not_taken})") == []


def test_of_doubled_enrollments_the_highest_dcid_stays(roster: Roster) -> None:
    doubled = roster.rows(
        "SELECT list('S' || dcid ORDER BY dcid) FROM ps.cc WHERE sectionid > 0"
        " AND dateleft > dateenrolled GROUP BY studentid, sectionid, dateenrolled,"
        " dateleft HAVING count(*) > 1"
    )

    assert len(doubled) == 5
    for lower, higher in doubled:
        kept = roster.rows(
            f"SELECT external_id FROM enrollments WHERE external_id IN"
            f" ('{lower}', '{higher}')"
        )
        assert kept == [higher]


def test_other_years_and_excluded_buildings_have_no_classes(roster: Roster) -> None:
    elsewhere = (
        "SELECT CAST(id AS VARCHAR) FROM ps.sections"
        " WHERE schoolid = 183 OR termid IN (3400, 3600)"
    )

    assert roster.one(f"SELECT count(*) FROM ({elsewhere})") == 3
    assert roster.rows(f"FROM classes WHERE external_id IN ({elsewhere})") == []
    assert (
        roster.rows(f"FROM enrollments WHERE class_external_id IN ({elsewhere})") == []
    )


def test_students_who_are_not_placed_yet_belong_to_the_district(roster: Roster) -> None:
    waiting = roster.rows(
        "SELECT DISTINCT primary_school_external_id FROM users WHERE external_id IN"
        " (SELECT 'S' || dcid FROM ps.students WHERE enroll_status = -1)"
    )
    gone = roster.rows(
        "FROM users WHERE external_id IN"
        " (SELECT 'S' || dcid FROM ps.students WHERE enroll_status NOT IN (0, -1))"
    )

    assert waiting == [DISTRICT]
    assert gone == []


@pytest.mark.parametrize(
    ("digits", "school", "grades"),
    [
        (345, 2001, ["03", "04", "05"]),
        (678, 1003, ["06", "07", "08"]),
        (1112, 5, ["11", "12"]),
        (12, 5, ["12"]),
        (0, 2005, ["KG"]),
        (-2, 2005, ["PR"]),
        (10, 1003, None),
    ],
)
def test_a_sections_grades_are_read_from_the_digits_of_the_range(
    roster: Roster, digits: int, school: int, grades: list[str] | None
) -> None:
    found = roster.rows(
        "SELECT DISTINCT grades FROM classes WHERE external_id IN (SELECT CAST(id AS"
        f" VARCHAR) FROM ps.sections WHERE grade_level = {digits}"
        f" AND schoolid = {school} AND termid BETWEEN 3500 AND 3599)"
    )

    assert [text and json.loads(text) for text in found] == [grades]


def test_one_person_leads_sections_at_two_schools(roster: Roster) -> None:
    schools = roster.rows(
        "SELECT DISTINCT school_external_id FROM enrollments"
        " WHERE user_external_id = 'T8020' AND role = 'teacher' ORDER BY 1"
    )
    roles = json.loads(
        roster.one("SELECT roles FROM users WHERE external_id = 'T8020'")
    )

    assert schools == ["2001", "5"]
    assert [(r["school_external_id"], r["role"]) for r in roles] == [
        ("2001", "teacher"),
        ("5", "teacher"),
    ]


def test_a_lead_without_a_row_of_sectionteacher_is_added(roster: Roster) -> None:
    added = roster.rows(
        "SELECT external_id, class_external_id, role, is_primary FROM enrollments"
        " WHERE starts_with(external_id, 'L')"
    )

    assert len(added) == 1
    [(external_id, section, role, is_primary)] = added
    assert (external_id, role, is_primary) == (f"L{section}", "teacher", True)


def test_a_helper_who_left_keeps_the_days(roster: Roster) -> None:
    ended = roster.rows(
        "SELECT role, is_primary, begin_date, end_date FROM enrollments"
        " WHERE starts_with(external_id, 'T') AND end_date IS NOT NULL"
    )

    day = (dt.date(2025, 7, 1), dt.date(2025, 8, 1))
    assert ended == [("teacher", False, *day)] * 10


def test_aides_and_coteachers_come_by_the_sections_roles(roster: Roster) -> None:
    found = dict(
        roster.rows(
            "SELECT role || coalesce(' ' || is_primary, ''), count(*) FROM enrollments"
            " WHERE starts_with(external_id, 'T') GROUP BY 1"
        )
    )

    assert found.keys() == {"teacher true", "teacher false", "aide"}
    assert found["teacher true"] > 1_200 and found["aide"] > 50


def test_a_section_whose_lead_is_not_staff_has_no_teacher(roster: Roster) -> None:
    alone = roster.rows(
        "SELECT external_id FROM findings WHERE code = 'powerschool.teacher_left_out'"
    )

    assert len(alone) == 2
    for section in alone:
        primary = roster.one(
            "SELECT primary_teacher_external_id FROM classes"
            f" WHERE external_id = '{section}'"
        )
        assert primary is None


def test_staff_are_those_with_an_email_who_are_current_somewhere(
    roster: Roster,
) -> None:
    found = set(
        roster.rows("SELECT external_id FROM users WHERE starts_with(external_id, 'T')")
    )

    assert {"T8001", "T8020", "T8022", "T8023", "T8024"} <= found
    # Blank e-mail, inactive, STATUS 0, STATUS NULL, a ghost account.
    assert not {"T8052", "T8060", "T8061", "T8062", "T139"} & found


def test_homerooms_are_told_by_the_course_number(roster: Roster) -> None:
    found = roster.rows(
        "SELECT DISTINCT class_type, starts_with(name, 'Homeroom') FROM classes ORDER BY 1"
    )

    assert found == [("homeroom", True), ("scheduled", False)]


@pytest.mark.long
def test_without_a_domain_students_have_no_email_and_out_of_term_nothing_is_due(
    roster: Roster, tmp_path: Path
) -> None:
    (tmp_path / "w").mkdir()
    made = staged(roster.raw, tmp_path / "w", settings(student_email_domain=None))
    out_of_term = prepare(roster.raw, settings(dt.date(2030, 1, 1)), tmp_path)

    emails = roster.rows(
        f"SELECT DISTINCT email FROM '{made.rows_file('users')}'"
        " WHERE starts_with(external_id, 'S')"
    )
    assert emails == [None]
    assert not out_of_term.is_in_term
    assert set(roster.raw) == set(RAW_COLLECTIONS)
