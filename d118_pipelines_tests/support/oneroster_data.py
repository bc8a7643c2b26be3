"""A small made-up district in the shapes of OneRoster 1.1 and 1.2.

Belongs here: rows. Not here: the service (oneroster_server.py).
"""

from __future__ import annotations

from typing import Any, Literal

Row = dict[str, Any]
MODIFIED = "2026-10-02T08:30:12.000Z"


def district(
    students: int = 5,
    *,
    version: Literal["1.1", "1.2"] = "1.1",
    with_demographics: bool = False,
) -> dict[str, list[Row]]:
    """One school, one class, one teacher and so many students, in that class."""
    people = [person(number, version=version) for number in range(students)]
    teacher = person(9_000_000, version=version, role="teacher")
    data: dict[str, list[Row]] = {
        "orgs": [
            _row("D1", name="Example District", type="district"),
            _row("S5", name="Oak School", type="school", parent=_ref("org", "D1")),
        ],
        "academicSessions": [
            _row(
                "T1",
                title="2026-27",
                type="schoolYear",
                startDate="2026-08-01",
                endDate="2027-06-01",
                schoolYear="2027",
            )
        ],
        "courses": [
            _row("C1", title="Algebra", courseCode="ALG", org=_ref("org", "D1"))
        ],
        "classes": [
            _row(
                "K1",
                title="Algebra 1",
                classType="scheduled",
                course=_ref("course", "C1"),
                school=_ref("org", "S5"),
                terms=[_ref("academicSession", "T1")],
            )
        ],
        "users": [*people, teacher],
        "enrollments": [_enrollment(row) for row in [*people, teacher]],
    }
    if with_demographics:
        data["demographics"] = [
            _row(row["sourcedId"], birthDate="2012-03-04", sex="female")
            for row in people
        ]
    return data


def person(number: int, *, version: str = "1.1", role: str = "student") -> Row:
    """A user; 1.1 has one role and orgs, 1.2 has roles."""
    row = _row(
        f"U{number:07}",
        enabledUser="true",
        givenName="Given",
        familyName=f"Family{number}",
        email=f"u{number}@d118.example",
        userIds=[{"type": "sis", "identifier": str(number)}],
        password="canary-password",
    )
    if version == "1.1":
        return {
            **row,
            "username": f"u{number}",
            "role": role,
            "orgs": [_ref("org", "S5")],
        }
    entry = {"roleType": "primary", "role": role, "org": _ref("org", "S5")}
    return {**row, "roles": [entry], "primaryOrg": _ref("org", "S5")}


def _enrollment(user: Row) -> Row:
    return _row(
        f"E{user['sourcedId']}",
        role=user.get("role") or user["roles"][0]["role"],
        user=_ref("user", user["sourcedId"]),
        **{"class": _ref("class", "K1")},
        school=_ref("org", "S5"),
        primary="false",
    )


def _row(identifier: str, **fields: Any) -> Row:
    return {
        "sourcedId": identifier,
        "status": "active",
        "dateLastModified": MODIFIED,
        **fields,
    }


def _ref(kind: str, identifier: str) -> Row:
    """A reference; the address is relative, as some services send it."""
    return {"href": f"/{kind}s/{identifier}", "sourcedId": identifier, "type": kind}
