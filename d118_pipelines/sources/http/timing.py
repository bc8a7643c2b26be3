"""Time as the client sees it: the clock, and the distance between two requests.

Called by `client.py`, `transport.py` and the credentials; tests bring their own clock.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from d118_pipelines.kernel.clock import utc_now

if TYPE_CHECKING:
    import datetime as dt


class Clock(Protocol):
    """Seconds that never go back, the moment with its zone, and waiting."""

    def monotonic(self) -> float: ...  # noqa: D102
    def now(self) -> dt.datetime: ...  # noqa: D102
    def sleep(self, seconds: float) -> None: ...  # noqa: D102


class SystemClock:
    """The clock of the machine."""

    monotonic = staticmethod(time.monotonic)
    now = staticmethod(utc_now)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


class Pacer:
    """Keeps two requests `interval` seconds apart, and all of them behind a hold."""

    def __init__(self, clock: Clock, interval: float) -> None:
        self._clock, self._interval = clock, interval
        self._next = clock.monotonic()

    def hold(self, seconds: float) -> None:
        """No request before this many seconds have passed."""
        self._next = max(self._next, self._clock.monotonic() + seconds)

    def seconds_to_wait(self) -> float:
        """How long until the next request may go, in seconds."""
        return max(0.0, self._next - self._clock.monotonic())

    def step(self) -> None:
        """Wait for the turn and take it."""
        if (wait := self.seconds_to_wait()) > 0:
            self._clock.sleep(wait)
        self._next = self._clock.monotonic() + self._interval
