"""The collections of a OneRoster service: their paths, keys, order and scopes.

Called by `rest.py` and `classlink.py`; what the fields mean is in
`mappings/oneroster.yaml`. Rule: docs/reference/oneroster_rest.md, collections.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from d118_pipelines.errors import ConfigurationError

Version = Literal["1.1", "1.2"]

DEMOGRAPHICS = "demographics"
# Last part of a path -> key of the list in the answer; in the order of reading.
LIST_KEYS = {
    "orgs": "orgs",
    "schools": "orgs",
    "academicSessions": "academicSessions",
    "terms": "academicSessions",
    "gradingPeriods": "academicSessions",
    "courses": "courses",
    "classes": "classes",
    "users": "users",
    "students": "users",
    "teachers": "users",
    "enrollments": "enrollments",
    DEMOGRAPHICS: DEMOGRAPHICS,
}
PATHS: Mapping[str, str] = {
    "orgs": "/orgs",
    "terms": "/academicSessions",
    "courses": "/courses",
    "classes": "/classes",
    "users": "/users",
    "enrollments": "/enrollments",
}
"""The usual collections; demographics are read where they are wanted."""
_SCOPE = "https://purl.imsglobal.org/spec/or/v1p{minor}/scope/{name}.readonly"


def in_order(paths: Mapping[str, str]) -> dict[str, str]:
    """The same collections, in the order in which a pull reads them.

    Raises: ConfigurationError for a path that is none of the standard's.
    """
    for name, path in paths.items():
        if not path.startswith("/") or _last(path) not in LIST_KEYS:
            raise ConfigurationError(
                f"The path of collection {name} is not one of OneRoster's.",
                where=path,
                rule="one of " + ", ".join(f"/{last}" for last in LIST_KEYS),
                not_done="Nothing was contacted.",
                next_step="Correct `path` in the mapping file.",
            )
    order = list(LIST_KEYS)
    return dict(sorted(paths.items(), key=lambda item: order.index(_last(item[1]))))


def list_key(path: str) -> str:
    """The key under which the answer to this path has its list."""
    return LIST_KEYS[_last(path)]


def scopes(
    version: Version, *, with_demographics: bool
) -> tuple[list[str], str | None]:
    """The scopes to ask for, and the one to ask for when they are not known."""
    minor = version.removeprefix("1.")
    core = _SCOPE.format(minor=minor, name="roster-core")
    if with_demographics:
        return [core, _SCOPE.format(minor=minor, name="roster-demographics")], None
    return [core], _SCOPE.format(minor=minor, name="roster")


def _last(path: str) -> str:
    return path.rsplit("/", 1)[-1]
