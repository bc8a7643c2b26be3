"""The grammar of sources in mapping files: `a.b`, `a[0].b`, `a[type=email].b`, `a[].b`.

Called by `mapping.py`, which reads the file around it; the SQL is made in
`staging/compile.py`. Rule: docs/reference/mapping_files.md, sources.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_TRANSFORMS = (
    "trim lowercase uppercase parseDate nextDay parseInteger parseFloat parseBoolean "
    "gradeCode normalizeGender normalizeRole emailAddress phoneDigits"
)
TRANSFORMS = set(_TRANSFORMS.split())
_STEP = re.compile(
    r"(?P<name>[^\s.\[\]=]+)"
    r"(\[(?:(?P<index>\d+)|(?P<key>[^\s\[\]=.]+)=(?P<text>[^\[\]=]+)|(?P<each>))\])?"
)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a path: a field, and which element of it where it is a list."""

    name: str
    index: int | None = None
    match: tuple[str, str] | None = None
    each: bool = False


Path = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a target's value comes from; `value` is a literal in place of paths."""

    paths: tuple[Path, ...] = ()
    transform: str | None = None
    required: bool = False
    default: str | None = None
    prefix: str = ""
    value: str | None = None
    max_length: int | None = None


# The keys of the long form.
LONG_FORM = {"from", *Source.__slots__} - {"paths"}


def parse_path(text: str) -> Path:
    """Read one path. Raises: ValueError in words."""
    steps, position = [], 0
    while True:
        found = _STEP.match(text, position)
        if not found:
            raise ValueError(f"{text} is not a path such as a.b, a[0].b or a[type=x].b")
        match = (found["key"], found["text"]) if found["key"] else None
        index = int(found["index"]) if found["index"] else None
        steps.append(Step(found["name"], index, match, found["each"] is not None))
        position = found.end()
        if position == len(text):
            break
        if text[position] != ".":
            raise ValueError(f"{text} is not a path: a point is missing after a step")
        position += 1
    if sum(step.each for step in steps) > 1:
        raise ValueError(f"{text} has more than one []")
    return tuple(steps)


def parse_source(given: Any) -> Source:
    """Read a path, a list of paths, or the long form. Raises: ValueError in words."""
    if not isinstance(given, Mapping):
        return Source(_paths(given))
    unknown = sorted(set(given) - LONG_FORM)
    if unknown:
        raise ValueError(f"unknown key {unknown[0]}; known: {_listed(LONG_FORM)}")
    if ("from" in given) == ("value" in given):
        raise ValueError("give either from or value")
    transform = given.get("transform")
    if transform is not None and transform not in TRANSFORMS:
        raise ValueError(f"unknown transform {transform}; known: {_listed(TRANSFORMS)}")
    return Source(
        paths=_paths(given["from"]) if "from" in given else (),
        transform=transform,
        required=_checked(given, "required", bool, False),
        default=_text(given.get("default")),
        prefix=_checked(given, "prefix", str, ""),
        value=_text(given.get("value")),
        max_length=_checked(given, "max_length", int, None),
    )


def _paths(given: Any) -> tuple[Path, ...]:
    listed = given if isinstance(given, list) else [given]
    if not listed or not all(isinstance(text, str) for text in listed):
        raise ValueError("the source must be a path, a list of paths or a mapping")
    return tuple(parse_path(text) for text in listed)


def _checked(given: Mapping[str, Any], key: str, kind: type, default: Any) -> Any:
    value = given.get(key, default)
    if value is not default and type(value) is not kind:
        raise ValueError(f"{key} must be of type {kind.__name__}")
    return value


def _text(value: Any) -> str | None:
    """A literal as a source would send it."""
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))
