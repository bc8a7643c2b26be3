"""The protocol that both PowerSchool sources keep, and the query they are given.

`pull.py` calls it; `oracle.py` and `embedded.py` keep it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from d118_pipelines.errors import ConfigurationError
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
        """Read a query file; its name is the file's stem. Raises: ConfigurationError."""
        try:
            return cls(path.stem, path.read_text(encoding="utf-8"), path)
        except (OSError, UnicodeDecodeError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) else "no text in UTF-8"
            raise ConfigurationError(
                f"sql/powerschool/{path.name} cannot be read: {reason}.",
                not_done="Nothing was extracted.",
            ) from None

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the statement's text, 64 hexadecimal digits."""
        return hashlib.sha256(self.sql.encode("utf-8")).hexdigest()


Sink = Callable[["pa.RecordBatch"], None]


@dataclass(frozen=True, slots=True)
class Moment:
    """PowerSchool as it is at one moment, for as long as it is being read.

    fetch: runs one of the queries that were named and pushes every batch into the sink,
    in result order. Columns have the names (lower case) and types that
    `schema.expected_schema(query)` gives: int64, float64, string, timestamp[us] or
    decimal128 for integers of more than 18 digits; '' is null.
    warnings: for a person, for example a column that a CSV file lacks.
    """

    fetch: Callable[[Query, Binds, Sink], None]
    warnings: Sequence[str] = ()


class PowerSchoolSource(Protocol):
    """Runs queries and hands over their rows as Arrow batches."""

    @property
    def kind(self) -> str:
        """`oracle` or `csv`."""

    @property
    def label(self) -> str:
        """Which PowerSchool this is, for a person; no credential is in it."""

    @property
    def is_demonstration(self) -> bool:
        """Whether the rows are made up and must never reach a configured address."""

    def reading(self, queries: Sequence[Query]) -> AbstractContextManager[Moment]:
        """A context in which the queries can be run; all see the same rows.

        It and `Moment.fetch` raise: QueryError, IncompleteExtractError,
        AuthenticationError (final); ConnectionLostError, TimeLimitError,
        UnavailableError (may be tried again from the start, with a new context; what
        went into a sink so far must then be thrown away).
        """

    def test(self) -> ConnectionReport:
        """Say whether the source can be read, without raising."""
