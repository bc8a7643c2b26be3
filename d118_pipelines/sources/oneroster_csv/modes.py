"""What a set says about the records that are not in it, and what it lacks.

Called by `source.py` when the rows of a file, or of all, are counted (`values.py`).
Rule: docs/reference/oneroster_csv.md, bulk and delta; dependencies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from d118_pipelines.kernel.absence import Absence
from d118_pipelines.kernel.finding import Findings
from d118_pipelines.sources.oneroster_csv.file_set import SUFFIX, FileSet
from d118_pipelines.sources.oneroster_csv.findings import fatal
from d118_pipelines.sources.oneroster_csv.tables import (
    COLLECTIONS,
    MODIFIED,
    STATUS,
    needs_of,
)
from d118_pipelines.sources.oneroster_csv.values import RowCounts

LEAST_REJECTS = 20
TERMS = "termSourcedIds"


@dataclass(frozen=True, slots=True)
class Reading:
    """How a file is read."""

    absence: Absence
    is_delta: bool


@dataclass(frozen=True, slots=True)
class Rules:
    """What a provider may settle itself.

    bulk_with_status: what a bulk file is whose rows have status and date.
    max_reject_ratio: rejected rows of all rows of one file, 0 to 1.
    """

    bulk_with_status: Literal["bulk", "delta", "reject"] = "bulk"
    max_reject_ratio: float = 0.05


def judge_file(
    file: str, declared: str | None, facts: RowCounts, rules: Rules, findings: Findings
) -> Reading:
    """The reading of one file, whose rows have been counted.

    Raises: IncompleteExtractError `bundle.mode_conflict`, `bundle.too_many_rejects`,
    `row.status_in_bulk`.
    """
    name = file + SUFFIX
    _check_rejects(name, facts, rules, findings)
    is_delta = declared == "delta"
    if not facts.rows:
        if not findings.rejected(name):
            findings.add("bundle.empty_file", "warn", name)
        return Reading("never", is_delta)
    if is_delta and not facts.filled[STATUS]:
        what = "The file is declared delta, and no row has a status."
        fatal("bundle.mode_conflict", what, file=name)
    if declared == "bulk" and (facts.filled[STATUS] or facts.filled[MODIFIED]):
        is_delta = _status_in_bulk(name, facts, rules, findings)
    proves = declared == "bulk" and not is_delta
    return Reading("proven" if proves else "never", is_delta)


def check_dependencies(
    file_set: FileSet, facts: Mapping[str, RowCounts], findings: Findings
) -> None:
    """Every bulk file with rows needs the files that its rows point into; one that is
    never stored is a warning.

    Raises: IncompleteExtractError `bundle.incomplete`.
    """
    for file, counted in facts.items():
        if file_set.mode_of(file) != "bulk" or not counted.rows:
            continue
        for need in needs_of(file, file_set.version):
            asked = need.column is None or counted.filled[need.column] > 0
            if not asked or need.file in file_set.members:
                continue
            what = f"{file}.csv needs {need.file}.csv, which is not in the set."
            if need.file in COLLECTIONS:
                fatal("bundle.incomplete", what, file=file + SUFFIX)
            findings.add("bundle.incomplete", "warn", file + SUFFIX, detail=what)


def report_values(
    file: str, facts: RowCounts, findings: Findings, *, is_delta: bool
) -> None:
    """What was seen in all values alike: one finding for each column, with a count."""
    name = file + SUFFIX
    # Staging asks for the other required values; a deleted row of a delta may lack them.
    blank = facts.rows - facts.filled[TERMS]
    if file == "classes" and blank and not is_delta:
        findings.add("row.missing_required", "warn", name, field=TERMS, count=blank)
    for column, count in facts.trimmed.items():
        findings.add("row.whitespace", "warn", name, field=column, count=count)
    for column, count in facts.odd_lists.items():
        findings.add("row.list_form", "warn", name, field=column, count=count)
    if count := facts.odd_user_ids:
        findings.add("row.bad_user_id", "warn", name, field="userIds", count=count)
    if count := facts.passwords:
        findings.add(
            "row.password_present", "info", name, field="password", count=count
        )


def judge_spreadsheet(facts: Mapping[str, RowCounts], findings: Findings) -> None:
    """Refuse a set that somebody opened and saved in a spreadsheet.

    Numbers became exponents, or no date of a column is as the standard writes it and
    another sign is there. Raises: IncompleteExtractError `bundle.spreadsheet`.
    """
    has_capitals = any(counted.capitals for counted in facts.values())
    saved = []
    for file, counted in facts.items():
        columns = [name for name, count in counted.exponents.items() if count]
        columns += [
            name
            for name, count in counted.slashed.items()
            if count == counted.filled[name] and (counted.unpadded or has_capitals)
        ]
        if columns:
            saved.append(file + SUFFIX)
            count = counted.exponents.total() + counted.slashed.total()
            findings.add(
                *("bundle.spreadsheet", "fatal", file + SUFFIX),
                field=columns[0],
                detail="saved in a spreadsheet: export the set again",
                count=count,
            )
    if saved:
        what = f"Opened and saved in a spreadsheet: {', '.join(sorted(saved))}."
        fatal("bundle.spreadsheet", what, file=saved[0])


def _check_rejects(
    name: str, facts: RowCounts, rules: Rules, findings: Findings
) -> None:
    rejected = findings.rejected(name)
    whole = facts.rows + rejected
    if rejected >= LEAST_REJECTS and rejected > whole * rules.max_reject_ratio:
        what = f"{rejected} of {whole} rows cannot be read."
        fatal("bundle.too_many_rejects", what, file=name)


def _status_in_bulk(
    name: str, facts: RowCounts, rules: Rules, findings: Findings
) -> bool:
    """Whether the file is to be read as delta."""
    count = max(facts.filled[STATUS], facts.filled[MODIFIED])
    if rules.bulk_with_status == "reject":
        what = "A bulk file has values in status or dateLastModified."
        fatal("row.status_in_bulk", what, file=name)
    findings.add("row.status_in_bulk", "warn", name, field=STATUS, count=count)
    filled_throughout = facts.with_status_and_date == facts.rows
    return rules.bulk_with_status == "delta" and filled_throughout
