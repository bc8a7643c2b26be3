"""Rows as CSV for spreadsheets: no cell of it runs as a formula.

Called for reports that people open; workbooks are in `workbook.py`, vendors' files in
`targets/render.py`.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Mapping, Sequence
from typing import Any

from d118_pipelines.kernel.text import printable

Row = Mapping[str, Any]
# A cell that begins so would be run as a formula by a spreadsheet; some take wide signs.
_FORMULA = tuple("=+-@\n\uff1d\uff0b\uff0d\uff20")


def csv_text(rows: Sequence[Row]) -> str:
    """Rows of equal keys as CSV, safe to open in a spreadsheet."""
    if not rows:
        return ""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: cell(value) for name, value in row.items()})
    return text.getvalue()


def shown(value: Any) -> str:
    """A value as people read it in a table."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, dt.datetime):
        return value.strftime("%Y-%m-%d %H:%M %Z")
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, value))
    return printable(str(value))


def cell(value: Any) -> Any:
    """A number as it is, all else as people read it and so that no spreadsheet runs it."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    text = shown(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
