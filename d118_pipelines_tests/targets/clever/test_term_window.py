"""When Clever's files are made: the window of the school year, and nothing outside it.

Rule: docs/reference/clever_sftp.md, terms.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from d118_pipelines.errors import ExportError
from d118_pipelines_tests.targets.clever.small_district import (
    TAUGHT,
    CleverSync,
    District,
)

OPEN = ("2026-07-27", "2026-08-17", "2026-12-31", "2027-05-28")
CLOSED = ("2026-07-26", "2027-05-29", "2027-07-01")


@pytest.mark.long
def test_the_window_opens_21_days_before_the_year_and_ends_with_its_last_day(
    tmp_path: Path,
) -> None:
    sync = CleverSync(tmp_path)
    sync.pull()

    made = [day for day in (*OPEN, *CLOSED) if sync.on(day).is_made()]

    assert made == list(OPEN)


@pytest.mark.long
def test_the_last_day_ends_at_midnight_in_the_district(tmp_path: Path) -> None:
    sync = CleverSync(tmp_path)
    sync.pull()
    chicago = dt.timezone(dt.timedelta(hours=-5))

    sync.now = dt.datetime(2027, 5, 28, 23, 59, tzinfo=chicago)
    before = sync.is_made()
    sync.now = dt.datetime(2027, 5, 29, 0, 0, tzinfo=chicago)
    after = sync.is_made()

    assert before
    assert not after


@pytest.mark.long
def test_between_terms_nothing_is_sent_and_the_last_files_stay(tmp_path: Path) -> None:
    sync = CleverSync(tmp_path).on("2027-05-27")
    sync.run()
    before = sync.files()
    sync.on("2027-06-15").pull()

    assert not sync.is_made()
    with pytest.raises(ExportError, match="term"):
        sync.deliver()

    assert set(before) == {"Students.csv", "Teachers.csv", "Sections.csv"}
    assert sync.files() == before


@pytest.mark.long
def test_the_coming_year_wins_over_one_that_has_ended(tmp_path: Path) -> None:
    district = District()
    days = dt.date(2027, 8, 16), dt.date(2028, 5, 26)
    for school in (5, 2001):
        district.add_term(school, 3700, "27-28", *days)
    district.add_section(1, term=3700, **TAUGHT)
    sync = CleverSync(tmp_path, district, tail_days=80)

    ending = sync.on("2027-07-25").made().sections()
    coming = sync.on("2027-07-26").made().sections()

    assert set(ending) == {"51234"}
    assert set(coming) == {"1"}
    assert coming["1"]["Term_name"] == "Year 27-28"


@pytest.mark.long
def test_of_two_running_years_the_newest_row_counts_and_is_reported(
    tmp_path: Path,
) -> None:
    district = District()
    district.add_term(5, 3500, "old", dt.date(2026, 7, 1), dt.date(2027, 6, 30))
    district.add_section(1, term=3500, **TAUGHT)

    made = CleverSync(tmp_path, district).made()

    assert set(made.sections()) == {"1"}
    assert ("years_doubled", "5") in made.findings()


@pytest.mark.long
def test_a_year_without_its_days_is_ignored_and_reported(tmp_path: Path) -> None:
    district = District()
    district.tables["terms"][3]["lastday"] = None

    made = CleverSync(tmp_path, district).made()

    assert set(made.sections()) == {"51234"}
    assert made.findings() == {("year_without_dates", "2001/3600"): "TERMS"}
