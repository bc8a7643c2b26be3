"""Rosters drawn by chance that a OneRoster set can carry in full.

Every reference leads somewhere, so that a set of it holds all of it. What a version has
no place for is not drawn: docs/reference/oneroster_export.md, what a set carries.
"""

from __future__ import annotations

import unicodedata
from typing import Any

from hypothesis import strategies as st

from d118_pipelines.roster.model.vocabulary import PLACEHOLDERS
from d118_pipelines_tests.targets.oneroster.rosters import Record, Roster, role

GRADES = ["IT", "PR", "PK", "TK", "KG", "01", "09", "12", "13", "PS", "UG", "Other"]
ROLES_1_2 = {
    "student": "student",
    "teacher": "teacher",
    "aide": "aide",
    "proctor": "proctor",
    "siteAdministrator": "admin",
    "principal": "admin",
    "districtAdministrator": "district_admin",
    "systemAdministrator": "staff",
    "counselor": "staff",
    "parent": "parent",
    "guardian": "guardian",
    "relative": "relative",
}
ROLES_1_1 = ["student", "teacher", "aide", "proctor", "parent", "guardian", "relative"]
SCHOOLS = ["S5", "S/6", "s.7"]
YEAR = ("2026-08-17", "2027-06-05")
HALF = ("2026-08-17", "2027-01-16")

# A text that stands for nothing, as "-", is blank in every roster.
texts = (
    st.text("aZ9 ,\"'-é漢;|{}", min_size=1, max_size=12)
    .map(lambda t: unicodedata.normalize("NFC", t).strip())
    .filter(lambda t: t and t.lower() not in PLACEHOLDERS)
)
words = st.text("aZ9é ", min_size=1, max_size=6).map(str.strip).filter(bool)
maybe = st.none() | texts
emails = st.none() | st.text("aZ9'-+é漢|{}", min_size=1, max_size=12).map(
    lambda t: f"{unicodedata.normalize('NFC', t)}@d118.example"
)
grade_lists = st.lists(st.sampled_from(GRADES), max_size=3, unique=True)
flags = st.none() | st.booleans()


@st.composite
def subjects(draw: st.DrawFn) -> Record:
    """Subjects with a code each, and what is derived from them."""
    names = draw(st.lists(words, max_size=2))
    codes = [draw(words) for _ in names]
    grades = draw(grade_lists)
    return {
        "subjects": names or None,
        "subject_codes": codes or None,
        "subject": names[0] if names else None,
        "grades": grades or None,
        "grade_level": grades[0] if grades else None,
    }


@st.composite
def rosters(draw: st.DrawFn, version: str) -> Roster:
    """A small roster; the identifiers of two of them are partly the same."""
    roster: Roster = {"orgs": _orgs(draw), "terms": _terms(draw)}
    roster["courses"] = [
        {"external_id": f"C{n}", "name": draw(texts), "course_code": draw(maybe)}
        | {"school_external_id": draw(st.sampled_from(["D100", *SCHOOLS[:2]]))}
        | {"school_year_external_id": draw(st.sampled_from([None, "Y"]))}
        | draw(subjects())
        for n in draw(st.sets(st.integers(1, 4), min_size=1, max_size=3))
    ]
    courses = [course["external_id"] for course in roster["courses"]]
    roster["classes"] = [
        _school_class(draw, n, courses)
        for n in draw(st.sets(st.integers(1, 5), min_size=1, max_size=3))
    ]
    roster["users"] = [
        _user(draw, n, version)
        for n in draw(st.sets(st.integers(1, 9), min_size=2, max_size=6))
    ]
    _relate(draw, roster)
    roster["demographics"] = [
        _demographics(draw, user)
        for user in roster["users"]
        if user["birth_date"] or user["gender"] or draw(st.booleans())
    ]
    roster["enrollments"] = _enrollments(draw, roster)
    return roster


def _orgs(draw: st.DrawFn) -> list[Record]:
    first = {"external_id": "D100", "name": draw(texts), "org_type": "district"}
    rest = [
        {"external_id": s, "name": draw(texts), "org_type": "school"}
        | {"parent_external_id": draw(st.sampled_from([None, "D100"]))}
        | {"sis_id": draw(maybe)}
        for s in SCHOOLS
    ]
    return [first, *rest]


def _terms(draw: st.DrawFn) -> list[Record]:
    years = {"school_year": 2027}
    kind = draw(st.sampled_from(["semester", "term", "gradingPeriod"]))
    return [
        {"external_id": "Y", "name": draw(texts), "type": "schoolYear", **years}
        | {"start_date": YEAR[0], "end_date": YEAR[1]},
        {"external_id": "H", "name": draw(texts), "type": kind, **years}
        | {"start_date": HALF[0], "end_date": HALF[1]}
        | {"parent_external_id": draw(st.sampled_from([None, "Y"]))},
    ]


def _school_class(draw: st.DrawFn, number: int, courses: list[str]) -> Record:
    periods = draw(st.lists(words, max_size=2, unique=True))
    return {
        "external_id": f"K{number}",
        "name": draw(texts),
        "class_code": draw(maybe),
        "class_type": draw(st.sampled_from(["scheduled", "homeroom"])),
        "room": draw(maybe),
        "school_external_id": draw(st.sampled_from(SCHOOLS)),
        "course_external_id": draw(st.sampled_from(courses)),
        "term_external_ids": draw(st.sampled_from([["H"], ["Y"], ["H", "Y"]])),
        "periods": periods or None,
        "period": periods[0] if periods else None,
        **draw(subjects()),
    }


