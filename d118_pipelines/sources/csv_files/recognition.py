"""What a file is, and which of its columns are wanted: from its header and its name.

Called by `opened.py`; the patterns and aliases are in `mappings/csv.yaml`. Rule:
docs/reference/csv_files.md, recognition and columns.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from d118_pipelines.errors import IncompleteExtractError
from d118_pipelines.kernel.finding import Findings
from d118_pipelines.sources.csv_files.rules import (
    CollectionName,
    CsvRules,
    FileType,
    FormatDetection,
)


@dataclass(frozen=True, slots=True)
class Layout:
    """How the rows of one file are to be read.

    header: normalised names. places: canonical column -> its cell.
    implied_role: role of every row that has none of its own.
    """

    type: FileType
    collection: CollectionName
    header: tuple[str, ...]
    places: dict[str, int]
    implied_role: str | None


def normalised(name: str) -> str:
    """A header's name as it is compared: lower case, blanks and hyphens as underscores."""
    return re.sub(r"[\s-]+", "_", name.strip()).lower()


def find_type(
    file: str, header: Sequence[str], rules: CsvRules, explicit: FileType | None
) -> FileType:
    """The type of a file: as configured, else by its header, else by its name.

    header: normalised. Raises: IncompleteExtractError (csv.unknown_file).
    """
    patterns = rules.format_detection.user_patterns
    by_pattern = (p.type for p in patterns if set(p.columns) <= set(header))
    found = explicit or next(by_pattern, None) or _by_columns(file, header, rules)
    found = found or _by_name(file, rules)
    if found is None:
        raise IncompleteExtractError(
            f"FAILED csv.unknown_file  It is not clear what {file} is.",
            where=f"{file}, header",
            rule="a header or a file name that mappings/csv.yaml knows",
            not_done="Nothing of this pull was stored.",
            next_step=f"Rename {file} or its columns as in examples/csv/, or name it "
            "under `files` of the provider in config/providers.yaml.",
        )
    return found


def match_columns(
    file: str, type_: FileType, header: Sequence[str], rules: FormatDetection
) -> Layout:
    """Give every canonical column its cell: the canonical name wins, then the first alias.

    Raises: IncompleteExtractError (csv.header_missing) naming the columns that lack.
    """
    name = collection_of(type_)
    places = _places(header, rules.columns[name])
    role = "student" if type_ == "students" else None
    if name == "enrollments" and "user_id" in places:
        role = rules.implied_roles.get(header[places["user_id"]])
    required = set(rules.required_columns[name]) - ({"role"} if role else set())
    if missing := sorted(required - set(places)):
        raise IncompleteExtractError(
            f"FAILED csv.header_missing  {file} has no column {', '.join(missing)}.",
            where=f"{file}, header",
            rule=f"a file of {type_} needs: {', '.join(sorted(required))} (or an alias)",
            not_done="Nothing of this pull was stored.",
            next_step=f"Add the column; examples/csv/{name}_template.csv shows all.",
        )
    return Layout(type_, name, tuple(header), places, role)


def report_header(
    findings: Findings,
    file: str,
    line: int,
    raw: Sequence[str],
    layout: Layout,
    rules: FormatDetection,
) -> None:
    """Note what a person should know about the header; nothing of it stops the file."""
    used = set(layout.places.values())
    columns = rules.columns[layout.collection]
    known = {s for name, aliases in columns.items() for s in (name, *aliases)}
    for place, (name, plain) in enumerate(zip(raw, layout.header, strict=True)):
        shown = plain or f"#{place + 1}"
        if place in used and name.strip() != plain:
            findings.add("csv.header_case", "warn", file, line=line, field=shown)
        elif place not in used and plain in known:
            findings.add("csv.column_ignored", "warn", file, line=line, field=shown)
        elif place not in used:
            findings.add("csv.column_unknown", "info", file, line=line, field=shown)


def collection_of(type_: FileType) -> CollectionName:
    """The collection that a file of the type becomes part of."""
    return "users" if type_ == "students" else type_


def _places(header: Sequence[str], columns: dict[str, list[str]]) -> dict[str, int]:
    places = {}
    for name, aliases in columns.items():
        spelling = next((s for s in (name, *aliases) if s in header), None)
        if spelling is not None:
            places[name] = header.index(spelling)
    return places


def _by_columns(file: str, header: Sequence[str], rules: CsvRules) -> FileType | None:
    """The collection whose required columns are there.

    Several may fit: a header with first and last names is of people, whatever else it
    has; then the name of the file decides, then the collection with more required
    columns. A class with a teacher is no enrollment.
    """
    detection = rules.format_detection
    fits: list[CollectionName] = [
        name for name in detection.required_columns if _fits(name, header, detection)
    ]
    users = _places(header, detection.columns["users"])
    if {"first_name", "last_name"} <= set(users):
        fits = [name for name in fits if name in ("users", "enrollments")]
    by_name = _by_name(file, rules)
    if by_name in fits:
        return by_name
    if {"classes", "enrollments"} <= set(fits):
        is_roster = bool({"user_id", "student_id"} & set(header))
        return "enrollments" if is_roster else "classes"
    order: list[CollectionName] = ["enrollments", "classes", "schools", "users"]
    return next((name for name in order if name in fits), None)


def _fits(name: CollectionName, header: Sequence[str], rules: FormatDetection) -> bool:
    places = _places(header, rules.columns[name])
    present = set(places)
    if name == "enrollments" and "user_id" in places:
        present |= (
            {"role"} if header[places["user_id"]] in rules.implied_roles else set()
        )
    return set(rules.required_columns[name]) <= present


def _by_name(file: str, rules: CsvRules) -> CollectionName | None:
    plain = file.lower()
    for name, patterns in rules.file_patterns.items():
        if any(fnmatchcase(plain.removesuffix(".csv"), p) for p in patterns):
            return name
    return None
