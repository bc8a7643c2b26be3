"""Ending this process's own work from another thread, as Ctrl-C does or at a time limit.

Called by `state/leases.py`, whose thread hears a request, by `resources.py`, which
bounds a run, and by `frames.py`, whose queries end too. Rule:
docs/reference/schedules.md, section 4.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING
from weakref import WeakSet

from d118_pipelines.errors import RunTimeError

if TYPE_CHECKING:
    import duckdb

_sessions: WeakSet[duckdb.DuckDBPyConnection] = WeakSet()
"""What a signal interrupts beside Python's own code."""
_passed: list[RunTimeError] = []
"""The limit that this process has passed, while its run ends."""
_heard: list[int] = []
"""Where the thread hears of signals, once there is one."""


def interrupt() -> None:
    """Interrupt what the main thread does."""
    _signal(signal.SIGINT)


def end_with_signals(session: duckdb.DuckDBPyConnection) -> None:
    """Let a signal end the query that the session is at.

    Python runs a signal's handler only when DuckDB comes back to it, which a long step
    of a query does not; so another thread hears of the signal, and interrupts the
    query.
    """
    _sessions.add(session)
    if threading.current_thread() is not threading.main_thread() or _heard:
        return
    ours, told = os.pipe()
    os.set_blocking(told, False)
    before = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    if before != -1:  # somebody else listens, who has the main thread
        signal.set_wakeup_fd(before)
        os.close(ours)
        os.close(told)
        return
    _heard.extend((ours, told))
    threading.Thread(target=_interrupt_queries, args=[ours], daemon=True).start()


def _interrupt_queries(signals: int) -> None:
    while number := os.read(signals, 1):
        if number[0] in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2):
            _interrupt_all()


def _interrupt_all() -> None:
    """In a function of its own, so that the thread keeps no session alive."""
    from duckdb import ConnectionException

    for session in list(_sessions):
        with suppress(ConnectionException):  # it was closed meanwhile
            session.interrupt()


def limit_passed() -> RunTimeError | None:
    """The error of the limit that ended the work; libraries may raise theirs in its place."""
    return _passed[-1] if _passed else None


@contextmanager
def time_limits(soft: float, hard: float) -> Iterator[None]:
    """Raise RunTimeError in the block after `soft` seconds; end the process after `hard`.

    Only the main thread can be bounded; elsewhere the block runs as it is.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    is_over = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        if is_over:
            return  # it came while the block was ending
        _passed.append(_time_error(soft))
        raise _passed[-1]

    before = signal.signal(signal.SIGUSR2, stop)
    timers = [
        threading.Timer(soft, _signal, [signal.SIGUSR2]),
        threading.Timer(hard, _end, [hard]),
    ]
    for timer in timers:
        timer.daemon = True
        timer.start()
    try:
        yield
    finally:
        is_over = True
        for timer in timers:
            timer.cancel()
            timer.join()
        signal.signal(signal.SIGUSR2, before)
        _passed.clear()


def _signal(number: int) -> None:
    # To that thread: a call of the system that it waits in ends then.
    signal.pthread_kill(threading.main_thread().ident or 0, number)


def _end(hard: float) -> None:
    """End a process that does not hear; what it has not committed does not count."""
    print(_time_error(hard), file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def _time_error(seconds: float) -> RunTimeError:
    return RunTimeError(
        f"FAILED run.time_limit  The run took longer than its limit of {seconds:,.0f} s.",
        rule="limits.soft_seconds and limits.run_seconds of the provider or target.",
        not_done="This step; nothing of it counts as sent or applied.",
        next_step="Find what is slow (d118 runs show), or raise the limit.",
    )
