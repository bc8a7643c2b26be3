"""The clock, a moment as people of the district read it, and the ticks of a schedule.

Called by every room.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from zoneinfo import ZoneInfo

Clock = Callable[[], dt.datetime]


def utc_now() -> dt.datetime:
    """The time, aware, in UTC."""
    return dt.datetime.now(dt.UTC)


def local_time(moment: dt.datetime, zone: ZoneInfo) -> str:
    """A time as people of the district read it: `2026-11-22 04:15 CST`."""
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M %Z")


def day_time(moment: dt.datetime | None, now: dt.datetime) -> str:
    """A local time in the fewest words: `today 04:15`, `Sat 28 Nov 04:15`, or nothing."""
    if moment is None:
        return ""
    days = (moment.date() - now.astimezone(moment.tzinfo).date()).days
    near = {-1: "yesterday", 0: "today", 1: "tomorrow"}
    form = "%a %d %b" if abs(days) < 180 else "%Y-%m-%d"
    return f"{near.get(days) or moment.strftime(form)} {moment:%H:%M}"


def tick(
    crons: str | Sequence[str],
    moment: dt.datetime,
    zone: ZoneInfo,
    *,
    is_past: bool = False,
) -> dt.datetime | None:
    """When the first expression is due after the moment; is_past: the last time before."""
    from cronsim import CronSim

    wanted = [crons] if isinstance(crons, str) else crons
    at = moment.astimezone(zone)
    found = [next(CronSim(cron, at, reverse=is_past), None) for cron in wanted]
    due = [one for one in found if one is not None]
    # By the moment: the clock shows the hour of an autumn night twice.
    order = [one.astimezone(dt.UTC) for one in due]
    pick = max if is_past else min
    return due[order.index(pick(order))] if due else None


def longest_gap(crons: Sequence[str], zone: ZoneInfo) -> dt.timedelta | None:
    """The longest time between ticks of two weeks, or of four ticks; None without any."""
    gap, ticks = dt.timedelta(0), 0
    start = now = tick(crons, dt.datetime(2027, 1, 1, tzinfo=zone), zone)
    while now and start and (ticks < 4 or now - start < dt.timedelta(days=15)):
        coming = tick(crons, now, zone)
        if coming is None:
            break
        gap = max(gap, coming.astimezone(dt.UTC) - now.astimezone(dt.UTC))
        now, ticks = coming, ticks + 1
    return gap or None


def is_cron(text: str) -> bool:
    """Whether the text is cron of five fields that occurs, for CronSim and for Dagster.

    Dagster knows no last days (`L`, `LW`, `5L`) and refuses the 30th of February even
    where a weekday is named beside it.
    """
    from cronsim import CronSim, CronSimError

    fields = text.split()
    if len(fields) != 5 or re.search(r"(?<![A-Z])L|W(?![A-Z])", text.upper()):
        return False
    try:
        for weekday in ("*", fields[4]):
            CronSim(" ".join([*fields[:4], weekday]), dt.datetime(2000, 1, 1))
    except CronSimError:
        return False
    return True
