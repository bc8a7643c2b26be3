"""A lease per target and provider: two runs of one of them cannot interleave.

Held by `workflows/run.py` for a whole run. It is dead when its process no longer exists
on this host, or, from another host, when it was not renewed for the time-out.
"""

from __future__ import annotations

import datetime as dt
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from d118_pipelines.errors import BusyError
from d118_pipelines.kernel.after_commit import Warn, after_commit, log_warning
from d118_pipelines.state.database import Database, sync_leases

RENEW_SECONDS = 30.0
DEFAULT_TIMEOUT_MILLISECONDS = 1_800_000


@contextmanager
def lease(
    database: Database, name: str, holder: str, warn: Warn = log_warning
) -> Iterator[None]:
    """Hold the lease `name` for `holder` (a run id) while the block runs.

    A run that has it already goes on holding it after the block. warn: is told if it
    cannot be given back; it ends with the process then.
    Raises: BusyError if another live run holds it; it names the holder and the age.
    """
    if not _take(database, name, holder):
        yield
        return
    stop = threading.Event()
    renewer = threading.Thread(
        target=_renew, args=(database, name, holder, stop), daemon=True
    )
    renewer.start()
    try:
        yield
    finally:
        stop.set()
        renewer.join()
        with (
            after_commit(f"Giving back the lease of {name}", warn),
            database.transaction() as connection,
        ):
            connection.execute(sync_leases.delete().where(_mine(name, holder)))


class Leases(ExitStack):
    """What one run holds: each lease from the step that first needs it to the run's end."""

    def __init__(self) -> None:
        super().__init__()
        self._answers: dict[str, BusyError | None] = {}

    def hold(
        self, database: Database, name: str, holder: str, warn: Warn = log_warning
    ) -> bool:
        """Take a lease and keep it; False if it is held already. warn: as in `lease`.

        Raises: BusyError; what was refused once stays refused, so that a later step does
        not begin in the middle.
        """
        if name in self._answers:
            if refused := self._answers[name]:
                raise refused
            return False
        try:
            self.enter_context(lease(database, name, holder, warn))
        except BusyError as exc:
            self._answers[name] = exc
            raise
        self._answers[name] = None
        return True


def is_held(connection: sa.Connection, name: str) -> bool:
    """Whether a live process holds the lease now."""
    return holder_of(connection, name)[1]


def holder_of(connection: sa.Connection, name: str) -> tuple[str, bool]:
    """The run that took the lease last and did not give it back, and whether it lives."""
    row = _found(connection, name)
    if row is None:
        return "", False
    return row.holder, _is_alive(row, dt.datetime.now(dt.UTC))


def process_here(connection: sa.Connection, holder: str) -> int:
    """The process of a run that holds a lease, if it lives on this host; else 0."""
    held = sa.select(sync_leases).where(sync_leases.c.holder == holder)
    row = connection.execute(held).first()
    if row is None or row.host != socket.gethostname():
        return 0
    is_alive = _is_alive(row, dt.datetime.now(dt.UTC))
    return int(row.process.split("/")[0]) if is_alive else 0


def _found(connection: sa.Connection, name: str) -> sa.Row[Any] | None:
    named = sa.select(sync_leases).where(sync_leases.c.name == name)
    return connection.execute(named).first()


def _take(database: Database, name: str, holder: str) -> bool:
    """Enter the lease; False if the holder has it already."""
    now = dt.datetime.now(dt.UTC)
    with database.transaction() as connection:
        row = _found(connection, name)
        if row is not None and _is_alive(row, now):
            if row.holder == holder:
                return False
            age = int((now - row.acquired_at).total_seconds())
            raise BusyError(
                f"BUSY  {name}: another run is active.",
                where=f"run {row.holder} on {row.host}, for {age} s",
                not_done="Nothing was sent or changed by this run.",
                next_step=f"Wait for it to end (d118 status), then: d118 run {name}",
            )
        connection.execute(sync_leases.delete().where(sync_leases.c.name == name))
        connection.execute(
            sync_leases.insert().values(
                name=name,
                holder=holder,
                host=socket.gethostname(),
                process=_process(os.getpid()),
                acquired_at=now,
                renewed_at=now,
            )
        )
    return True


def _renew(database: Database, name: str, holder: str, stop: threading.Event) -> None:
    while not stop.wait(RENEW_SECONDS):
        with (
            after_commit(f"Renewing the lease of {name}"),
            database.transaction() as connection,
        ):
            connection.execute(
                sync_leases.update()
                .where(_mine(name, holder))
                .values(renewed_at=dt.datetime.now(dt.UTC))
            )


def _mine(name: str, holder: str) -> sa.ColumnElement[bool]:
    return sa.and_(sync_leases.c.name == name, sync_leases.c.holder == holder)


def _is_alive(row: sa.Row[Any], now: dt.datetime) -> bool:
    if row.host == socket.gethostname():
        return bool(row.process == _process(int(row.process.split("/")[0])))
    milliseconds = int(
        os.environ.get("SYNC_LOCK_TIMEOUT", DEFAULT_TIMEOUT_MILLISECONDS)
    )
    age: dt.timedelta = now - row.renewed_at
    # The clock of either may be wrong: a lease must not live until ours has caught up.
    return abs(age.total_seconds()) * 1000 < milliseconds


def _process(pid: int) -> str:
    """Process id and start time, so that a reused id is not taken for the holder."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return f"{pid}/gone"
    return f"{pid}/{stat.rsplit(')', 1)[1].split()[19]}"
