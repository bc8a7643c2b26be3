"""Blocks of text without a fault, read by Arrow at full speed.

Called by `oneroster_csv/reading.py`; any other block goes to `splitter.py`. Without a
fault: no NUL, no lone carriage return, quotes only around whole fields, no line break
inside them, no blank line, as many fields in every line as columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

_BEFORE_QUOTE = b',\n"'
_AFTER_QUOTE = b',\r\n"'
# What may be next to a blank that is not part of a value.
_BORDERS = (b",", b'"', b"\n", b"\r")
_BLANKS = (b" ", b"\t", "\u00a0".encode())


def parse_plain(
    block: bytes, width: int, wanted: Sequence[int], max_line_bytes: int
) -> pa.Table | None:
    """The wanted columns (named by their number) of a plain block, else None.

    block: whole lines of valid UTF-8. Blank values are null. Every line is one row.
    """
    import pyarrow as pa
    from pyarrow import csv

    lines = _count_lines(block, max_line_bytes)
    if lines is None or width < 2 or not _quotes_are_plain(block):
        return None
    names = [str(number) for number in range(width)]
    kept = [names[number] for number in wanted]
    try:
        table = csv.read_csv(
            pa.BufferReader(block),
            csv.ReadOptions(column_names=names, block_size=len(block) + 1),
            csv.ParseOptions(newlines_in_values=False, ignore_empty_lines=True),
            csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                include_columns=kept,
                check_utf8=False,
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid:
        return None
    return table if table.num_rows == lines else None


def may_have_blanks_around(block: bytes) -> bool:
    """Whether some value may begin or end with a blank, a tab or a no-break space."""
    if block.startswith(_BLANKS) or block.endswith(_BLANKS):
        return True
    blanks = [blank for blank in _BLANKS if blank in block]
    return any(
        border + blank in block or blank + border in block
        for blank in blanks
        for border in _BORDERS
    )


def _count_lines(block: bytes, max_line_bytes: int) -> int | None:
    """The number of lines; None where lines are not what a row is, or one is long."""
    if b"\0" in block:
        return None
    if b"\r" in block and block.count(b"\r") != block.count(b"\r\n"):
        return None
    at = 0
    while len(block) - at > max_line_bytes:
        end = block.rfind(b"\n", at, at + max_line_bytes)
        if end < 0:
            return None
        at = end + 1
    return block.count(b"\n") + (0 if block.endswith(b"\n") else 1)


def _quotes_are_plain(block: bytes) -> bool:
    """Whether quotes open behind a comma or a line end and close before one."""
    if b'"' not in block:
        return True
    import numpy as np

    data = np.frombuffer(b"\n" + block + b"\n", np.uint8)
    quotes = np.flatnonzero(data == ord('"'))
    if len(quotes) % 2:
        return False
    before, after = data[quotes[::2] - 1], data[quotes[1::2] + 1]
    return all(
        np.isin(np.flatnonzero(np.bincount(beside, minlength=256)), list(allowed)).all()
        for beside, allowed in ((before, _BEFORE_QUOTE), (after, _AFTER_QUOTE))
    )
