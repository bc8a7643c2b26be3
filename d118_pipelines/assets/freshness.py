"""How old assets may be: by a provider's schedule, by a target's deadline, by blackouts.

Used by `definitions.py` and `deliveries.py`. Rule: docs/reference/schedules.md, section
2.
"""

import datetime as dt
from collections.abc import Sequence
from functools import cache
from zoneinfo import ZoneInfo

import dagster as dg

from d118_pipelines.config.guard_limits import Blackout
from d118_pipelines.config.providers import Provider
from d118_pipelines.kernel.clock import longest_gap
from d118_pipelines.targets.definition import DEADLINE_WINDOW

RUN_TAKES = dt.timedelta(hours=2)
"""What a run may take, with those that it waits for."""


_AFTER_BLACKOUT = dt.timedelta(days=7)
"""Until the first run after it has been, whatever the schedule."""


def longest_wait(blackouts: Sequence[Blackout], today: dt.date) -> dt.timedelta:
    """The length of the longest blackout that has not been over for a week, else nothing.

    Also of one that is still to come: Dagster's code is not loaded again when it
    begins.
    """
    day = dt.timedelta(days=1)
    lengths = (
        one.last - one.first + day
        for one in blackouts
        if one.last + _AFTER_BLACKOUT >= today
    )
    return max(lengths, default=dt.timedelta(0))


@cache
def deadline_policy(
    deadline: str, zone: ZoneInfo, waits: dt.timedelta
) -> dg.FreshnessPolicy | None:
    """Failed when a deadline passed without a delivery.

    Kept: Dagster tries a thousand times of each, and several targets have the same one.

    waits: so much longer nothing may be delivered. With that there is only a time since
    the last delivery; Dagster's deadlines know no exception. None for a deadline that
    does not return.
    """
    if not waits:
        return dg.FreshnessPolicy.cron(
            deadline_cron=deadline,
            lower_bound_delta=DEADLINE_WINDOW,
            timezone=zone.key,
        )
    gap = longest_gap([deadline], zone)
    if gap is None:
        return None
    return dg.FreshnessPolicy.time_window(fail_window=gap + DEADLINE_WINDOW + waits)


def provider_freshness(
    provider: Provider, zone: ZoneInfo, waits: dt.timedelta = dt.timedelta(0)
) -> dg.FreshnessPolicy | None:
    """Late after the longest time between two runs, and failed after one that was missed.

    None for a provider without a schedule. zone: the district's. waits: so much longer
    nothing may be applied.
    """
    model = provider.model
    gap = longest_gap(model.schedule, ZoneInfo(model.timezone or zone.key))
    if gap is None:
        return None
    return dg.FreshnessPolicy.time_window(
        warn_window=gap + RUN_TAKES + waits, fail_window=2 * gap + RUN_TAKES + waits
    )
