"""Time as the client sees it: the clock, and the distance between two requests.

Belongs here: clocks and pacing. Not here: what is asked. Tests bring their own clock.
"""

from __future__ import annotations

import datetime as dt
import time
from typing import Protocol


class Clock(Protocol):
    """Where the client takes the time from and where it waits."""

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""

    def now(self) -> dt.datetime:
        """The present moment, with time zone."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The clock of the machine."""

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""
        return time.monotonic()

    def now(self) -> dt.datetime:
        """The present moment in UTC."""
        return dt.datetime.now(dt.UTC)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


class Pacer:
    """Keeps two requests `interval` seconds apart, and all of them behind a hold."""

    def __init__(self, clock: Clock, interval: float) -> None:
        self._clock, self._interval = clock, interval
        self._next = clock.monotonic()

    def hold(self, seconds: float) -> None:
        """No request before so many seconds have passed."""
        self._next = max(self._next, self._clock.monotonic() + seconds)

    def seconds_to_wait(self) -> float:
        """How long until the next request may go, in seconds."""
        return max(0.0, self._next - self._clock.monotonic())

    def step(self) -> None:
        """Wait for the turn and take it."""
        if (wait := self.seconds_to_wait()) > 0:
            self._clock.sleep(wait)
        self._next = self._clock.monotonic() + self._interval
