"""PowerSchool as it is in production: an Oracle database, read as Arrow batches.

Called by `pull.py`, which begins again on RetriableError. Threads and limits are in
`oracle_session.py`, the meaning of errors in `oracle_errors.py`, types in `schema.py`.
See docs/reference/powerschool.md.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from d118_pipelines.errors import D118Error
from d118_pipelines.sources.powerschool.oracle_errors import translated
from d118_pipelines.sources.powerschool.oracle_session import Session
from d118_pipelines.sources.powerschool.source import Binds, Moment, Query, Sink
from d118_pipelines.sources.pull import ConnectionReport

if TYPE_CHECKING:
    import pyarrow as pa

CONNECT_SECONDS = 5.0
CALL_SECONDS = 60.0
BATCH_ROWS = 10_000


class OracleSource:
    """Reads PowerSchool's database, all queries of a pull in one read-only transaction.

    `dsn` is `host:port/service`. `call_timeout_seconds` limits one round trip, not the
    query. Keeps `PowerSchoolSource`; nothing is connected between calls.
    """

    kind = "oracle"
    is_demonstration = False

    def __init__(
        self,
        user: str,
        password: str,
        dsn: str,
        *,
        connect_timeout_seconds: float = CONNECT_SECONDS,
        call_timeout_seconds: float = CALL_SECONDS,
        batch_rows: int = BATCH_ROWS,
    ) -> None:
        self._login = (user, password, dsn)
        self._limits = (connect_timeout_seconds, call_timeout_seconds)
        self._batch_rows = batch_rows

    @property
    def label(self) -> str:
        """The address, without a login that somebody wrote into it."""
        return f"PowerSchool's database {self._login[2].rpartition('@')[2]}"

    @contextmanager
    def reading(self, queries: Sequence[Query]) -> Iterator[Moment]:
        """A connection with a read-only transaction; there are never warnings.

        Raises: see `PowerSchoolSource.reading`; besides ConfigurationError for an
        address or a server that cannot work.
        """
        with self._connected() as session:
            with translated(queries[0]):
                # All that is read is from one moment, and nothing is written.
                session.execute("SET TRANSACTION READ ONLY")
            yield Moment(partial(self._fetch, session))

    def _fetch(self, session: Session, query: Query, binds: Binds, sink: Sink) -> None:
        """Run the query once and push its batches, conformed, into `sink`.

        A batch has 1 to `batch_rows` rows; a query without rows pushes none. `sink` is
        called in the caller's thread, and no more once this has returned or raised.
        """
        from d118_pipelines.sources.powerschool.schema import conform, expected_schema

        promise = expected_schema(query)
        for batch in self._batches(session, query, binds):
            conformed = conform(batch, promise, query)
            if conformed.num_rows:
                sink(conformed)

    def test(self) -> ConnectionReport:
        """Log in and run the smallest query. Reports instead of raising D118Error."""
        start = time.perf_counter()
        success, message = True, "PowerSchool's database answered."
        try:
            with self._connected() as session, translated():
                session.execute("SELECT 1 FROM DUAL")
        except D118Error as exc:
            success, message = False, str(exc)
        return ConnectionReport(success, message, time.perf_counter() - start)

    @contextmanager
    def _connected(self) -> Iterator[Session]:
        with Session(*self._limits) as session:
            with translated():
                session.connect(*self._login)
            yield session

    def _batches(
        self, session: Session, query: Query, binds: Binds
    ) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        frames = session.query(query.sql, binds, self._batch_rows)
        while True:
            with translated(query):
                frame = session.next_frame(frames)
            if frame is None:
                return
            yield from pa.RecordBatchReader.from_stream(frame)
