"""Our files against another program's, row by row and field by field, for a cut-over.

Called by `cli/compare.py`. Pure on bytes; pandas pairs and compares.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from d118_pipelines.targets.model import Format, TargetFile

if TYPE_CHECKING:
    import pandas as pd

BEYOND = "beyond the last column"


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
    paired in file order. Line ends, byte order marks and encodings differ in notes
    only.
    """
    mine, my_notes = _records(ours, layout, file)
    other, notes = _records(theirs, layout, file)
    left, right = _frame(mine, layout, file), _frame(other, layout, file)
    in_both = left.index[left.index.isin(right.index)]
    paired, counterpart = left.loc[in_both], right.loc[in_both]
    differs = (paired != counterpart).to_numpy()
    names = [*(column.header for column in file.columns), BEYOND]
    secret = {column.header for column in file.columns if column.secret}
    return FileComparison(
        file=file.file,
        is_identical=ours == theirs,
        rows_ours=len(mine),
        rows_theirs=len(other),
        same=int((~differs.any(axis=1)).sum()),
        only_ours=_records_outside(left, right),
        only_theirs=_records_outside(right, left),
        fields=[
            FieldDifference(
                in_both[row][0],
                names[column],
                *(
                    ("(secret)", "(another value)")
                    if names[column] in secret
                    else (paired.iat[row, column], counterpart.iat[row, column])
                ),
            )
            for row, column in zip(*differs.nonzero(), strict=True)
        ],
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


def _frame(rows: list[list[str]], layout: Format, file: TargetFile) -> pd.DataFrame:
    """A row per record, by match value and its occurrence; one more column for too many
    fields. Columns are numbered, because headers may repeat."""
    import pandas as pd  # heavy, and never in a run

    headers = [column.header for column in file.columns]
    # A secret would name no record, and be shown as its name.
    open_ones = [column.header for column in file.columns if not column.secret]
    size, most = len(headers), len(headers) + layout.trailing_delimiter
    cells = [
        [
            *row[:size],
            *[""] * (size - len(row)),
            "more fields" if len(row) > most else "",
        ]
        for row in rows
    ]
    frame = pd.DataFrame(cells, columns=range(size + 1), dtype="str")
    first, *more = (headers.index(key) for key in file.match_by or open_ones[:1])
    record = frame[first].str.cat([frame[place] for place in more], sep="/")
    return frame.set_index([record, record.groupby(record).cumcount()])


def _records_outside(frame: pd.DataFrame, other: pd.DataFrame) -> list[str]:
    return [record for record, _ in frame.index[~frame.index.isin(other.index)]]
