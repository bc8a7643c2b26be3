"""The watch over calls to an SFTP server, and what ends a connection before any file.

Called by `folder.py`, `session.py` and `login.py`. paramiko waits without limit in
several places, so the watch closes the connection when time is up.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from d118_pipelines.errors import ConnectionLostError, TimeLimitError

if TYPE_CHECKING:
    from d118_pipelines.ssh.settings import SftpSettings

NOT_RECORDED = "the delivery is not recorded as done"
NOTHING_SENT = "no file was sent over this connection"


class Watch:
    """Calls `close` when nothing moved for `stall_seconds` or `whole_seconds` passed."""

    def __init__(
        self, close: Callable[[], None], stall_seconds: float, whole_seconds: float
    ) -> None:
        self._close = close
        self._stall_seconds = stall_seconds
        self._end = time.monotonic() + whole_seconds
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.expired = ""
        self.moved()

    def moved(self) -> None:
        """Note that the other side took or gave some bytes."""
        self._moved_at = time.monotonic()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        while not self.expired:
            stalled = self._moved_at + self._stall_seconds - time.monotonic()
            ended = self._end - time.monotonic()
            if self._done.wait(max(0.0, min(stalled, ended))):
                return
            if time.monotonic() >= self._moved_at + self._stall_seconds:
                self.expired = f"got no answer for {self._stall_seconds:g} s"
            elif time.monotonic() >= self._end:
                self.expired = "was not done within its time limit"
        self._close()


def too_late(settings: SftpSettings, action: str, limit: float) -> TimeLimitError:
    """The server did not do something within this many seconds, before any file."""
    return TimeLimitError(
        f"The server of {settings.describe} did not {action} within {limit:g} s",
        where=settings.where,
        not_done=NOTHING_SENT,
        next_step="run again later; if it happens again, ask the vendor",
    )


def lost(settings: SftpSettings, moment: str) -> ConnectionLostError:
    """The connection ended before any file; `moment` says when."""
    return ConnectionLostError(
        f"The server of {settings.describe} ended the connection {moment}",
        where=settings.where,
        not_done=NOTHING_SENT,
        next_step="run again later; if it happens again, ask the vendor",
    )
