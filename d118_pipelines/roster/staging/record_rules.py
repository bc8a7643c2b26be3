"""What the fields of one record say about each other: status, defaults, order of dates.

Called by `row_rules.py`: values and rules over the converted fields `v_*` of one row
(`c_*` is the text before). How one field is read is in `field_rules.py`.
Rule: docs/reference/staging.md, rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from d118_pipelines.roster.staging.findings import Rule

Judged = Iterator[tuple[Rule, str]]
_DERIVED_YEAR = (
    "CAST(year(v_end_date - 1) + CASE WHEN month(v_end_date - 1) >= 7 THEN 1 ELSE 0 END "
    "AS INTEGER)"
)
_LENGTHS_DIFFER = (
    "len(v_subjects) <> len(v_subject_codes) AND len(v_subject_codes) > 0 "
    "AND len(v_subjects) > 0"
)
# An end is exclusive: such an enrollment holds on no day.
_NO_SHOW = "v_end_date <= v_begin_date"
_OTHER_PRIMARY = "v_is_primary AND v_role <> 'teacher'"


class Mapped(Protocol):
    """What is asked of an endpoint."""

    def has(self, name: str) -> bool:
        """Whether the mapping fills the target."""

    def requires(self, name: str) -> bool:
        """Whether the mapping itself asks for a value."""


def record_values(
    rows: Mapped, entity: str, values_before: Mapping[str, str]
) -> dict[str, str]:
    """Fields whose value depends on other fields of the row, as SQL."""
    values = {
        "status": "CASE WHEN v_status = 'active' THEN 'active' ELSE 'inactive' END",
        "inactive_reason": "CASE WHEN v_status = 'tobedeleted' THEN 'tobedeleted' END",
    }
    match entity:
        case "terms":
            values["end_date"] = (
                "CASE WHEN v_end_date = v_start_date THEN CAST(v_end_date + 1 AS DATE) "
                "ELSE v_end_date END"
            )
            values["school_year"] = (
                f"CASE WHEN c_school_year IS NULL THEN {_DERIVED_YEAR} "
                "ELSE v_school_year END"
            )
        case "courses" | "classes":
            values["subject_codes"] = (
                f"CASE WHEN {_LENGTHS_DIFFER} THEN NULL "
                f"ELSE {values_before['subject_codes']} END"
            )
            if entity == "classes" and rows.has("class_type"):
                values["class_type"] = "coalesce(v_class_type, 'scheduled')"
        case "enrollments":
            values["status"] = (
                f"CASE WHEN {_NO_SHOW} THEN 'inactive' ELSE {values['status']} END"
            )
            values["inactive_reason"] = (
                f"CASE WHEN v_status = 'tobedeleted' OR {_NO_SHOW} "
                "THEN 'tobedeleted' END"
            )
            values["is_primary"] = (
                f"CASE WHEN {_OTHER_PRIMARY} THEN NULL ELSE v_is_primary END"
            )
        case "users":
            values |= _user_values(rows)
    return values


def _user_values(rows: Mapped) -> dict[str, str]:
    live = "v_status = 'active' AND v_enabled IS DISTINCT FROM false"
    values = {
        "status": f"CASE WHEN {live} THEN 'active' ELSE 'inactive' END",
        "inactive_reason": (
            "CASE WHEN v_status = 'tobedeleted' THEN 'tobedeleted' "
            "WHEN v_enabled = false THEN 'disabled' END"
        ),
    }
    if rows.has("username"):
        values["username"] = (
            "coalesce(v_username, v_email, v_identifier, v_external_id)"
        )
    return values


def record_rules(rows: Mapped, entity: str) -> Judged:
    """The rules over several fields of the row, each with SQL that is true if broken."""
    match entity:
        case "terms":
            yield from _term_rules()
        case "courses" | "classes":
            yield Rule("sem.subject_lengths", "warn", "subject_codes"), _LENGTHS_DIFFER
            if entity == "classes" and rows.has("class_type"):
                yield (
                    Rule("row.defaulted", "warn", "class_type"),
                    "c_class_type IS NULL",
                )
        case "enrollments":
            yield Rule("sem.date_order", "warn", "end_date"), _NO_SHOW
            yield Rule("sem.primary_not_teacher", "warn", "is_primary"), _OTHER_PRIMARY
        case "users":
            yield from _user_rules(rows)


def _term_rules() -> Judged:
    yield Rule("sem.date_order", "reject", "end_date"), "v_end_date < v_start_date"
    yield Rule("sem.date_order", "warn", "end_date"), "v_end_date = v_start_date"
    yield (
        Rule("row.defaulted", "warn", "school_year"),
        "c_school_year IS NULL AND v_end_date IS NOT NULL",
    )
    yield (
        Rule("sem.school_year", "warn", "school_year"),
        f"v_school_year <> {_DERIVED_YEAR}",
    )


def _user_rules(rows: Mapped) -> Judged:
    """One of the two names may be blank, unless the mapping asks for it; it stays so."""
    nameless = "v_first_name IS NULL AND v_last_name IS NULL"
    if not rows.requires("last_name"):
        yield Rule("row.missing_required", "reject", "last_name"), nameless
    for name, other in (("first_name", "last_name"), ("last_name", "first_name")):
        blank = f"v_{name} IS NULL AND v_{other} IS NOT NULL"
        if not rows.requires(name):
            yield Rule("row.defaulted", "warn", name), blank
    if rows.has("username"):
        yield Rule("row.defaulted", "warn", "username"), "v_username IS NULL"
