"""The values of a vendor's file as its columns declare them.

Called by `source.py`. Rule: docs/reference/vendor_files.md, columns.
"""

from __future__ import annotations

import datetime as dt
import math
import re

from d118_pipelines.sources.csv_files.dates import iso_date

Value = str | int | float | dt.date

DUCKDB_TYPES = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "date": "DATE",
}
_INTEGER = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)", re.ASCII)


def read_value(text: str, kind: str, date_form: str | None) -> Value | None:
    """The value of a filled cell; None where it is none of its type.

    date_form: how the dates of the file are written, as `choose_form` found it.
    """
    if kind == "integer":
        return int(text) if _INTEGER.fullmatch(text) else None
    if kind == "number":
        number = float(text) if _NUMBER.fullmatch(text) else math.inf
        return number if math.isfinite(number) else None
    if kind == "date":
        day = iso_date(text, date_form)
        return dt.date.fromisoformat(day) if day else None
    return text
