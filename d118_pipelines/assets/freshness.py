"""How old a provider's assets may be, by its schedule.

Used by `staged.py` and `roster.py`; the deadline of a target is in `deliveries.py`.
"""

import datetime as dt
from zoneinfo import ZoneInfo

import dagster as dg

from d118_pipelines.config.providers import Provider
from d118_pipelines.kernel.clock import longest_gap

RUN_TAKES = dt.timedelta(hours=2)
"""What a run may take, with those that it waits for."""


def provider_freshness(provider: Provider, zone: ZoneInfo) -> dg.FreshnessPolicy | None:
    """Late after the longest time between two runs, and failed after one that was missed.

    None for a provider without a schedule. zone: the district's.
    """
    model = provider.model
    gap = longest_gap(model.schedule, ZoneInfo(model.timezone or zone.key))
    if gap is None:
        return None
    return dg.FreshnessPolicy.time_window(
        warn_window=gap + RUN_TAKES, fail_window=2 * gap + RUN_TAKES
    )
