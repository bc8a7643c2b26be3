"""One connection to Oracle that can never hold up its caller.

Called by `oracle.py`. A plain connection that waits for a silent listener ignores every
time limit, an asynchronous one can be left. It has a thread of its own, because the
caller may run in an event loop, and because the driver looks names up without giving
way; a daemon thread, because such a lookup must not delay the end of the process
either.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Coroutine
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

if TYPE_CHECKING:
    import oracledb

    from d118_pipelines.sources.powerschool.source import Binds

T = TypeVar("T")

KEEP_ALIVE_MINUTES = 1
# The driver gives a timed-out call as much time again to be cancelled.
ROUNDS_PER_CALL = 2
# How much later than the driver the caller gives up, and how long it waits for a
# farewell to the database. The thread goes on by itself after that.
GRACE_SECONDS = 1.0


class Session:
    """A context in which `connect` may be called once, and then the rest.

    Everything raises the driver's errors, OSError or TimeoutError.
    """

    def __init__(self, connect_seconds: float, call_seconds: float) -> None:
        self._connect_seconds = connect_seconds
        self._call_seconds = call_seconds
        self._connection: oracledb.AsyncConnection | None = None
        # With a factory of its own the runner leaves the caller's event loop alone.
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._loop = self._runner.get_loop()
        self._leave = asyncio.Event()
        self._thread = threading.Thread(
            target=self._live, name="powerschool", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._leave.set)
        self._thread.join(GRACE_SECONDS)

    def connect(self, user: str, password: str, dsn: str) -> None:
        """Log in within the time limit."""
        work = self._connect(user, password, dsn)
        self._wait_for(work, self._connect_seconds + GRACE_SECONDS)

    def execute(self, sql: str) -> None:
        """Run a statement whose result does not matter."""
        self._call(self._open.execute(sql))

    def query(
        self, sql: str, binds: Binds, batch_rows: int
    ) -> AsyncIterator[oracledb.DataFrame]:
        """Prepare a query; `next_frame` runs it. Decimals keep long integers exact."""
        frames = self._open.fetch_df_batches(
            sql, dict(binds), batch_rows, fetch_decimals=True
        )
        # The driver declares the wrong kind of iterator.
        return cast("AsyncIterator[oracledb.DataFrame]", frames)

    def next_frame(
        self, frames: AsyncIterator[oracledb.DataFrame]
    ) -> oracledb.DataFrame | None:
        """Return the next batch of a query, or None after the last."""

        async def advance() -> oracledb.DataFrame | None:
            return await anext(frames, None)

        return self._call(advance())

    @property
    def _open(self) -> oracledb.AsyncConnection:
        assert self._connection is not None, "connect comes first"
        return self._connection

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        limit = ROUNDS_PER_CALL * self._call_seconds + GRACE_SECONDS
        return self._wait_for(work, limit)

    def _wait_for(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(seconds)

    def _live(self) -> None:
        with self._runner:
            self._runner.run(self._serve())

    async def _serve(self) -> None:
        """Keep the loop going, and log off from the database when asked to."""
        import oracledb

        await self._leave.wait()
        if self._connection is not None:
            # The rows are complete or already given up, so this changes nothing.
            with contextlib.suppress(oracledb.Error, OSError):
                await self._connection.close()

    async def _connect(self, user: str, password: str, dsn: str) -> None:
        import oracledb

        login = oracledb.connect_async(
            user=user, password=password, dsn=dsn, expire_time=KEEP_ALIVE_MINUTES
        )
        connection = await asyncio.wait_for(login, self._connect_seconds)
        # Here and never again: on a connection that a timeout has killed, setting it
        # crashes the process.
        connection.call_timeout = round(self._call_seconds * 1000)
        self._connection = connection
