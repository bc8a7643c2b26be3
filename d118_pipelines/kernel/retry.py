"""The one way to try again: stamina's loop, with the pauses and limits of its caller.

Called by `sources/http/client.py`, `sources/powerschool/pull.py`,
`delivery/sequence.py`, and `delivery/scim/transport.py`. Which errors may pass is in
`errors.py`.
"""

from __future__ import annotations

import datetime as dt
import re
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import TypeVar

from d118_pipelines.errors import RetriableError

T = TypeVar("T")

# Unix time rather than seconds to wait; seconds to wait are never that many.
_LEAST_UNIX_TIME = 1_000_000_000


def retried(
    call: Callable[[int], T],
    *,
    attempts: int,
    pause: Callable[[int, Exception], float | None],
    until: float = float("inf"),
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """What `call` returns, after at most `attempts` calls.

    call: takes the number of the attempt, from 1. pause: takes that number and what the
    attempt raised; gives the seconds before the next one, None where the failure is
    final. until: the moment of `now` behind which no attempt begins.
    Raises: what the last call raised.
    """
    import stamina
    from stamina.instrumentation import set_on_retry_hooks

    # Its own log repeats the text of every failure on the console.
    set_on_retry_hooks(())
    failed = 0

    def again(exc: BaseException) -> bool | float:
        nonlocal failed
        failed += 1
        # Ctrl-C and a stop of the run come here too.
        if failed >= attempts or not isinstance(exc, Exception):
            return False
        seconds = pause(failed, exc)
        if seconds is None or now() + seconds > until:
            return False
        sleep(seconds)
        return 0.0

    return stamina.RetryingCaller(attempts=attempts, timeout=None)(
        again, lambda: call(failed + 1)
    )


def doubling_pause(attempt: int, exc: Exception) -> float | None:
    """2, 4, 8 ... seconds after a failure that may pass; no other is tried again."""
    return 2.0**attempt if isinstance(exc, RetriableError) else None


def seconds_asked(text: str | None, now: dt.datetime) -> float | None:
    """Seconds that a header such as Retry-After asks to wait, None if it does not say.

    Reads a number of seconds, a Unix time and an HTTP date.
    """
    text = (text or "").strip()
    if re.fullmatch(r"\d{1,13}(\.\d+)?", text):
        number = float(text)
        if number >= _LEAST_UNIX_TIME * 1000:
            number /= 1000
        is_moment = number >= _LEAST_UNIX_TIME
        return max(0.0, number - now.timestamp()) if is_moment else number
    at = http_date(text)
    return None if at is None else max(0.0, (at - now).total_seconds())


def http_date(text: str) -> dt.datetime | None:
    """The moment that an HTTP date names, None if it is none."""
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=dt.UTC)
