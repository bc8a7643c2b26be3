"""Sets are closed: what lacks something stays out, and so does what depends on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from d118_pipelines.targets.build import Export
from d118_pipelines_tests.targets.oneroster.district import (
    district,
    enrolled,
    person,
    school_class,
)
from d118_pipelines_tests.targets.oneroster.reader import Reading
from d118_pipelines_tests.targets.oneroster.rosters import (
    Exports,
    Roster,
    archive,
    broken,
    exported,
    found,
    role,
)

LONG = "x" * 300


def faulty() -> Roster:
    """The district with one record for each reason to be left out or corrected."""
    roster = district()
    roster["orgs"] += [
        {"external_id": "O-1", "name": " \t", "org_type": "school"},
        {"external_id": "O-2", "name": "Moon", "org_type": "planet"},
        {"external_id": "O-3", "name": LONG, "org_type": "school"}
        | {"parent_external_id": "O-1"},
        {"external_id": "O-4", "name": "Round", "org_type": "local"}
        | {"parent_external_id": "O-4"},
    ]
    roster["terms"] += [
        {"external_id": "Y-1", "name": "Backwards", "type": "term"}
        | {"start_date": "2026-09-01", "end_date": "2026-09-01", "school_year": 2027},
        {"external_id": "Y-2", "name": "Summer", "type": "term", "school_year": 2026}
        | {"start_date": "2026-06-08", "end_date": "2026-09-20"}
        | {"parent_external_id": "GONE"},
    ]
    roster["courses"] += [
        {"external_id": "C-1", "name": "Of nobody", "school_external_id": "O-1"},
        {"external_id": "C-2", "name": "Of a lost year", "grades": ["09", "banana"]}
        | {"school_year_external_id": "D100-3500", "subjects": ["A", "B"]},
        {"external_id": "C-3", "name": "Away", "school_external_id": "GONE"},
    ]
    roster["classes"] += [
        school_class("K-1", course_external_id="C-1"),
        school_class("K-2", course_external_id=None),
        school_class("K-3", course_external_id="GONE"),
        school_class("K-4", term_external_ids=["GONE"]),
        school_class("K-5", school_external_id="D100"),
        school_class("K-6", term_external_ids=["Y-1", "D100-3601"]),
        school_class("K-7", school_external_id="O-2"),
    ]
    roster["users"] += [
        person("U-1", role("S5", "student"), first_name=None),
        person("U-2", role("O-1", "student")),
        person("U-3", role("S5", "student"), role("O-2", "student")),
        person("U-4", role("S5", "student"), role("S6", "ghost"))
        | {"agent_external_ids": ["U-1", "GONE"], "identifier": LONG},
        person("U-5", role("S5", "ghost")),
        person("U-6"),
        person("U-7", role("S5", "guardian")),
        person("U-8", role("S5", "teacher", end_date="2020-01-01"), username=None)
        | {"primary_school_external_id": "S6"}
        | {
            "roles": [
                role("S5", "teacher", begin_date="2026-08-01", end_date="2026-07-01")
            ]
        },
    ]
    roster["users"] += [
        person("U-9", role("S5", "student"), agent_external_ids=["U-7"], last_name=None)
    ]
    roster["enrollments"] += [
        enrolled("N-1", "S-9001", class_external_id="K-2"),
        enrolled("N-2", "U-1"),
        enrolled("N-3", "GONE"),
        enrolled("N-4", "S-9001", class_external_id="GONE"),
        enrolled("N-5", "U-3", "aide"),
        enrolled("N-6", "W-1"),
        enrolled("N-7", "P-1", "teacher"),
        enrolled("N-8", "S-9003", begin_date="2026-10-01", end_date="2026-10-01"),
        enrolled("N-9", "S-9001", begin_date="2026-12-01"),
        enrolled("N-A", "T-80", "teacher", is_primary=True),
        enrolled("N-B", "U-4", begin_date="2026-01-01", end_date="2028-01-01"),
    ]
    return roster


LEFT_OUT = {
    "orgs/O-1": "name: blank",
    "orgs/O-2": "type: not a word of this version",
    "academicSessions/Y-1": "endDate: not after startDate",
    "courses/C-1": "orgSourcedId: O-1 is left out",
    "courses/C-3": "orgSourcedId: not in the roster",
    "classes/K-1": "courseSourcedId: C-1 is left out",
    "classes/K-2": "courseSourcedId: none",
    "classes/K-3": "courseSourcedId: not in the roster",
    "classes/K-4": "termSourcedIds: none in the roster",
    "classes/K-5": "schoolSourcedId: D100 is not of type school",
    "classes/K-7": "schoolSourcedId: O-2 is left out",
    "users/U-1": "givenName: blank",
    "users/U-2": "orgSourcedId: O-1 is left out",
    "users/U-3": "roles.orgSourcedId: O-2 is left out",
    "users/U-6": "roles: none",
    "users/U-8": "endDate: before beginDate",
    "users/U-9": "familyName: blank",
    "enrollments/N-1": "classSourcedId: K-2 is left out",
    "enrollments/N-2": "userSourcedId: U-1 is left out",
    "enrollments/N-3": "userSourcedId: not in the roster",
    "enrollments/N-4": "classSourcedId: not in the roster",
    "enrollments/N-6": "userSourcedId: W-1 is written without the role student",
    "enrollments/N-7": "userSourcedId: P-1 is written without a role of staff",
    "enrollments/N-8": "endDate: not after beginDate",
    "enrollments/N-9": "userSourcedId: the same enrollment as E-1",
}
UNMAPPED = {
    "users/U-4": "role: ghost",
    "users/U-5": "role: ghost",
    "enrollments/N-5": "role: aide",
}
CORRECTED = {
    "orgs.parentSourcedId": "2 not in the set: blank",
    "academicSessions.parentSourcedId": "1 not in the set: blank",
    "courses.schoolYearSourcedId": "1 no school year of the set: blank",
    "courses.grades": "1 not in the vocabulary: left out",
    "courses.subjects": "1 not one code for each subject: both blank",
    "users.username": "1 from e-mail, identifier or sourcedId",
    "users.agentSourcedIds": "2 not in the set: left out",
    "enrollments.beginDate and endDate": "1 cut to the terms of the class",
    "enrollments.primary": "1 a second primary teacher: false",
}


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Export]:
    yield exported(tmp_path_factory.mktemp("faulty"), faulty(), demographics=True)


def of_code(export: Export, code: str) -> dict[str, str]:
    return {key: detail for c, key, detail in found(export) if c == code}


@pytest.mark.long
def test_what_lacks_a_partner_is_left_out_and_named(export: Export) -> None:
    assert of_code(export, "write.left_out") == LEFT_OUT


@pytest.mark.long
def test_roles_without_a_word_are_named(export: Export) -> None:
    assert of_code(export, "write.role_unmapped") == UNMAPPED


@pytest.mark.long
def test_what_was_mended_is_counted(export: Export) -> None:
    assert of_code(export, "write.corrected") == CORRECTED


def test_texts_that_were_cut_are_named(export: Export) -> None:
    assert of_code(export, "write.truncated") == {
        "orgs/O-3": "name",
        "users/U-4": "identifier",
    }


def test_the_rest_is_a_set_that_anybody_reads(export: Export) -> None:
    reading = Reading(archive(export), "1.2.1")

    assert reading.complaints == []
    assert broken(export) == {}
    lost = {key.split("/")[1] for key in {**LEFT_OUT, **UNMAPPED}} - {"U-3", "U-4"}
    for file in ("orgs", "academicSessions", "courses", "classes", "users"):
        assert not reading.ids(file) & lost
    assert {"U-3", "U-4", "S-9001"} <= reading.ids("users")
    assert {"E-1", "N-A", "N-B"} <= reading.ids("enrollments")


def test_a_contact_goes_with_its_students(export: Export) -> None:
    users = Reading(archive(export), "1.2.1").ids("users")

    assert "U-7" not in users  # its only student is left out
    assert {"P-1", "P-2", "P-3"} <= users


def test_dates_are_cut_and_one_teacher_is_primary(export: Export) -> None:
    rows = {
        row["sourcedId"]: row
        for row in Reading(archive(export), "1.2.1").rows["enrollments"]
    }

    assert (rows["N-B"]["beginDate"], rows["N-B"]["endDate"]) == (
        "2026-08-17",
        "2027-01-16",
    )
    assert (rows["E-2"]["primary"], rows["N-A"]["primary"]) == ("true", "false")


@pytest.mark.long
def test_an_identifier_that_does_not_conform_stops_the_set(tmp_path: Path) -> None:
    roster = district()
    roster["users"].append(person("bad id", role("S5", "student")))
    exports = Exports(tmp_path)
    export = exports.make(roster, reads_back=False)
    assert export is not None

    assert set(broken(export)) == {"guard.identifiers_conform"}
    assert "users/bad id" in broken(export)["guard.identifiers_conform"]
    assert of_code(export, "write.bad_guid") == {"users/bad id": ""}

    internal = exports.make(roster, reads_back=False, sourced_id="internal")
    assert internal is not None and broken(internal) == {}


@pytest.mark.long
def test_an_empty_core_stops_the_set(tmp_path: Path) -> None:
    roster = district()
    roster["enrollments"] = []
    export = exported(tmp_path, roster, reads_back=False)

    assert set(broken(export)) == {"guard.core_filled"}
    assert "enrollments.csv" in broken(export)["guard.core_filled"]


@pytest.mark.long
def test_a_class_needs_a_course_of_the_schools_chosen(tmp_path: Path) -> None:
    roster = district()
    roster["classes"].append(school_class("51300", course_external_id="C-813"))
    export = exported(tmp_path, roster, schools=["S5"])

    assert broken(export) == {}
    detail = "courseSourcedId: C-813 is of no school chosen"
    assert of_code(export, "write.left_out") == {"classes/51300": detail}


def test_out_of_term_nothing_is_made(tmp_path: Path) -> None:
    roster = district()
    roster["classes"] = [school_class("41000", term_external_ids=["D100-3500"])]

    assert Exports(tmp_path).make(roster) is None
