"""What is odd in single objects, found while they pass by; nothing is changed here.

Called by `source.py` for every page. The rules of the roster model are staging's.
Rule: docs/reference/clever_api.md, codes.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from d118_pipelines.kernel.finding import DETAILED, Finding
from d118_pipelines.sources.clever.people import V2_LISTS

Severity = Literal["warn", "info"]
Note = tuple[str, Severity, str]  # code, severity, detail

_KNOWN = {
    "districts": "id name nces_id mdr_number sis_type state last_sync launch_date "
    "pause_start pause_end error portal_url login_methods district_contact lms_type "
    "lms_state last_attendance_sync",
    "schools": "id district name sis_id school_number state_id nces_id mdr_number "
    "low_grade high_grade location phone principal created last_modified ext",
    "terms": "id district name start_date end_date created last_modified",
    "courses": "id district name number created last_modified",
    "users": "id district email name created last_modified roles lms_status",
    "sections": "id district school sis_id name section_number period grade subject "
    "course term_id teacher teachers students created last_modified ext lms_status",
}
KNOWN = {name: frozenset(keys.split()) for name, keys in _KNOWN.items()}


class Notes:
    """Collects the findings of one pull."""

    def __init__(self, now: dt.datetime) -> None:
        self._now = now
        self._fields: set[tuple[str, str]] = set()
        # A person with two roles passes twice and is noted once.
        self._detailed: dict[tuple[str, str, str], Finding] = {}
        self._numbers: Counter[tuple[str, str]] = Counter()
        self._more: Counter[tuple[str, Severity, str]] = Counter()

    def look(self, collection: str, record: Mapping[str, Any]) -> None:
        """Note what is unusual in one object, in the shape of v3."""
        for key in record.keys() - KNOWN[collection]:
            self._fields.add((collection, key))
        for code, severity, detail in _odd(collection, record, self._now):
            self._add(code, severity, collection, str(record["id"]), detail)

    def findings(self) -> list[Finding]:
        """All of them."""
        unknown = [
            Finding("clever.unknown_field", "info", field=_plain(key), file=collection)
            for collection, key in sorted(self._fields)
        ]
        more = [
            Finding(code, severity, detail="not detailed", file=file, count=count)
            for (code, severity, file), count in self._more.items()
        ]
        return [*unknown, *self._detailed.values(), *more]

    def _add(
        self, code: str, severity: Severity, file: str, id_: str, detail: str
    ) -> None:
        key = (code, id_, detail)
        if key in self._detailed:
            return
        self._numbers[code, file] += 1
        if self._numbers[code, file] > DETAILED:
            self._more[code, severity, file] += 1
            return
        self._detailed[key] = Finding(code, severity, id_, detail=detail, file=file)


def _odd(
    collection: str, record: Mapping[str, Any], now: dt.datetime
) -> Iterator[Note]:
    if collection == "users":
        yield from _odd_user(record)
    elif collection == "sections":
        teacher, teachers = record.get("teacher"), record.get("teachers")
        if teacher and not (isinstance(teachers, list) and teacher in teachers):
            yield "clever.teacher_not_listed", "warn", "the teacher was added"
    elif collection == "terms":
        if not (record.get("start_date") and record.get("end_date")):
            detail = "a term without both dates; the school year takes its place"
            yield "row.defaulted", "warn", detail
    elif collection == "districts" and _is_paused(record, now):
        yield "clever.district_paused", "info", "Clever does not update its data"


def _odd_user(record: Mapping[str, Any]) -> Iterator[Note]:
    email = record.get("email")
    if email and "@" not in str(email):
        yield "clever.odd_email", "warn", "an e-mail address without @"
    roles = record.get("roles")
    for role in roles if isinstance(roles, Mapping) else ():
        if role not in V2_LISTS:
            yield "clever.unknown_role", "warn", f"role {_plain(role)} gives no role"


def _is_paused(record: Mapping[str, Any], now: dt.datetime) -> bool:
    end = str(record.get("pause_end") or "")[:10]
    return record.get("state") == "paused" or end > now.date().isoformat()


def _plain(name: str) -> str:
    """A name of the source as it may be shown: no text that could hold a value."""
    return name if name.isidentifier() and len(name) <= 40 else "?"
