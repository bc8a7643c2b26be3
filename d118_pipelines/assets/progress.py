"""Progress of long work in a run's log: now and then, not at every batch."""

import time
from collections.abc import Callable

PROGRESS_SECONDS = 2.0


def now_and_then(say: Callable[[str], None]) -> Callable[[str], None]:
    """`say`, but at most once in two seconds."""
    last = time.monotonic()

    def report(text: str) -> None:
        nonlocal last
        if time.monotonic() - last >= PROGRESS_SECONDS:
            last = time.monotonic()
            say(text)

    return report