def _user(draw: st.DrawFn, number: int, version: str) -> Record:
    numbers = draw(st.sets(st.sampled_from(["studentNumber", "staffId", "stateId"])))
    ids = {name: f"{name[:3]}-{number}" for name in sorted(numbers)}
    identifier = draw(st.sampled_from([None, f"N{number}"]))
    grades = draw(grade_lists)[: 3 if version == "1.2.1" else 1]
    is_disabled = draw(st.booleans())
    user: Record = {
        "external_id": f"U{number}",
        "status": "inactive" if is_disabled else "active",
        "inactive_reason": "disabled" if is_disabled else None,
        "enabled": not is_disabled,
        "identifier": identifier,
        "student_number": ids.get("studentNumber", identifier),
        "staff_id": ids.get("staffId"),
        "state_id": ids.get("stateId"),
        "user_ids": [{"type": t, "identifier": i} for t, i in ids.items()] or None,
        "grades": grades or None,
        "grade_level": grades[0] if grades else None,
        "birth_date": draw(st.sampled_from([None, "2011-05-03"])),
        "gender": draw(st.sampled_from(_genders(version))),
        "roles": _roles(draw, version),
    }
    for name in ("username", "first_name", "last_name"):
        user[name] = draw(texts)
    user["email"] = draw(emails)
    for name in ("middle_name", "phone", "sms"):
        user[name] = draw(maybe)
    if version != "1.1":
        for name in ("preferred_first_name", "preferred_middle_name", "pronouns"):
            user[name] = draw(maybe)
        user["preferred_last_name"] = draw(maybe)
        user["master_identifier"] = draw(maybe)
    homes = [entry["school_external_id"] for entry in user["roles"]]
    user["primary_school_external_id"] = draw(st.sampled_from(homes))
    return user


def _genders(version: str) -> list[str | None]:
    every = [None, "male", "female", "unspecified", "other", "ext:own"]
    return every[:3] if version == "1.1" else every


def _roles(draw: st.DrawFn, version: str) -> list[Record]:
    """Sorted by school and word, as in the roster."""
    places = sorted(draw(st.sets(st.sampled_from(["D100", *SCHOOLS]), min_size=1)))
    if version == "1.1":
        word = draw(st.sampled_from([*ROLES_1_1, "administrator"]))
        return [_role_1_1(place, word) for place in places]
    found = []
    for place in places:
        listed = sorted(draw(st.sets(st.sampled_from(list(ROLES_1_2)), min_size=1)))[:2]
        primary = draw(st.sampled_from(listed))
        for word in listed:
            dates = {"begin_date": draw(st.sampled_from([None, "2026-08-01"]))}
            dates["end_date"] = draw(st.sampled_from([None, "2027-07-01"]))
            more: dict[str, Any] = {"is_primary": word == primary, **dates}
            found.append(role(place, word, ROLES_1_2[word], **more))
    return found


def _role_1_1(place: str, word: str) -> Record:
    """1.1 has one word for administrators; the org tells of which kind."""
    if word != "administrator":
        return role(place, word)
    if place == "D100":
        return role(place, "districtAdministrator", "district_admin")
    return role(place, "siteAdministrator", "admin")


def _relate(draw: st.DrawFn, roster: Roster) -> None:
    """Guardians of students; a contact that a student names stays with it."""
    people = roster["users"]
    keys = [user["external_id"] for user in people]
    for user in people:
        if any(entry["role"] == "student" for entry in user["roles"]):
            others = [key for key in keys if key != user["external_id"]]
            chosen = draw(st.sets(st.sampled_from(others), max_size=2))
            user["agent_external_ids"] = sorted(chosen) or None


def _demographics(draw: st.DrawFn, user: Record) -> Record:
    names = [
        *("american_indian_or_alaska_native", "asian", "black_or_african_american"),
        *("native_hawaiian_or_other_pacific_islander", "white"),
        *("demographic_race_two_or_more_races", "hispanic_or_latino_ethnicity"),
    ]
    places = ["country_of_birth_code", "state_of_birth_abbreviation", "city_of_birth"]
    found: Record = {"external_id": user["external_id"]}
    found |= {name: draw(flags) for name in names}
    return found | {n: draw(maybe) for n in [*places, "public_school_residence_status"]}


def _enrollments(draw: st.DrawFn, roster: Roster) -> list[Record]:
    """At most one for each user and class, with a role that the user has."""
    found, taught = [], set()
    for user in roster["users"]:
        models = {entry["role"] for entry in user["roles"]}
        may = ["administrator", "proctor"]
        may += ["student"] if "student" in models else []
        staff = models - {"student", "parent", "guardian", "relative"}
        may += ["teacher"] if staff else []
        for one in roster["classes"]:
            if not draw(st.booleans()):
                continue
            word, key = draw(st.sampled_from(may)), one["external_id"]
            primary = draw(flags) if word == "teacher" else None
            primary = False if primary and key in taught else primary
            if primary:
                taught.add(key)
                one["primary_teacher_external_id"] = user["external_id"]
            dates = draw(st.sampled_from([(None, None), HALF, (None, "2026-12-01")]))
            found.append(
                {"external_id": f"E-{user['external_id']}-{key}", "role": word}
                | {"user_external_id": user["external_id"], "is_primary": primary}
                | {"class_external_id": key, "begin_date": dates[0]}
                | {"school_external_id": one["school_external_id"]}
                | {"end_date": dates[1]}
            )
    return found
