"""The import cycle and the watermark: the parts of the ledger that need no database.

Everything else about the ledger is tested over whole runs: `faults/test_smartfind_*`.
"""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from d118_pipelines.targets.ledger import cycle_start, parse_watermark
from d118_pipelines.targets.model import Ledger

CHICAGO = ZoneInfo("America/Chicago")


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("now", "start"),
    [
        ("2026-11-22 05:59", "2026-11-21 06:00"),
        ("2026-11-22 06:00", "2026-11-22 06:00"),
        ("2026-07-01 04:59", "2026-06-30 05:00"),
        ("2026-07-01 05:00", "2026-07-01 05:00"),
        # The days on which the clocks change begin before the change.
        ("2026-03-08 12:00", "2026-03-08 06:00"),
        ("2026-03-09 04:59", "2026-03-08 06:00"),
        ("2026-11-01 06:30", "2026-11-01 05:00"),
        ("2026-11-01 07:30", "2026-11-01 05:00"),
        ("2026-11-02 05:59", "2026-11-01 05:00"),
    ],
)
def test_cycle_of_a_day_begins_at_midnight_of_the_district(
    now: str, start: str
) -> None:
    assert cycle_start(Ledger(), utc(now), CHICAGO) == utc(start)


def test_cycle_of_a_run_begins_with_the_run() -> None:
    now = utc("2026-11-22 05:59")

    assert cycle_start(Ledger(cycle="run"), now, CHICAGO) == now


@pytest.mark.parametrize(
    ("text", "number"),
    [("9000", 9000), (" 9000 \r\n", 9000), ("0", 0), ("12\nanything\n", 12)],
)
def test_watermark_is_the_number_on_the_first_line(text: str, number: int) -> None:
    assert parse_watermark(text) == number


@pytest.mark.parametrize(
    "text", ["", "  \n", "\n9000", "-1", "9,000", "9000.0", "None", "٣", "90 00"]
)
def test_anything_else_is_no_watermark(text: str) -> None:
    with pytest.raises(ValueError, match="not a whole number"):
        parse_watermark(text)
