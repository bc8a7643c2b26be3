"""Findings of one file set, counted and capped; a fatal one ends the reading.

Belongs here: how findings are kept. Not here: what is wrong. No finding carries a value
of a person: lines, column names and identifiers only. Rule:
docs/reference/oneroster_csv.md, findings.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Literal, NoReturn

from d118_pipelines.errors import IncompleteExtractError
from d118_pipelines.sources.pull import Finding

CAP = 1_000
_IDENTIFIER = re.compile(r"[0-9A-Za-z._\-/@:]{1,255}")
NOT_DONE = "Nothing of the set was taken over; the pull before it stays the newest."

Severity = Literal["reject", "warn", "info"]


class Findings:
    """Collects findings: 1,000 detailed per code and file, the rest as a number.

    Rejected rows are all kept: a later step must know every identifier that is there.
    """

    def __init__(self, *, is_strict: bool = False) -> None:
        self._is_strict = is_strict
        self._found: list[Finding] = []
        self._seen: Counter[tuple[str, str, Severity]] = Counter()

    def add(
        self,
        code: str,
        severity: Severity,
        file: str,
        *,
        line: int | None = None,
        column: str = "",
        external_id: str | None = None,
        detail: str = "",
        count: int = 1,
    ) -> None:
        """Note one finding. Raises: IncompleteExtractError in strict reading."""
        if self._is_strict and severity != "info":
            fatal(code, f"{detail or severity} (strict reading)", file=file, line=line)
        kind = (code, file, severity)
        self._seen[kind] += 1
        if self._seen[kind] <= CAP or severity == "reject":
            self._found.append(
                Finding(code, severity, file, line, column, external_id, detail, count)
            )

    def all(self) -> list[Finding]:
        """What was found, in order, then one row for each kind above the cap."""
        rest = [
            Finding(code, severity, file, detail="not listed one by one", count=n - CAP)
            for (code, file, severity), n in self._seen.items()
            if n > CAP and severity != "reject"
        ]
        return [*self._found, *rest]

    def rejected(self, file: str) -> int:
        """How many rows of a file were rejected so far."""
        kinds = self._seen.items()
        return sum(n for (_, f, level), n in kinds if f == file and level == "reject")

    def forget(self, file: str) -> None:
        """Drop what was found in a file that is read again from its beginning."""
        self._found = [found for found in self._found if found.file != file]
        for kind in [kind for kind in self._seen if kind[1] == file]:
            del self._seen[kind]


def fatal(code: str, what: str, *, file: str = "", line: int | None = None) -> NoReturn:
    """Refuse the whole set. Raises: IncompleteExtractError."""
    place = f"{file}, line {line}" if line is not None else file
    raise IncompleteExtractError(
        f"FAILED {code}  {what}",
        where=place,
        rule="docs/reference/oneroster_csv.md, codes",
        not_done=NOT_DONE,
        next_step="have the set corrected where it is made, or its settings here",
    )


def usable_key(text: str, *, is_doubtful: bool = False) -> str | None:
    """An identifier that may be shown and compared; else None.

    is_doubtful: the row is broken, and what stands first in it could be the rest of a
    name or an address; then only what has a digit and no @ counts as an identifier.
    """
    text = text.strip(" \t\u00a0")
    if _IDENTIFIER.fullmatch(text) is None:
        return None
    if is_doubtful and ("@" in text or not re.search(r"\d", text)):
        return None
    return text
