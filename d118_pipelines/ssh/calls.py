"""One call to an SFTP server: its time limits and the meaning of its failures.

Called by `folder.py` and by the login. paramiko waits without limit in several places,
so a watch closes the connection when time is up; what a server says may hold paths or
names of accounts, so no text of it is repeated.
"""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from d118_pipelines.errors import (
    ConnectionLostError,
    D118Error,
    DestinationError,
    TimeLimitError,
)

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


@dataclass(frozen=True, slots=True)
class Line:
    """A connection as far as a call needs it: its name, its end, its state."""

    where: str
    close: Callable[[], None]
    is_open: Callable[[], bool]
    stall_seconds: float
    whole_seconds: float
    not_done: str = NOT_RECORDED


@contextmanager
def guarded(line: Line, action: str, next_step: str = "") -> Iterator[Watch]:
    """Run one call within the limits of the line and translate what it raises.

    action: what is being done, as in "upload W2SSO.csv".
    next_step: what helps when the server refuses it.
    Raises: DestinationError, ConnectionLostError, TimeLimitError.
    """
    import paramiko

    watch = Watch(line.close, line.stall_seconds, line.whole_seconds)
    try:
        with watch:
            yield watch
    except (paramiko.SSHException, paramiko.SFTPError, EOFError, OSError) as exc:
        if watch.expired:
            raise TimeLimitError(
                f"Could not {action}: it {watch.expired}",
                where=line.where,
                not_done=line.not_done,
                next_step="run again later; if it happens again, ask the vendor",
            ) from None
        raise _translated(exc, line, action, next_step) from None


def _translated(exc: Exception, line: Line, action: str, next_step: str) -> D118Error:
    """Refused by the server, or broken on the way? paramiko uses OSError for both."""
    import paramiko

    number = exc.errno if isinstance(exc, OSError) else None
    broken = isinstance(exc, paramiko.SSHException | EOFError) or not line.is_open()
    if broken or number not in (None, errno.ENOENT, errno.EACCES):
        return ConnectionLostError(
            f"The connection was lost at the step: {action}",
            where=line.where,
            not_done=line.not_done,
            next_step="run again; if it happens again, ask the vendor and the network team",
        )
    reason = {
        errno.ENOENT: "the server says that there is no such file or folder",
        errno.EACCES: "the server says permission denied",
    }.get(number or 0, "the server refused it without a reason")
    return DestinationError(
        f"Could not {action}: {reason}",
        where=line.where,
        not_done=line.not_done,
        next_step=next_step or "check the folder and the account with the vendor",
    )


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
