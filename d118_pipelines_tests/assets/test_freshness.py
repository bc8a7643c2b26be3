"""How old assets may be where a blackout keeps them waiting: docs/reference/schedules.md."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from d118_pipelines.assets.freshness import (
    deadline_policy,
    longest_wait,
    provider_freshness,
)
from d118_pipelines.config.crons import crons_of
from d118_pipelines.config.guard_limits import Blackout
from d118_pipelines.config.project import Project
from d118_pipelines.targets.definition import DEADLINE_WINDOW
from d118_pipelines_tests.support.project import REPOSITORY


@pytest.mark.parametrize(
    ("today", "days"),
    [("2027-01-01", 46), ("2027-07-20", 46), ("2027-07-27", 46), ("2027-07-28", 0)],
)
def test_what_waits_in_a_blackout_may_be_older_by_its_days(
    today: str, days: int
) -> None:
    dates = {"from": dt.date(2027, 6, 5), "to": dt.date(2027, 7, 20)}
    summer = Blackout.model_validate({**dates, "reason": "summer"})
    [found] = Project(REPOSITORY, REPOSITORY / "var").providers()[:1]
    model = found.model.model_copy(update={"schedule": crons_of("daily")})
    zone, waits = ZoneInfo("America/Chicago"), dt.timedelta(days=days)

    assert longest_wait([summer], dt.date.fromisoformat(today)) == waits

    policy = provider_freshness(replace(found, model=model), zone, waits)
    windows = dt.timedelta(hours=50) + waits, dt.timedelta(hours=26) + waits
    assert policy == dg.FreshnessPolicy.time_window(*windows)
    sent = deadline_policy("0 6 * * *", zone, waits)
    if waits:
        longest = dt.timedelta(hours=24 + 6) + waits
        assert sent == dg.FreshnessPolicy.time_window(longest)
    else:
        assert sent == dg.FreshnessPolicy.cron("0 6 * * *", DEADLINE_WINDOW, zone.key)
