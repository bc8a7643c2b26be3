"""Leases: two runs of a target or provider cannot interleave, and only so many run.

Held by `workflows/runs/run.py` for a whole run. A lease is dead when its process no
longer exists on this host, or when it was not renewed for the time-out. Rule:
docs/reference/delivery.md, section 6; docs/reference/schedules.md, section 3.
"""

from __future__ import annotations

import datetime as dt
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from d118_pipelines.errors import BusyError, D118Error, FatalError
from d118_pipelines.kernel import stopping
from d118_pipelines.kernel.after_commit import Warn, after_commit, log_warning
from d118_pipelines.state.database import Database, sync_leases

RENEW_SECONDS = 30.0
LOOK_SECONDS = 2.0
"""How often a holder looks whether it shall stop, and who waits, for a free slot."""
DEFAULT_TIMEOUT_MILLISECONDS = 1_800_000
_SLOT = "slot/"
Asked = Callable[[], bool]


def never() -> bool:
    """Nobody else asks this run to stop."""
    return False


@contextmanager
def lease(
    database: Database, name: str, holder: str, warn: Warn = log_warning
) -> Iterator[None]:
    """Hold the lease `name` for `holder` (a run id) while the block runs.

    A run that has it already goes on holding it after the block. warn: is told if it
    cannot be given back; it ends with the process then.
    Raises: BusyError if another live run holds it; it names the holder and the age.
    """
    with Leases() as leases:
        leases.hold(database, name, holder, warn)
        yield


class Leases(ExitStack):
    """What one run holds: each lease from the step that first needs it to the run's end.

    A thread renews them, and interrupts the run when somebody asks it to stop, or when
    another run has taken one of them. asked: asks elsewhere, at the same times.
    """

    def __init__(self, asked: Asked = never) -> None:
        super().__init__()
        self._asked = asked
        self._answers: dict[str, BusyError | None] = {}
        self._held: set[str] = set()
        self._is_watched = False

    def hold(
        self, database: Database, name: str, holder: str, warn: Warn = log_warning
    ) -> bool:
        """Take a lease and keep it; False if it is held already. warn: as in `lease`.

        Raises: BusyError; what was refused once stays refused, so that a later step
        does not begin in the middle.
        """
        if name in self._answers:
            if refused := self._answers[name]:
                raise refused
            return False
        try:
            if _take(database, name, holder):
                self._keep(database, name, holder, warn)
        except BusyError as exc:
            self._answers[name] = exc
            raise
        self._answers[name] = None
        return True

    def take_slot(
        self,
        database: Database,
        district: str,
        holder: str,
        *,
        most: int,
        waits: bool,
        warn: Warn = log_warning,
    ) -> None:
        """Take one of the district's `most` slots, unless this run has one.

        waits: for as long as all are taken; they then get free as other runs end.
        Raises: BusyError that names the runs that hold them.
        """
        prefix = f"{_SLOT}{district}/"
        if any(name.startswith(prefix) for name in self._held):
            return
        is_told = False
        while True:
            try:
                name = _take_slot(database, prefix, holder, most)
            except BusyError as exc:
                if not waits:
                    raise
                if not is_told:
                    warn(f"{exc.what} It waits for: {exc.where}")
                is_told = True
                time.sleep(LOOK_SECONDS)
            else:
                if name:
                    self._keep(database, name, holder, warn)
                return

    def _keep(self, database: Database, name: str, holder: str, warn: Warn) -> None:
        if not self._is_watched:
            ended = threading.Event()
            arguments = (database, holder, ended)
            thread = threading.Thread(
                target=self._watch, args=arguments, name="leases", daemon=True
            )
            self.callback(thread.join)
            self.callback(ended.set)
            thread.start()
            self._is_watched = True
        self._held.add(name)
        self.callback(self._give_back, database, name, holder, warn)

    def _give_back(
        self, database: Database, name: str, holder: str, warn: Warn
    ) -> None:
        self._held.discard(name)
        with (
            after_commit(f"Giving back the lease of {name}", warn),
            database.transaction() as connection,
        ):
            connection.execute(sync_leases.delete().where(_mine(name, holder)))

    def _watch(self, database: Database, holder: str, ended: threading.Event) -> None:
        """Renew, and look, until the run ends; ask it to stop at most once."""
        every = min(RENEW_SECONDS, _timeout_seconds() / 3)
        renewed = time.monotonic()
        while not ended.wait(min(LOOK_SECONDS, every)):
            if time.monotonic() - renewed >= every:
                renewed = time.monotonic()
                with after_commit("Renewing the leases"):
                    _renew(database, holder)
            with suppress(D118Error, sa.exc.SQLAlchemyError, OSError):
                if self._shall_stop(database, holder) and not ended.is_set():
                    stopping.interrupt()
                    return

    def _shall_stop(self, database: Database, holder: str) -> bool:
        if self._asked():
            return True
        held = self._held.copy()
        with database.reading() as connection:
            rows = connection.execute(
                sa.select(sync_leases.c.name, sync_leases.c.stop_asked_by).where(
                    sync_leases.c.holder == holder
                )
            ).all()
        lost = held - {row.name for row in rows}
        return any(row.stop_asked_by for row in rows) or bool(lost & self._held)


