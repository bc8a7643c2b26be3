"""From the cells of a row to a record of canonical columns, or to the reason why not.

Belongs here: what is done to a cell. Not here: references between rows, roles, grades
(staging). Rule: docs/reference/csv_files.md, cleaning.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from d118_pipelines.sources.csv_files.dates import iso_date, iso_moment
from d118_pipelines.sources.csv_files.reading import Row
from d118_pipelines.sources.csv_files.recognition import Layout
from d118_pipelines.sources.pull import Finding

DATE_COLUMNS = {"birth_date", "start_date", "end_date"}
_MOMENTS = {"created_at", "updated_at"}
_EMAILS = {"email", "principal_email"}
_LENGTHS = {"first_name": 50, "last_name": 50, "username": 50, "email": 100}
_EMAIL = re.compile(r"[^@\s,;:<>()\[\]\"\\]+@[^@\s,;:<>()\[\]\"\\.]+(\.[^@\s,;.]+)+")
TRUE = {"true", "yes", "y", "1"}
FALSE = {"false", "no", "n", "0"}
STATUSES = {"active", "inactive", "deleted", "suspended"}

Record = dict[str, str | None]
Cleaner = Callable[[str], str]


class _BadCellError(ValueError):
    """A cell breaks a rule; the text is the rule's code."""


@dataclass(slots=True)
class RowCleaner:
    """Cleans the rows of one file.

    district: id and name for schools that name none. leads: class and lead teacher, of
    the classes of this pull; filled by classes, read by enrollments.
    """

    file: str
    layout: Layout
    date_form: str | None
    district: tuple[str, str] | None = None
    leads: set[tuple[str, str]] = field(default_factory=set)
    _steps: list[tuple[str, int, Cleaner | None]] = field(init=False)

    def __post_init__(self) -> None:
        self._steps = [
            (column, place, _cleaner(column, self.date_form))
            for column, place in self.layout.places.items()
        ]

    def clean(self, row: Row) -> tuple[Record | None, list[Finding]]:
        """The record and the warnings about it, or None and the one reason."""
        fault = row.fault or self._ragged(row)
        if fault:
            return None, [self._rejected(fault, row.line, self._certain_id(row))]
        record: Record = {}
        findings = []
        key = row.cells[self.layout.places["id"]].strip() if self._has_id else ""
        for column, place, clean in self._steps:
            text = row.cells[place].strip()
            try:
                record[column] = (clean(text) if clean else text) if text else None
            except _BadCellError as exc:
                code = str(exc)
                if code in _REJECTING or column in self.layout.required:
                    return None, [self._rejected(code, row.line, key, column)]
                record[column] = None
                findings.append(
                    Finding(code, "warn", self.file, row.line, column, key or None)
                )
        self._add_implied(record)
        missing = [c for c in self.layout.required if record[c] is None]
        if missing:
            code = "csv.value_missing"
            return None, [self._rejected(code, row.line, key, min(missing))]
        return record, findings

    def _add_implied(self, record: Record) -> None:
        if not record.get("role") and self.layout.implied_role:
            record["role"] = self.layout.implied_role
        match self.layout.collection:
            case "schools" if self.district and not record.get("district_id"):
                record["district_id"], record["district_name"] = self.district
            case "classes" if record.get("teacher_id"):
                self.leads.add((str(record["id"]), str(record["teacher_id"])))
            case "enrollments" if self._is_lead(record):
                record["is_primary"] = record.get("is_primary") or "true"

    def _is_lead(self, record: Record) -> bool:
        person = (str(record.get("class_id")), str(record.get("user_id")))
        return str(record.get("role")).lower() == "teacher" and person in self.leads

    @property
    def _has_id(self) -> bool:
        return "id" in self.layout.places

    def _ragged(self, row: Row) -> str:
        return "" if len(row.cells) == len(self.layout.header) else "csv.ragged_row"

    def _certain_id(self, row: Row) -> str:
        """The id of an unreadable row, where no earlier cell can have moved it."""
        is_first = self.layout.places.get("id") == 0 and bool(row.cells)
        return row.cells[0].strip() if is_first else ""

    def _rejected(self, code: str, line: int, key: str, column: str = "") -> Finding:
        return Finding(code, "reject", self.file, line, column, key or None)


def _cleaner(column: str, date_form: str | None) -> Cleaner | None:
    """What is done to the filled cells of a column besides trimming, if anything."""
    if column in DATE_COLUMNS:
        return lambda text: _known(iso_date(text, date_form), "csv.bad_date")
    if column in _MOMENTS:
        return lambda text: _known(iso_moment(text, date_form), "csv.bad_date")
    clean, most = _CLEANERS.get(column), _LENGTHS.get(column)
    return clean if most is None else _at_most(most, clean)


def _at_most(most: int, clean: Cleaner | None) -> Cleaner:
    def checked(text: str) -> str:
        if len(text) > most:
            raise _BadCellError("csv.too_long")
        return clean(text) if clean else text

    return checked


def _known(value: str | None, code: str) -> str:
    if value is None:
        raise _BadCellError(code)
    return value


def _email(text: str) -> str:
    return _known(text if _EMAIL.fullmatch(text) else None, "csv.bad_email")


def _phone(text: str) -> str:
    digits = re.sub(r"[^0-9]", "", text)
    plus = "+" if text.startswith("+") else ""
    return _known(plus + digits if digits else None, "csv.bad_phone")


def _status(text: str) -> str:
    word = text.lower()
    if word in TRUE | FALSE:
        return "active" if word in TRUE else "inactive"
    return _known(word if word in STATUSES else None, "csv.bad_status")


def _boolean(text: str) -> str:
    word = text.lower()
    meant = "true" if word in TRUE else "false"
    return _known(meant if word in TRUE | FALSE else None, "csv.bad_boolean")


_REJECTING = {"csv.too_long", "csv.bad_status"}
_CLEANERS: dict[str, Cleaner] = {
    **dict.fromkeys(_EMAILS, _email),
    "phone": _phone,
    "status": _status,
    "is_primary": _boolean,
}
