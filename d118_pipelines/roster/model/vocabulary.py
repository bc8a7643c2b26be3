"""The words that the roster model knows, and the spellings that are read as them.

Read by the rules of `staging/`, whose SQL is in `transforms.py`; most are in
`vocabulary.yaml`, those of one provider in its mapping file. Rule:
docs/reference/roster_model.md, vocabularies.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from d118_pipelines.config.yaml_files import shipped_yaml
from d118_pipelines.roster.model.entities import ENROLLMENT_ROLES

_WORDS: dict[str, Any] = shipped_yaml(Path(__file__).with_name("vocabulary.yaml"))
# Extension words (`ext:` and a token) are kept where allowed.
ENUMS: dict[str, list[str]] = {**_WORDS["enums"], "enrollments.role": ENROLLMENT_ROLES}
EXTENSIBLE = {"orgs.org_type", "terms.type", "classes.class_type", "users.gender"}
GENDER_ALIASES: dict[str, str] = _WORDS["gender_aliases"]
STANDARD_ROLES: list[str] = _WORDS["standard_roles"]
WRITTEN_ROLES: dict[str, str] = _WORDS["written_roles"]
# Words of vendors for schools; `School` may follow them. A span of grades is one too.
_SPANS = [
    f"{low}-{high}" for low in ("pk", "k", *range(1, 10)) for high in range(1, 13)
]
ORG_TYPE_ALIASES = dict.fromkeys(_WORDS["district_words"], "district") | {
    spelled.replace(" ", blank): "school"
    for word in [*_WORDS["school_words"], *_SPANS]
    for spelled in (word, f"{word} school")
    for blank in (" ", "", "_", "-")
}
# Texts that stand for nothing; those of the first list are never a person's name, those
# of the last are no e-mail address and no phone number.
NOBODY: list[str] = _WORDS["placeholders"]["never_names"]
PLACEHOLDERS: list[str] = [*NOBODY, *_WORDS["placeholders"]["may_be_names"]]
NO_CONTACTS: list[str] = [*PLACEHOLDERS, *_WORDS["placeholders"]["no_contacts"]]

# Words of a status column. The second group retires the record.
LIVE_WORDS = ["active"]
DELETED_WORDS = ["tobedeleted", "deleted"]
INACTIVE_WORDS = ["inactive"]  # read as tobedeleted, with a warning
TRUE_WORDS = ["true", "yes", "y", "t", "1", "on", "enabled", "active"]
FALSE_WORDS = ["false", "no", "n", "f", "0", "off", "disabled", "inactive"]

_NUMBERED = [f"{number:02}" for number in range(1, 14)]
GRADES = ["IT", "PR", "PK", "TK", "KG", *_NUMBERED, "PS", "UG", "Other"]


def _suffixed(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number, "th")
    return f"{number}{ending}"


def grade_aliases() -> dict[str, str]:
    """Spelling (lower case, without blanks and underscores) -> grade code."""
    spellings = _WORDS["grade_aliases"].items()
    aliases = {word: code for code, words in spellings for word in words}
    for number, code in enumerate(_NUMBERED, start=1):
        aliases[str(number)] = aliases[code] = aliases[_suffixed(number)] = code
        aliases[f"grade{number}"] = aliases[f"{_suffixed(number)}grade"] = code
        aliases[f"gr{number}"] = aliases[f"gr.{number}"] = aliases[f"{number}.0"] = code
    for number, word in enumerate(_WORDS["ordinals"], start=1):
        aliases[word] = aliases[f"{word}grade"] = f"{number:02}"
    return aliases
