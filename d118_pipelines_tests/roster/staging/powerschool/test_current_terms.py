"""Which school year is current: the one rule for terms, classes and enrollments.

See docs/reference/powerschool.md, current terms.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import duckdb
import pytest

from d118_pipelines.errors import ConfigurationError
from d118_pipelines.roster.staging.powerschool import Prepared, prepare
from d118_pipelines_tests.roster.staging.powerschool.tables import (
    files_of,
    rows,
    settings,
)

SCHOOL = {"school_number": 5, "name": "WHS", "low_grade": 9, "high_grade": 12}
YEARS = {
    34: (dt.datetime(2024, 8, 14), dt.datetime(2025, 5, 30)),
    35: (dt.datetime(2025, 8, 13), dt.datetime(2026, 5, 29)),
}


def term(yearid: int, place: int = 0, **others: Any) -> dict[str, Any]:
    first, last = YEARS[yearid]
    number = yearid * 100 + place
    return {
        "dcid": number,
        "id": number,
        "schoolid": 5,
        "yearid": yearid,
        "isyearrec": int(place == 0),
        "portion": 1 if place == 0 else 2,
        "name": f"Term {number}",
        "abbreviation": f"{yearid - 10}-{yearid - 9}",
        "firstday": first,
        "lastday": last,
        **others,
    }


BOTH_YEARS = [term(34), term(34, 1), term(34, 2), term(35), term(35, 1), term(35, 2)]


def prepared(
    folder: Path,
    day: str,
    terms: list[dict[str, Any]],
    schools: list[dict[str, Any]] | None = None,
    **others: Any,
) -> Prepared:
    raw = files_of(folder / "raw", schools=schools or [SCHOOL], terms=terms)
    return prepare(raw, settings(dt.date.fromisoformat(day), **others), folder)


def current(made: Prepared, columns: str = "id") -> list[Any]:
    with duckdb.connect() as duck:
        file = made.files["current_terms"]
        return rows(duck, f"SELECT {columns} FROM '{file}' ORDER BY schoolid, id")


def codes(made: Prepared) -> list[Any]:
    with duckdb.connect() as duck:
        return rows(duck, f"SELECT code, external_id FROM '{made.findings_file}'")


@pytest.mark.parametrize(
    ("day", "lead", "tail", "year"),
    [
        ("2025-05-30", 21, 0, 34),
        ("2025-05-31", 21, 0, None),
        ("2025-06-15", 21, 0, None),
        ("2025-07-22", 21, 0, None),
        ("2025-07-23", 21, 0, 35),
        ("2025-07-25", 21, 59, 35),
        ("2025-07-10", 21, 59, 34),
        ("2025-07-28", 0, 59, 34),
        ("2025-07-29", 0, 59, None),
        ("2025-08-13", 0, 0, 35),
        ("2025-08-12", 0, 0, None),
    ],
)
def test_both_ends_of_the_window_are_inclusive_and_the_coming_year_wins(
    tmp_path: Path, day: str, lead: int, tail: int, year: int | None
) -> None:
    made = prepared(tmp_path, day, BOTH_YEARS, lead_days=lead, tail_days=tail)

    ids = [] if year is None else [year * 100, year * 100 + 1, year * 100 + 2]
    assert current(made) == ids
    assert made.is_in_term == (year is not None)


def test_a_running_year_wins_over_one_that_begins_later(tmp_path: Path) -> None:
    coming = term(35, firstday=dt.datetime(2025, 5, 31))

    made = prepared(tmp_path, "2025-05-30", [term(34), coming])

    assert current(made, "id, year_label, school_year") == [(3400, "24-25", 2025)]
    assert codes(made) == []


def test_of_two_running_years_the_highest_dcid_counts_and_is_reported(
    tmp_path: Path,
) -> None:
    terms = [
        term(34, dcid=900, firstday=dt.datetime(2024, 8, 1)),
        term(35, dcid=100, firstday=dt.datetime(2024, 8, 14)),
    ]

    made = prepared(tmp_path, "2025-05-30", terms)

    assert current(made) == [3400]
    assert codes(made) == [("powerschool.years_doubled", "5-3400")]


def test_a_year_without_both_days_is_ignored_and_reported(tmp_path: Path) -> None:
    made = prepared(tmp_path, "2025-09-01", [term(34), term(35, lastday=None)])

    assert not made.is_in_term
    assert codes(made) == [("powerschool.year_without_dates", "5-3500")]


def test_a_time_of_day_does_not_move_the_ends(tmp_path: Path) -> None:
    late = term(
        34,
        firstday=dt.datetime(2024, 8, 14, 23, 59),
        lastday=dt.datetime(2025, 5, 30, 7, 30),
    )

    first = prepared(tmp_path / "a", "2024-08-14", [late], lead_days=0)
    last = prepared(tmp_path / "b", "2025-05-30", [late], lead_days=0)

    assert first.is_in_term and last.is_in_term


def test_terms_are_found_by_school_and_year_not_by_their_numbers(
    tmp_path: Path,
) -> None:
    odd = term(35, 1, id=3488, dcid=7)
    other_school = term(35, 1, schoolid=1003, dcid=8)
    schools = [SCHOOL, {**SCHOOL, "school_number": 1003}]

    made = prepared(tmp_path, "2025-09-01", [term(35), odd, other_school], schools)

    assert current(made, "external_id") == ["5-3488", "5-3500"]


def test_each_school_has_a_year_of_its_own(tmp_path: Path) -> None:
    schools = [SCHOOL, {**SCHOOL, "school_number": 1003}]
    early = term(35, schoolid=1003, dcid=9, firstday=dt.datetime(2025, 7, 1))

    made = prepared(tmp_path, "2025-07-05", [*BOTH_YEARS, early], schools)

    assert current(made, "external_id") == ["1003-3500"]
    assert made.is_in_term


def test_excluded_buildings_have_no_terms_unless_the_option_is_off(
    tmp_path: Path,
) -> None:
    office = {"school_number": 0, "name": "DO", "state_excludefromreporting": 1}
    terms = [term(35), term(35, schoolid=0, dcid=9)]

    kept = prepared(tmp_path / "a", "2025-09-01", terms, [SCHOOL, office])
    everything = prepared(
        tmp_path / "b", "2025-09-01", terms, [SCHOOL, office], state_exclude=False
    )

    assert current(kept, "external_id") == ["5-3500"]
    assert current(everything, "external_id") == ["0-3500", "5-3500"]


def test_a_district_whose_buildings_are_all_excluded_is_a_wrong_setting(
    tmp_path: Path,
) -> None:
    office = {**SCHOOL, "state_excludefromreporting": 1}

    with pytest.raises(
        ConfigurationError, match="no building that the roster may keep"
    ):
        prepared(tmp_path, "2025-09-01", [term(35)], [office])
