"""The findings of files: all rejects, the rest up to a limit; and a list for a person.

Belongs here: counting and showing. Not here: what is wrong (`cells.py`).
Rule: docs/reference/csv_files.md, rejected rows.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable

from d118_pipelines.sources.pull import Finding

MOST_DETAILED = 1_000
_FORMULA_STARTS = tuple("=+-@\t\r")


class FindingLog:
    """Collects the findings of one file: every reject, of each other code the first
    1,000 and one more with the number of the rest."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._kept: list[Finding] = []
        self._counts: Counter[str] = Counter()
        self._over: dict[str, Finding] = {}
        self.rejected = 0

    def add(self, finding: Finding) -> None:
        """Keep or count one finding."""
        self._counts[finding.code] += 1
        if finding.severity == "reject":
            self.rejected += 1
        elif self._counts[finding.code] > MOST_DETAILED:
            self._over[finding.code] = finding
            return
        self._kept.append(finding)

    def findings(self, accepted: int) -> list[Finding]:
        """All findings. accepted: rows that were not rejected.

        More rejects than 100 rows and 1 % of the file are a finding of their own
        (csv.too_many_rejects), which holds the run.
        """
        rest = [
            Finding(code, last.severity, self._file, count=count - MOST_DETAILED)
            for code, last in self._over.items()
            for count in [self._counts[code]]
        ]
        if self.rejected > max(100, (accepted + self.rejected) / 100):
            code = "csv.too_many_rejects"
            rest.append(Finding(code, "warn", self._file, count=self.rejected))
        return self._kept + rest


def rejects_report(findings: Iterable[Finding]) -> str:
    """Every rejected row as CSV text: file, line, column, rule; never a value.

    Cells that a spreadsheet would run as a formula begin with an apostrophe.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["file", "line", "column", "rule"])
    for f in findings:
        if f.severity == "reject":
            writer.writerow([_safe(f.file), f.line or "", _safe(f.column), f.code])
    return text.getvalue()


def _safe(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell
