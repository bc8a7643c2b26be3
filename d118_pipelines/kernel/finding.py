"""A finding: one thing wrong with one record or file, and what is kept of many.

Made by sources, staging's reports, targets and an undo; shown by `d118 findings`. The
codes are in docs/reference/rule_codes.md. Staging counts its own with SQL
(`roster/staging/findings.py`) under the same limit.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from d118_pipelines.errors import D118Error

# So many findings of one code and file are kept one by one; the rest is a number.
DETAILED = 1_000

# The first four are said of rows that come in, the others of records that go out.
Level = Literal["fatal", "reject", "warn", "info", "error", "warning", "information"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong (`code`), with which record (`key`), and where it was read.

    key: the record's identifier; empty where it has none that is certain. detail: says
    more without a value of a person. todo: what to do, where the code's page does not
    say it. line: from 1, the header is the first. count: records, where they are many.
    """

    code: str
    level: Level
    key: str = ""
    field: str = ""
    detail: str = ""
    todo: str = ""
    entity: str = ""
    file: str = ""
    line: int | None = None
    count: int = 1

    def stored(self) -> dict[str, str | int | None]:
        """The row of `STORED_COLUMNS`; a record without a certain key has none."""
        return {
            "entity": self.entity,
            "code": self.code,
            "severity": self.level,
            "external_id": self.key or None,
            "field": self.field,
            "source_file": self.file,
            "source_line": self.line,
            "detail": self.detail,
            "count": self.count,
        }


def refusal(error: D118Error) -> Finding:
    """The finding that refuses all, of an error `FAILED code  text`, or `HELD`."""
    what = error.what.removeprefix("FAILED ").removeprefix("HELD ")
    code, _, text = what.partition("  ")
    return Finding(code, "fatal", detail=text, file=error.where)


# The findings of a pull and of a staged roster as Parquet: column -> type of DuckDB.
STORED_COLUMNS = {
    **dict.fromkeys(["entity", "code", "severity", "external_id", "field"], "VARCHAR"),
    "source_file": "VARCHAR",
    "source_line": "BIGINT",
    "detail": "VARCHAR",
    "count": "BIGINT",
}


class Findings:
    """Collects findings; of each code, file and level `DETAILED`, the rest as a number.

    Rejected rows are all kept: a later step must know every identifier that is there.
    """

    def __init__(self) -> None:
        self._found: list[Finding] = []
        self._seen: Counter[tuple[str, str, Level]] = Counter()

    def add(
        self,
        code: str,
        level: Level,
        file: str,
        *,
        line: int | None = None,
        field: str = "",
        key: str | None = None,
        detail: str = "",
        count: int = 1,
    ) -> None:
        """Note one finding."""
        kind = (code, file, level)
        self._seen[kind] += 1
        if self._seen[kind] <= DETAILED or level == "reject":
            self._found.append(
                Finding(
                    *(code, level, key or "", field, detail),
                    file=file,
                    line=line,
                    count=count,
                )
            )

    def all(self) -> list[Finding]:
        """What was found, in order, then one finding for each kind above the limit."""
        return [
            *self._found,
            *(
                Finding(
                    *(code, level),
                    detail="not listed one by one",
                    file=file,
                    count=number - DETAILED,
                )
                for (code, file, level), number in self._seen.items()
                if number > DETAILED and level != "reject"
            ),
        ]

    def rejected(self, file: str) -> int:
        """How many rows of a file were rejected so far."""
        kinds = self._seen.items()
        return sum(n for (_, f, level), n in kinds if f == file and level == "reject")

    def forget(self, file: str) -> None:
        """Drop what was found in a file that is read again from its beginning."""
        self._found = [found for found in self._found if found.file != file]
        for kind in [kind for kind in self._seen if kind[1] == file]:
            del self._seen[kind]
