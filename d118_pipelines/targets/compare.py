"""Our files against another program's, row by row and field by field, for a cut-over.

Belongs here: parsing both by the target's format and pairing records. Pure on bytes.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field

from d118_pipelines.targets.model import Format, TargetFile


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """One field of a paired record that differs."""

    record: str
    column: str
    ours: str
    theirs: str


@dataclass(frozen=True, slots=True)
class FileComparison:
    """How two versions of one file differ. Records are named by the match columns."""

    file: str
    is_identical: bool
    rows_ours: int
    rows_theirs: int
    same: int
    only_ours: list[str] = field(default_factory=list)
    only_theirs: list[str] = field(default_factory=list)
    fields: list[FieldDifference] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def has_differences(self) -> bool:
        """Whether any record or field differs (line ends and encoding are notes)."""
        return bool(self.only_ours or self.only_theirs or self.fields)


def compare_file(
    file: TargetFile, layout: Format, ours: bytes, theirs: bytes
) -> FileComparison:
    """Compare two versions of one file.

    Records are paired by `match_by` (default: the first column); equal match values are
    paired in file order. Line ends, byte order marks and encodings differ in notes only.
    """
    mine, my_notes = _records(ours, layout, file)
    other, notes = _records(theirs, layout, file)
    names = [column.header for column in file.columns]
    keys = file.match_by or names[:1]
    my_index, their_index = _indexed(mine, names, keys), _indexed(other, names, keys)
    differences = [
        FieldDifference(key[0], column, a, b)
        for key in my_index
        if key in their_index
        for column, a, b in _fields(names, my_index[key], their_index[key])
    ]
    changed = {difference.record for difference in differences}
    paired = [key for key in my_index if key in their_index]
    return FileComparison(
        file=file.file,
        is_identical=ours == theirs,
        rows_ours=len(mine),
        rows_theirs=len(other),
        same=sum(key[0] not in changed for key in paired),
        only_ours=[key[0] for key in my_index if key not in their_index],
        only_theirs=[key[0] for key in their_index if key not in my_index],
        fields=differences,
        notes=[f"theirs: {note}" for note in notes if note not in my_notes]
        + [f"ours: {note}" for note in my_notes if note not in notes],
    )


def _records(
    data: bytes, layout: Format, file: TargetFile
) -> tuple[list[list[str]], list[str]]:
    """The records without header and trailing field, and what is special in the bytes."""
    notes = []
    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
        notes.append("begins with a byte order mark")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
        notes.append("is not UTF-8, read as cp1252")
    notes.append("lines end with CRLF" if "\r\n" in text else "lines end with LF")
    if layout.quoting == "none":
        lines = text.replace("\r\n", "\n").split("\n")
        rows = [line.split(layout.delimiter) for line in lines if line]
    else:
        stream = io.StringIO(text, newline="")
        rows = list(csv.reader(stream, delimiter=layout.delimiter))
    header = rows.pop(0) if layout.header and rows else None
    wanted = [column.header for column in file.columns]
    if header is not None and [h for h in header if h] != wanted:
        notes.append("has another header")
    odd = sum(len(row) != len(wanted) + layout.trailing_delimiter for row in rows)
    if odd:
        notes.append(f"has {odd} lines with another number of fields")
    return rows, notes


def _indexed(
    rows: list[list[str]], names: list[str], keys: list[str]
) -> dict[tuple[str, int], list[str]]:
    """Records by match value and its occurrence, in file order."""
    places = [names.index(key) for key in keys]
    index: dict[tuple[str, int], list[str]] = {}
    seen: dict[str, int] = {}
    for row in rows:
        key = "/".join(row[p] if p < len(row) else "" for p in places)
        seen[key] = seen.get(key, 0) + 1
        index[key, seen[key]] = row
    return index


def _fields(
    names: list[str], mine: list[str], other: list[str]
) -> list[tuple[str, str, str]]:
    padded = [*other, *[""] * (len(names) - len(other))]
    found = [
        (name, a, b) for name, a, b in zip(names, mine, padded, strict=False) if a != b
    ]
    if len(other) > len(mine):
        found.append(("beyond the last column", "", "more fields"))
    return found
