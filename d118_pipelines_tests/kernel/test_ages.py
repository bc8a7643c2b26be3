"""Which of the first things are too old, also after a clock was wrong."""

from __future__ import annotations

import datetime as dt

import pytest

from d118_pipelines.kernel.ages import count_older

NOW = dt.datetime(2026, 11, 2, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("days_ago", "older"),
    [
        ([], 0),
        ([40, 20, 10], 1),
        ([40, 31, 30, 29], 2),
        ([50, 40], 2),
        # A clock that was behind makes nothing older than what was there before it.
        ([20, 20_000, 10], 0),
        ([40, 20_000, 10], 2),
        # A clock that was ahead: what came next says how old it is.
        ([40, -9_000, 35, 10], 3),
        ([40, -9_000, 10], 1),
        ([40, -9_000], 1),
        ([-9_000, -8_000], 0),
        # Ahead by days and not by years: what came after it is kept a little longer.
        ([50, 10, 40, 5], 1),
    ],
)
def test_age_follows_the_order_of_runs(days_ago: list[int], older: int) -> None:
    times = [NOW - dt.timedelta(days=days) for days in days_ago]

    assert count_older(times, NOW - dt.timedelta(days=30), now=NOW) == older
