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

MOST = 1_000
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
        elif self._counts[finding.code] > MOST:
            self._over[finding.code] = finding
            return
        self._kept.append(finding)

    def findings(self) -> list[Finding]:
        """All that was kept, and what was only counted."""
        rest = [
            Finding(code, last.severity, self._file, count=self._counts[code] - MOST)
            for code, last in self._over.items()
        ]
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
            file = f.file.split("/")[0]  # without the collection
            writer.writerow([_safe(file), f.line or "", _safe(f.column), f.code])
    return text.getvalue()


def _safe(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell
