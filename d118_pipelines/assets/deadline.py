"""A target's deadline, as Dagster knows it."""

import dagster as dg

from d118_pipelines.config.district import District
from d118_pipelines.targets.definition import DEADLINE_WINDOW, Target


def deadline_policy(target: Target, district: District) -> dg.FreshnessPolicy | None:
    """The target's deadline as a freshness policy; None without a schedule."""
    schedule = target.model.schedule
    if schedule is None:
        return None
    return dg.FreshnessPolicy.cron(
        deadline_cron=schedule.deadline,
        lower_bound_delta=DEADLINE_WINDOW,
        timezone=schedule.time_zone or district.time_zone,
    )
