"""The queries of PowerSchool as one pull: all rows from one moment, or none.

Made by `workflows/providers/powerschool_source.py`; `oracle.py` and `embedded.py` read
the rows, `sources/pull.py` stores them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from d118_pipelines.errors import IncompleteExtractError
from d118_pipelines.kernel.retry import doubling_pause, retried
from d118_pipelines.sources.powerschool.source import PowerSchoolSource, Query
from d118_pipelines.sources.pull import ConnectionReport, PullStore

if TYPE_CHECKING:
    import pyarrow as pa

ATTEMPTS = 3
# Before classes are scheduled a district has neither of two; everybody may have an e-mail.
MAY_BE_EMPTY = ("enrollments", "section_teachers", "staff_without_email")

READ_FROM = "read_from"
"""The detail of a pull that names its source for a person."""


class QueriesSource:
    """A `RosterSource` over some queries; each is a collection named like its file.

    A failure that may pass begins all of them again, three times in all, so that no two
    collections are from different moments. sleep: waits between the attempts, in
    seconds.
    """

    kind = "POWERSCHOOL"

    def __init__(
        self,
        source: PowerSchoolSource,
        queries: Sequence[Query],
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._source, self._queries, self._sleep = source, queries, sleep

    @property
    def collections(self) -> list[str]:
        """The names of the queries."""
        return [query.name for query in self._queries]

    def test(self) -> ConnectionReport:
        """Say whether PowerSchool can be read, without raising."""
        return self._source.test()

    def pull(self, store: PullStore) -> None:
        """Run the queries and store their rows, in order.

        Raises: IncompleteExtractError for a query without rows; what the source raises.
        """
        store.is_demonstration = self._source.is_demonstration
        kind = "demonstration" if store.is_demonstration else self._source.kind

        def attempt(number: int) -> None:
            store.restart()
            store.details = {
                "source": kind,
                READ_FROM: self._source.label,
                "attempts": str(number),
            }
            self._read(store)

        retried(attempt, attempts=ATTEMPTS, pause=doubling_pause, sleep=self._sleep)

    def _read(self, store: PullStore) -> None:
        with self._source.reading(self._queries) as moment:
            store.warnings = list(moment.warnings)
            for query in self._queries:
                writer = store.collection(query.name)
                moment.fetch(query, {}, writer.add_table)
                if writer.rows == 0:
                    writer.add_table(_no_rows(query))
                writer.finish(absence="proven")


def _no_rows(query: Query) -> pa.Table:
    """A table with the query's columns, where none is an answer too."""
    if query.name not in MAY_BE_EMPTY:
        raise IncompleteExtractError(
            f"FAILED extract.zero_rows  {query.path.name} returned no rows.",
            where=f"sql/powerschool/{query.path.name}",
            rule="An extract without rows is a fault of the source or of its rights.",
            not_done="Nothing was stored, nothing was sent.",
            next_step="Check the account's rights on the tables, then run: d118 doctor",
        )
    import pyarrow as pa  # heavy: only while a pull is written

    from d118_pipelines.sources.powerschool.schema import expected_schema

    schema = expected_schema(query)
    # pa.array would import pandas.
    return pa.Table.from_arrays([pa.nulls(0, f.type) for f in schema], schema=schema)
