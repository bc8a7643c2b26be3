"""The words that the roster model knows, and the spellings that are read as them.

Read by the rules of `staging/`, whose SQL is in `transforms.py`; the words of one provider
are in its mapping file. Rule: docs/reference/roster_model.md, vocabularies.
"""

from __future__ import annotations

from d118_pipelines.roster.model.entities import ENROLLMENT_ROLES

# entity.field -> its words. Extension words (`ext:` and a token) are kept where allowed.
ENUMS: dict[str, list[str]] = {
    "orgs.org_type": ["department", "school", "district", "local", "state", "national"],
    "terms.type": ["gradingPeriod", "semester", "schoolYear", "term"],
    "classes.class_type": ["homeroom", "scheduled"],
    "users.gender": ["male", "female", "unspecified", "other"],
    "enrollments.role": ENROLLMENT_ROLES,
}
EXTENSIBLE = {"orgs.org_type", "terms.type", "classes.class_type", "users.gender"}

GENDER_ALIASES = {"m": "male", "f": "female", "x": "other", "u": "unspecified"}
# The role words of OneRoster 1.2, and the one written for a role that came otherwise.
STANDARD_ROLES = [
    *["aide", "counselor", "districtAdministrator", "guardian", "parent", "principal"],
    *["proctor", "relative", "siteAdministrator", "student", "systemAdministrator"],
    "teacher",
]
WRITTEN_ROLES = {
    "admin": "siteAdministrator",
    "district_admin": "districtAdministrator",
    "staff": "ext:staff",
}

# Words of a status column. The second group retires the record.
LIVE_WORDS = ["active"]
DELETED_WORDS = ["tobedeleted", "deleted"]
INACTIVE_WORDS = ["inactive"]  # read as tobedeleted, with a warning
TRUE_WORDS = ["true", "yes", "y", "t", "1"]
FALSE_WORDS = ["false", "no", "n", "f", "0"]

_NUMBERED = [f"{number:02}" for number in range(1, 14)]
GRADES = ["IT", "PR", "PK", "TK", "KG", *_NUMBERED, "PS", "UG", "Other"]

_ORDINALS = [
    *("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"),
    *("ninth", "tenth", "eleventh", "twelfth"),
]


def _suffixed(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number, "th")
    return f"{number}{ending}"


def grade_aliases() -> dict[str, str]:
    """Spelling (lower case, without blanks and underscores) -> grade code."""
    aliases = {
        **dict.fromkeys(["it", "infanttoddler", "infant/toddler"], "IT"),
        **dict.fromkeys(["pr", "preschool", "-2"], "PR"),
        **dict.fromkeys(["pk", "prek", "pre-k", "prekindergarten", "-1"], "PK"),
        "pre-kindergarten": "PK",
        **dict.fromkeys(["tk", "transitionalkindergarten"], "TK"),
        **dict.fromkeys(["kg", "k", "kindergarten", "0", "00"], "KG"),
        **dict.fromkeys(["ps", "postgraduate", "pg", "postsecondary"], "PS"),
        **dict.fromkeys(["ug", "ungraded"], "UG"),
        **dict.fromkeys(["freshman", "freshmen"], "09"),
        "other": "Other",
        "sophomore": "10",
        "junior": "11",
        "senior": "12",
    }
    for number, code in enumerate(_NUMBERED, start=1):
        aliases[str(number)] = aliases[code] = aliases[_suffixed(number)] = code
        aliases[f"grade{number}"] = aliases[f"{_suffixed(number)}grade"] = code
    for number, word in enumerate(_ORDINALS, start=1):
        aliases[word] = aliases[f"{word}grade"] = f"{number:02}"
    return aliases
