"""The clock, and a moment as people of the district read it.

Belongs here: what every room may ask of the time. Not here: schedules, deadlines.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from zoneinfo import ZoneInfo

Clock = Callable[[], dt.datetime]


def utc_now() -> dt.datetime:
    """The time, aware, in UTC."""
    return dt.datetime.now(dt.UTC)


def local_time(moment: dt.datetime, zone: ZoneInfo) -> str:
    """A time as people of the district read it: `2026-11-22 04:15 CST`."""
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M %Z")
