"""Text that others sent: what no database keeps, no terminal and no page may get raw.

Called by whoever stores such text, and by the edges that show it: `cli/output.py`,
`loggers.py`, the metadata of `assets/`, alerts and reports. Cells of spreadsheets are
in `csv_text.py`. Rules: docs/reference/staging.md, `row.bad_character`, and
SECURITY.md.
"""

from __future__ import annotations

import re
from typing import Any

_BAD = re.compile("[\x00\ud800-\udfff]")
# Controls, half characters, what turns the direction of reading, odd line breaks.
_UNSEEN = (
    "\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff"
    "\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069"
)
_IN_LINES = re.compile(f"[{_UNSEEN}]")
_IN_ONE_LINE = re.compile(f"[{_UNSEEN}\n]")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
# Marks of Markdown and HTML; an underscore inside a word is none, an address is a link.
_MARKS = re.compile(
    r"[\\`*~\[\]|&<>]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=www)\.", re.I
)


def clean_text(text: str) -> str:
    """The text without them; the same one where it has none."""
    return _BAD.sub("", text)


def clean_value(value: Any) -> Any:
    """A JSON value without them, its keys included."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {clean_text(k): clean_value(v) for k, v in value.items()}
    if isinstance(value, list):
        return [clean_value(item) for item in value]
    return value


def printable(text: str, *, one_line: bool = False) -> str:
    """The text with controls as `\\u001b`, which JSON reads as the same text.

    one_line: line breaks too; else they stay.
    """
    pattern = _IN_ONE_LINE if one_line else _IN_LINES
    return pattern.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def markdown(text: object) -> str:
    """Text for one line of Markdown: it shows as it is, also where HTML is read."""
    return _MARKS.sub(
        lambda found: _ENTITIES.get(found[0], f"\\{found[0]}"),
        printable(str(text), one_line=True),
    )
