"""How often somebody may try to sign in: failures of the last minutes, in memory.

Called by the console. Rule: docs/console.md.
"""

from __future__ import annotations

import datetime as dt
from collections import deque

WINDOW = dt.timedelta(minutes=15)
TRIES_OF_A_NAME = 10
TRIES_OF_AN_ADDRESS = 30
_MOST_KEYS = 10_000


class Attempts:
    """Failed sign-ins of the last minutes, by name and by address."""

    def __init__(self) -> None:
        self._failed: dict[str, deque[dt.datetime]] = {}

    def wait(self, name: str, address: str, now: dt.datetime) -> dt.timedelta | None:
        """How long until the next try, or None if there may be one now."""
        limits = ((f"n {name}", TRIES_OF_A_NAME), (f"a {address}", TRIES_OF_AN_ADDRESS))
        waits = []
        for key, limit in limits:
            tries = self._failed.get(key, deque())
            while tries and now - tries[0] >= WINDOW:
                tries.popleft()
            if len(tries) >= limit:
                waits.append(WINDOW - (now - tries[0]))
        return max(waits, default=None)

    def failed(self, name: str, address: str, now: dt.datetime) -> None:
        """Count one failure."""
        if len(self._failed) > _MOST_KEYS:  # names are free text
            self._failed = {
                k: tries
                for k, tries in self._failed.items()
                if tries and now - tries[-1] < WINDOW
            }
        for key in (f"n {name}", f"a {address}"):
            self._failed.setdefault(key, deque(maxlen=TRIES_OF_AN_ADDRESS)).append(now)

    def succeeded(self, name: str) -> None:
        """Forget the failures of a name."""
        self._failed.pop(f"n {name}", None)
