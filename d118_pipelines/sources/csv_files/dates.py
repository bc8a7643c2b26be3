"""Dates as people write them: one form for a whole file, never one per row.

Called by `source.py` (the choice) and `cells.py` (the values).
Rule: docs/reference/csv_files.md, dates.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from typing import Literal

DateOrder = Literal["mdy", "dmy"]

_FORMS = {
    "YYYY-MM-DD": re.compile(r"(?P<y>\d{4})-(?P<m>\d\d?)-(?P<d>\d\d?)"),
    "MM/DD/YYYY": re.compile(r"(?P<m>\d\d?)/(?P<d>\d\d?)/(?P<y>\d{4})"),
    "MM-DD-YYYY": re.compile(r"(?P<m>\d\d?)-(?P<d>\d\d?)-(?P<y>\d{4})"),
    "YYYY/MM/DD": re.compile(r"(?P<y>\d{4})/(?P<m>\d\d?)/(?P<d>\d\d?)"),
    "DD/MM/YYYY": re.compile(r"(?P<d>\d\d?)/(?P<m>\d\d?)/(?P<y>\d{4})"),
}
ISO = "YYYY-MM-DD"
_RIVALS: dict[DateOrder, str] = {"mdy": "MM/DD/YYYY", "dmy": "DD/MM/YYYY"}
_TIME = re.compile(
    r"[T ]+(\d\d?:\d\d(?::\d\d(?:\.\d{1,6})?)?)(Z|[+-]\d\d:?\d\d)?", re.ASCII
)


def iso_date(text: str, form: str | None) -> str | None:
    """The date as ISO text, or None where the text is no date of that form."""
    match = _FORMS[form].fullmatch(text) if form and text.isascii() else None
    if match is None:
        return None
    try:
        return dt.date(int(match["y"]), int(match["m"]), int(match["d"])).isoformat()
    except ValueError:
        return None


def iso_moment(text: str, form: str | None) -> str | None:
    """A date with or without a time of day, as ISO text: ISO first, then the form."""
    time = _TIME.search(text)
    if time is None or time.end() < len(text):
        return iso_date(text, ISO) or iso_date(text, form)
    day = text[: time.start()]
    date = iso_date(day, ISO) or iso_date(day, form)
    clock = f"0{time[1]}" if time[1][1] == ":" else time[1]
    return f"{date}T{clock}{time[2] or ''}" if date else None


def choose_form(values: Counter[str], order: DateOrder) -> str | None:
    """The form that most values fit; None where none fits any.

    values: every non-empty date of a file and how often it occurs. Where
    month-first and day-first fit equally, `order` decides.
    """
    fits = {
        form: sum(n for text, n in values.items() if iso_date(text, form))
        for form in _FORMS
    }
    best = max(fits.values(), default=0)
    winners = [form for form, count in fits.items() if count == best]
    if not best:
        return None
    return _RIVALS[order] if _RIVALS[order] in winners else winners[0]


def is_against(form: str | None, order: DateOrder) -> bool:
    """Whether the file's dates have the other order than the configured one."""
    return form in _RIVALS.values() and form != _RIVALS[order]
