"""A made-up district with everything that a roster can hold, good and bad.

Not here: how a roster becomes a set (`rosters.py`).
"""

from __future__ import annotations

from typing import Any

from d118_pipelines_tests.targets.oneroster.rosters import (
    Record,
    Roster,
    example,
    role,
)

AIDES = ["ext:staff=aide"]
"""What 1.1 needs as role_map for this district."""


def person(external_id: str, *roles: Record, **more: Any) -> Record:
    """A user with names of its own, at home where the first role is."""
    first: Record = {
        "external_id": external_id,
        "username": f"u{external_id}",
        "first_name": f"Given {external_id}",
        "last_name": f"Family {external_id}",
        "enabled": True,
        "primary_school_external_id": roles[0]["school_external_id"] if roles else None,
        "roles": list(roles),
    }
    return {**first, **more}


def enrolled(external_id: str, user: str, word: str = "student", **more: Any) -> Record:
    """An enrollment in the class of the example."""
    first = {"external_id": external_id, "user_external_id": user, "role": word}
    place = {"class_external_id": "51234", "school_external_id": "S5"}
    dates = {"begin_date": "2026-08-17", "end_date": "2027-01-16"}
    return {**first, **place, **dates, **more}


def school_class(external_id: str, **more: Any) -> Record:
    """A class like that of the example."""
    first = {"external_id": external_id, "name": f"Class {external_id}"}
    place = {"school_external_id": "S5", "course_external_id": "C-812"}
    rest = {"class_type": "scheduled", "term_external_ids": ["D100-3601"]}
    return {**first, **place, **rest, **more}


def district() -> Roster:
    """Two schools, all kinds of people, awkward texts; nothing that is left out of 1.2."""
    roster = example()
    roster["orgs"] += [
        {"external_id": "S6", "name": '  École, "Sainte-Anne"\x07\n', "sis_id": "6"}
        | {"org_type": "school", "parent_external_id": "D100"},
        {
            "external_id": "S5-MATH",
            "name": "Mathe\u0301matiques",
            "org_type": "department",
        }
        | {"parent_external_id": "S5"},
    ]
    roster["terms"] += [
        {"external_id": "D100-3602", "name": "S2", "type": "semester"}
        | {"start_date": "2027-01-16", "end_date": "2027-06-05", "school_year": 2027}
        | {"parent_external_id": "D100-3600"},
        {"external_id": "D100-3500", "name": "2025-26", "type": "schoolYear"}
        | {"start_date": "2025-08-18", "end_date": "2026-06-06", "school_year": 2026},
    ]
    roster["courses"] += [
        {"external_id": "C-900", "name": "Homeroom"},
        {"external_id": "C-813", "name": "Art, advanced", "school_external_id": "S6"}
        | {"subjects": ["Art, fine"], "subject_codes": ["ART"]},
    ]
    roster["classes"] += [
        school_class("51235", school_external_id="S6", course_external_id="C-813")
        | {"term_external_ids": ["D100-3602", "D100-3601"], "periods": ["1, 2", "3"]},
        school_class("51236", class_type="homeroom", course_external_id="C-900"),
        school_class("41000", term_external_ids=["D100-3500"]),
    ]
    roster["users"] += _people()
    roster["enrollments"] += [
        enrolled("E-3", "S-9002", class_external_id="51236"),
        enrolled("E-4", "T-78", "teacher", is_primary=False),
        enrolled("E-5", "S-9003", class_external_id="51235", school_external_id="S6"),
        enrolled("E-6", "T-79", "teacher", class_external_id="51235")
        | {"school_external_id": "S6", "is_primary": True, "end_date": "2026-11-01"},
        enrolled("E-7", "T-78", "teacher", class_external_id="51235")
        | {"school_external_id": "S6", "is_primary": True, "begin_date": "2026-11-01"},
        enrolled("E-8", "S-9001", class_external_id="41000")
        | {"begin_date": "2025-08-18", "end_date": "2026-06-06"},
        enrolled("E-9", "A-1", "administrator", class_external_id="51236"),
    ]
    roster["demographics"] += [{"external_id": "S-9003", "city_of_birth": " Łódź "}]
    return roster


def _people() -> list[Record]:
    return [
        person("S-9002", role("S5", "student"), status="inactive")
        | {"inactive_reason": "disabled", "enabled": False, "middle_name": "Mary Ann"},
        person("S-9003", role("S6", "student"), role("S5", "student"))
        | {
            "last_name": "Nu\u0303ez \u00a0",
            "grades": ["07", "08"],
            "grade_level": "07",
        }
        | {"gender": "other", "agent_external_ids": ["P-2", "P-1"], "username": None}
        | {"student_number": "219003", "preferred_first_name": 'Nu, "N"'}
        | {
            "user_ids": [
                {"type": "lib:card", "identifier": " 12,{3}\u00a0"},
                {"type": "lib:card", "identifier": "123"},
                {"type": "", "identifier": "nothing"},
            ]
        },
        person("T-78", role("S5", "teacher"), role("S6", "teacher")),
        person("T-79", role("S6", "teacher", begin_date="2026-08-01")),
        person(
            "T-80",
            role("S5", "counselor", "staff"),
            role("S5", "teacher", is_primary=False),
            role("S6", "aide", end_date="2026-09-01"),
        ),
        person("A-1", role("D100", "districtAdministrator", "district_admin")),
        person("A-2", role("S6", "principal", "admin"), pronouns="they/them"),
        person("W-1", role("S5", "ext:staff", "staff"), phone="847-555-0100"),
        person("P-1", role("S5", "guardian"), role("S6", "guardian")),
        person("P-2", role("S6", "parent"), sms="847-555-0101"),
        person("P-3", role("S5", "relative")),
    ]
