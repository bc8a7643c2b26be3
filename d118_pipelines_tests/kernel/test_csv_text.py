"""Reports as CSV: what a spreadsheet would run as a formula stays text."""

from __future__ import annotations

import csv
import datetime as dt
import io
from typing import Any

import pytest

from d118_pipelines.kernel.csv_text import csv_text


def cells(value: Any) -> str:
    """The value as the csv module reads it back."""
    [row] = csv.DictReader(io.StringIO(csv_text([{"it": value}])))
    return row["it"]


@pytest.mark.parametrize("sign", list("=+-@＝＋－＠"))
def test_a_text_that_begins_like_a_formula_gets_an_apostrophe(sign: str) -> None:
    assert cells(f'{sign}HYPERLINK("x")') == f'\'{sign}HYPERLINK("x")'


@pytest.mark.parametrize(
    ("value", "read"),
    [(-5, "-5"), (1234567, "1234567"), (True, "yes"), (None, ""), ("a=b", "a=b")],
)
def test_numbers_stay_numbers_and_other_texts_stay_as_they_are(
    value: Any, read: str
) -> None:
    assert cells(value) == read


def test_lists_and_times_are_written_as_people_read_them() -> None:
    assert cells(["=a", 1000]) == "'=a, 1,000"
    assert cells(dt.datetime(2026, 8, 17, 4, 15, tzinfo=dt.UTC)) == (
        "2026-08-17 04:15 UTC"
    )


def test_no_rows_are_an_empty_text() -> None:
    assert csv_text([]) == ""
