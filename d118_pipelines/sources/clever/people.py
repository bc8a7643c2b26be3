"""People of both versions in the shape of v3, without what no target asks for.

Called by `source.py`: which lists people come in, and the fields that are not kept.
Rule: docs/reference/clever_api.md, users.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Role of v3 -> the list of v2 that holds these people.
V2_LISTS = {
    "student": "students",
    "teacher": "teachers",
    "staff": "school_admins",
    "district_admin": "district_admins",
    "contact": "contacts",
}
# What v3 keeps on the person, outside of the roles.
_OF_THE_PERSON = ("id", "district", "email", "name", "created", "last_modified")
# Sensitive and asked for by no target; they do not even reach the raw extract.
NOT_KEPT = {
    *("dob", "gender", "race", "hispanic_ethnicity", "home_language"),
    *("home_language_code", "ell_status", "frl_status", "iep_status"),
    *("section_504_status", "gifted_status", "disability", "disability_code"),
    *("disability_type", "location", "ext"),
}


def wanted_roles(with_contacts: bool) -> list[str]:
    """The roles that are read, each with a cursor of its own."""
    return [role for role in V2_LISTS if with_contacts or role != "contact"]


def from_v2(record: Mapping[str, Any], role: str) -> dict[str, Any]:
    """The v2 object of one person as the v3 object with one role."""
    person = {key: record[key] for key in _OF_THE_PERSON if key in record}
    own = {k: v for k, v in record.items() if k not in _OF_THE_PERSON}
    if role == "contact":
        # One text in v2; v3 has the whole name of a contact in `last`.
        person["name"] = {"last": record.get("name")}
        own["student_relationships"] = [
            {
                "student": student,
                "relationship": record.get("relationship"),
                "type": record.get("type"),
            }
            for student in _list(record.get("students"))
        ]
    return {**person, "roles": {role: own}}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def kept(record: Mapping[str, Any]) -> dict[str, Any]:
    """The v3 object without the fields that are not kept."""
    roles = record.get("roles")
    if not isinstance(roles, Mapping):
        return dict(record)
    slim = {
        role: {k: v for k, v in own.items() if k not in NOT_KEPT}
        if isinstance(own, Mapping)
        else own
        for role, own in roles.items()
    }
    return {**record, "roles": slim}
