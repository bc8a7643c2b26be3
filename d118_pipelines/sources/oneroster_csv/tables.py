"""The column tables of OneRoster CSV, read from `tables.yaml`.

Called by the modules that compare a set with them (`headers.py`, `file_set.py`). Rule:
docs/reference/oneroster_csv.md, files and columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from d118_pipelines.config.yaml_files import shipped_yaml

# What a pull writes, in this order; file names without `.csv`.
COLLECTIONS = (
    "orgs",
    "academicSessions",
    "courses",
    "classes",
    "users",
    "roles",
    "enrollments",
    "demographics",
)
KEY = "sourcedId"
STATUS = "status"
MODIFIED = "dateLastModified"
VERSIONS = ("1.1", "1.2", "1.2.1")


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    name: str
    is_required: bool = False
    is_required_in_delta: bool = False
    is_list: bool = False


@dataclass(frozen=True, slots=True)
class Need:
    """A file that another one needs; with `column`, only when that has a value."""

    file: str
    column: str | None


def files_of(version: str) -> list[str]:
    """The data files of a version, without `.csv`, in the order of its manifest."""
    files: str = _document()["files"][version[:3]]
    return files.split()


def table_of(file: str, version: str) -> Sequence[Column] | None:
    """The columns of a file in order; None for files that are not read."""
    document = _document()
    if file not in document["tables"]:
        return None
    text = document["tables"][file]
    if file == "users":
        text = document["users"].get(version, text)
    return _columns(text)


def stored_columns(collection: str) -> list[str]:
    """The columns of all versions; a pull writes them all, `password` never."""
    names: dict[str, None] = {}
    for version in VERSIONS:
        for column in table_of(collection, version) or ():
            names[column.name] = None
    return [name for name in names if name != "password"]


def list_columns(file: str) -> set[str]:
    """Columns that hold lists in any version."""
    tables = (table_of(file, version) or () for version in VERSIONS)
    return {c.name for table in tables for c in table if c.is_list}


def needs_of(file: str, version: str) -> list[Need]:
    """What a bulk file needs; roles are asked for where the version has them."""
    found = []
    for word in _document()["needs"].get(file, "").split():
        name, _, column = word.partition(":")
        if name in files_of(version):
            found.append(Need(name, column or None))
    return found


def _columns(text: str) -> list[Column]:
    columns = [
        Column(KEY, is_required=True),
        Column(STATUS, is_required_in_delta=True),
        Column(MODIFIED, is_required_in_delta=True),
    ]
    for word in text.split():
        columns.append(
            Column(word.rstrip("!*"), is_required="!" in word, is_list="*" in word)
        )
    return columns


@cache
def _document() -> Mapping[str, Any]:
    document: Mapping[str, Any] = shipped_yaml(Path(__file__).with_name("tables.yaml"))
    return document
