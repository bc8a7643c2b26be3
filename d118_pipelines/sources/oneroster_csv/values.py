"""Columns as they are stored: all of them, by name, without outer blanks.

Called by `reading.py` for every table; `modes.py` judges the counts, staging the
values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from d118_pipelines.kernel.arrow_arrays import arrow_array
from d118_pipelines.sources.delimited.splitter import BLANKS
from d118_pipelines.sources.oneroster_csv.tables import (
    MODIFIED,
    STATUS,
    list_columns,
    stored_columns,
)

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from d118_pipelines.sources.oneroster_csv.headers import Layout

LINE = "_line"
USER_IDS = "userIds"
_ODD_LIST = r"(^|,)\s|\s(,|$)|,,|^,|,$"
# What a spreadsheet makes of 202601000000, 2026-08-07 and true.
_EXPONENT = r"(^|,)\d([.,]\d+)?E\+\d+(,|$)"
_SLASHED = r"^\d{1,2}([/.]\d{1,2}[/.]|-[A-Z][a-z]{2}-)(\d\d)?\d\d$"
_UNPADDED = r"^(\d[/.]|\d\d[/.]\d[/.]|\d+-[A-Z])"
_NUMBERS = ("ourcedId", "ourcedIds", "identifier", "Code", "phone", "sms", "username")
_CAPITALS = r"^(TRUE|FALSE)$"
_USER_IDS = r"^\{[^{}:]+:[^{}]+\}(\s*,\s*\{[^{}:]+:[^{}]+\})*$"


@dataclass(slots=True)
class RowCounts:
    """What was counted while a file was read; `filled` has rows with a value, by column."""

    rows: int = 0
    bytes_read: int = 0
    filled: Counter[str] = field(default_factory=Counter)
    with_status_and_date: int = 0
    passwords: int = 0
    trimmed: Counter[str] = field(default_factory=Counter)
    odd_lists: Counter[str] = field(default_factory=Counter)
    odd_user_ids: int = 0
    exponents: Counter[str] = field(default_factory=Counter)
    slashed: Counter[str] = field(default_factory=Counter)
    unpadded: int = 0
    capitals: int = 0


def clean(
    table: pa.Table,
    layout: Layout,
    lines: Sequence[int] | np.ndarray[Any, Any],
    facts: RowCounts,
    file: str,
    has_blanks: bool,
) -> pa.Table:
    """The columns to store, with `_line`; the counts go into `facts`.

    table: columns named by their number in the file. has_blanks: values may have blanks
    around them.
    """
    import pyarrow as pa

    if layout.password_at is not None:
        passwords = table[str(layout.password_at)]
        facts.passwords += table.num_rows - passwords.null_count
    columns = {
        name: _trimmed(table[str(number)], name, facts, has_blanks)
        for name, number in layout.positions.items()
    }
    _count(columns, facts, file)
    nothing = pa.nulls(table.num_rows, pa.string())
    stored = {name: columns.pop(name, nothing) for name in stored_names(file)}
    numbers = arrow_array(lines, pa.int64())
    return pa.table({**stored, **columns, LINE: numbers})


def stored_names(file: str) -> list[str]:
    """The columns of a collection; none for files that are only checked."""
    return stored_columns(file.removesuffix(".csv"))


def _trimmed(
    column: pa.ChunkedArray, name: str, facts: RowCounts, has_blanks: bool
) -> pa.ChunkedArray:
    """Without outer blanks; what is nothing but blanks becomes null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not has_blanks:
        return column
    trimmed = pc.utf8_trim(column, characters=BLANKS)
    changed = pc.sum(pc.not_equal(column, trimmed)).as_py() or 0
    if not changed:
        return column
    facts.trimmed[name] += changed
    # Compared by length: Python's "" would be made an Arrow scalar, which imports pandas.
    has_text = pc.binary_length(trimmed).cast(pa.bool_())
    return pc.if_else(has_text, trimmed, pa.nulls(len(trimmed), pa.string()))


def _count(columns: dict[str, pa.ChunkedArray], facts: RowCounts, file: str) -> None:
    import pyarrow.compute as pc

    for name, column in columns.items():
        if count := len(column) - column.null_count:
            facts.filled[name] += count
    if {STATUS, MODIFIED} <= columns.keys():
        both = pc.and_(pc.is_valid(columns[STATUS]), pc.is_valid(columns[MODIFIED]))
        facts.with_status_and_date += pc.sum(both).as_py() or 0
    for name in list_columns(file.removesuffix(".csv")) & columns.keys():
        odd = pc.match_substring_regex(columns[name], _ODD_LIST)
        if count := pc.sum(odd).as_py():
            facts.odd_lists[name] += count
    _count_spreadsheet(columns, facts)
    if USER_IDS in columns:
        good = pc.match_substring_regex(columns[USER_IDS], _USER_IDS)
        facts.odd_user_ids += pc.sum(pc.invert(good)).as_py() or 0


def _count_spreadsheet(columns: dict[str, pa.ChunkedArray], facts: RowCounts) -> None:
    """Count what a spreadsheet leaves behind; `modes.py` judges it."""
    for name, column in columns.items():
        if name.endswith(_NUMBERS) and _has_any(column, "E+"):
            facts.exponents[name] += _matches(column, _EXPONENT)
        elif name.endswith("Date") and (slashed := _matches(column, _SLASHED)):
            facts.slashed[name] += slashed
            facts.unpadded += _matches(column, _UNPADDED)
        elif name in ("enabledUser", "primary"):
            facts.capitals += _matches(column, _CAPITALS)


def _has_any(column: pa.ChunkedArray, text: str) -> bool:
    """A quick look before the pattern."""
    import pyarrow.compute as pc

    return bool(pc.any(pc.match_substring(column, text)).as_py())


def _matches(column: pa.ChunkedArray, pattern: str) -> int:
    import pyarrow.compute as pc

    return pc.sum(pc.match_substring_regex(column, pattern)).as_py() or 0