def ask_to_stop(connection: sa.Connection, holder: str, by: str) -> bool:
    """Leave a request in the leases of a run; False if no live process holds one."""
    rows = connection.execute(
        sa.select(sync_leases).where(sync_leases.c.holder == holder)
    ).all()
    now = dt.datetime.now(dt.UTC)
    if not any(_is_alive(row, now) for row in rows):
        return False
    mine = sync_leases.c.holder == holder
    connection.execute(sync_leases.update().where(mine).values(stop_asked_by=by))
    return True


def refuse_lost(connection: sa.Connection, name: str, holder: str) -> None:
    """Raises: FatalError if another run has taken the lease that this one held."""
    row = _found(connection, name)
    if row is None or row.holder != holder:
        raise FatalError(
            f"FAILED run.lease_lost  {name}: another run has taken the lease.",
            rule="A lease that was not renewed for SYNC_LOCK_TIMEOUT is free.",
            not_done="This step; nothing of it counts as sent or applied.",
            next_step=f"See what the other run did: d118 status; d118 runs --target {name}",
        )


def is_held(connection: sa.Connection, name: str) -> bool:
    """Whether a live process holds the lease now."""
    return holder_of(connection, name)[1]


def holder_of(connection: sa.Connection, name: str) -> tuple[str, bool]:
    """The run that took the lease last and did not give it back, and whether it lives."""
    row = _found(connection, name)
    if row is None:
        return "", False
    return row.holder, _is_alive(row, dt.datetime.now(dt.UTC))


def dead_holders(connection: sa.Connection) -> set[str]:
    """The runs whose process is gone and could not give back what it held."""
    rows = connection.execute(sa.select(sync_leases)).all()
    now = dt.datetime.now(dt.UTC)
    alive = {row.holder for row in rows if _is_alive(row, now)}
    return {row.holder for row in rows} - alive


def forget(connection: sa.Connection, holder: str) -> Sequence[str]:
    """Remove the leases of a run whose process is gone; the names that it held."""
    mine = sync_leases.c.holder == holder
    names = connection.scalars(sa.select(sync_leases.c.name).where(mine)).all()
    connection.execute(sync_leases.delete().where(mine))
    return [name for name in names if not name.startswith(_SLOT)]


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
            raise BusyError(
                f"BUSY  {name}: another run is active.",
                where=_told(row, now),
                not_done="Nothing was sent or changed by this run.",
                next_step=f"Wait for it to end (d118 status), then: d118 run {name}",
            )
        _enter(connection, name, holder, now)
    return True


def _take_slot(database: Database, prefix: str, holder: str, most: int) -> str:
    """Enter a free slot and return its name; empty if the holder has one."""
    now = dt.datetime.now(dt.UTC)
    with database.transaction() as connection:
        rows = connection.execute(sa.select(sync_leases)).all()
        slots = {r.name: r for r in rows if r.name.startswith(prefix)}
        taken = {name: row for name, row in slots.items() if _is_alive(row, now)}
        if any(row.holder == holder for row in taken.values()):
            return ""
        if len(taken) >= most:
            names: dict[str, list[str]] = {}
            for row in rows:
                if not row.name.startswith(_SLOT):
                    names.setdefault(row.holder, []).append(row.name)
            told = [
                f"{', '.join(names.get(row.holder, ['a run']))} ({_told(row, now)})"
                for row in taken.values()
            ]
            number = f"{len(taken)} run{'s are' if len(taken) > 1 else ' is'}"
            raise BusyError(
                f"BUSY  {number} at work, and no more may be.",
                where="; ".join(told),
                rule=f"MAX_CONCURRENT_SYNCS allows {most} at a time.",
                not_done="Nothing was sent or changed by this run.",
                next_step="Wait for one to end (d118 status), then start again.",
            )
        numbers = (f"{prefix}{number}" for number in range(1, most + 1))
        name = next(name for name in numbers if name not in taken)
        _enter(connection, name, holder, now)
    return name


def _enter(connection: sa.Connection, name: str, holder: str, now: dt.datetime) -> None:
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


def _told(row: sa.Row[Any], now: dt.datetime) -> str:
    age = int((now - row.acquired_at).total_seconds())
    return f"run {row.holder} on {row.host}, for {age} s"


def _renew(database: Database, holder: str) -> None:
    with database.transaction() as connection:
        connection.execute(
            sync_leases.update()
            .where(sync_leases.c.holder == holder)
            .values(renewed_at=dt.datetime.now(dt.UTC))
        )


def _mine(name: str, holder: str) -> sa.ColumnElement[bool]:
    return sa.and_(sync_leases.c.name == name, sync_leases.c.holder == holder)


def _is_alive(row: sa.Row[Any], now: dt.datetime) -> bool:
    if row.host == socket.gethostname():
        process = int(row.process.split("/")[0])
        if row.process != _process(process):
            return False
        if process == os.getpid():
            return True  # who asks is at work
    age: dt.timedelta = now - row.renewed_at
    # The clock of either may be wrong: a lease must not live until ours has caught up.
    return abs(age.total_seconds()) < _timeout_seconds()


def _timeout_seconds() -> float:
    milliseconds = os.environ.get("SYNC_LOCK_TIMEOUT", DEFAULT_TIMEOUT_MILLISECONDS)
    return int(milliseconds) / 1000


def _process(pid: int) -> str:
    """Process id and start time, so that a reused id is not taken for the holder."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return f"{pid}/gone"
    return f"{pid}/{stat.rsplit(')', 1)[1].split()[19]}"
