"""The protocol that both PowerSchool sources keep, and the query they are given.

Belongs here: what a caller may rely on. Not here: Oracle, CSV, files on disk.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from d118_pipelines.sources.pull import ConnectionReport

if TYPE_CHECKING:
    import pyarrow as pa

BindValue = str | int | float | dt.date | dt.datetime | None
Binds = Mapping[str, BindValue]


@dataclass(frozen=True, slots=True)
class Query:
    """One SELECT of `sql/powerschool/`, in Oracle dialect."""

    name: str
    sql: str
    path: Path

    @classmethod
    def read(cls, path: Path) -> Query:
        """Read a query file; its name is the file's stem."""
        return cls(path.stem, path.read_text(encoding="utf-8"), path)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the statement's text, 64 hexadecimal digits."""
        return hashlib.sha256(self.sql.encode("utf-8")).hexdigest()


class PowerSchoolSource(Protocol):
    """Runs one query and hands over its rows as Arrow batches."""

    @property
    def kind(self) -> str:
        """`oracle` or `csv`."""

    @property
    def is_demonstration(self) -> bool:
        """Whether the rows are made up and must never reach a configured address."""

    def fetch(
        self,
        query: Query,
        binds: Binds,
        sink: Callable[[pa.RecordBatch], None],
    ) -> list[str]:
        """Run the query once and push every batch into `sink`, in result order.

        Columns have the names (lower case) and types that
        `schema.expected_schema(query)` gives: int64, float64, string,
        timestamp[us] or decimal128 for integers of more than 18 digits; '' is null.
        Returns warnings for a person (for example a column that a CSV file lacks).
        Raises: QueryError, IncompleteExtractError, AuthenticationError (final);
        ConnectionLostError, TimeLimitError (may be tried again from the start; what
        went into `sink` so far must then be thrown away).
        """

    def test(self) -> ConnectionReport:
        """Say whether the source can be read, without raising."""
