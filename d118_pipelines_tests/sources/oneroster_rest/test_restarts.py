"""A collection that begins again leaves nothing of its first beginning."""

from __future__ import annotations

from pathlib import Path

import pytest

from d118_pipelines.errors import IncompleteExtractError
from d118_pipelines.sources.pull import WRITE_ROWS
from d118_pipelines_tests.sources.oneroster_rest.pulls import (
    findings,
    identifiers,
    users_only,
)
from d118_pipelines_tests.support.oneroster_data import person
from d118_pipelines_tests.support.oneroster_server import Quirks
from d118_pipelines_tests.support.scripted_http import json_reply

PEOPLE = [person(number) for number in range(6)]


def test_rows_already_written_to_the_file_are_discarded(tmp_path: Path) -> None:
    many = [{"sourcedId": f"X{number}"} for number in range(WRITE_ROWS)]
    begun = json_reply({"users": many}, x_total_count=str(WRITE_ROWS + 5))
    moved = json_reply({"users": [{"sourcedId": "Y"}]}, x_total_count="7")
    quirks = Quirks(replies={0: begun, 1: moved})
    with users_only(PEOPLE, quirks, tmp_path) as case:
        pull = case.pull()

    assert identifiers(pull) == [row["sourcedId"] for row in PEOPLE]
    assert pull.collections["users"].rows == 6


def test_findings_of_the_first_beginning_are_discarded(tmp_path: Path) -> None:
    doubled = json_reply({"users": [PEOPLE[0], PEOPLE[0]]}, x_total_count="6")
    moved = json_reply({"users": PEOPLE}, x_total_count="7")
    quirks = Quirks(replies={0: doubled, 1: moved})
    with users_only(PEOPLE, quirks, tmp_path) as case:
        pull = case.pull()

    assert findings(pull) == {}


def test_a_count_that_moves_three_times_fails(tmp_path: Path) -> None:
    pages = [
        json_reply({"users": [PEOPLE[number % 2]]}, x_total_count=str(6 + number % 2))
        for number in range(6)
    ]
    quirks = Quirks(replies=dict(enumerate(pages)))
    with (
        users_only(PEOPLE, quirks, tmp_path) as case,
        pytest.raises(IncompleteExtractError, match=r"rest\.unstable"),
    ):
        case.pull()

    assert len(case.server.requests) == 6
    assert not case.is_anything_stored()


def test_an_empty_page_before_the_count_is_reached_fails(tmp_path: Path) -> None:
    empty = json_reply({"users": []}, x_total_count="6")
    quirks = Quirks(max_limit=2, replies={1: empty})
    with (
        users_only(PEOPLE, quirks, tmp_path) as case,
        pytest.raises(IncompleteExtractError, match="2 of 6 rows came"),
    ):
        case.pull()

    assert not case.is_anything_stored()


def test_a_service_that_counts_repeated_rows_proves_less(tmp_path: Path) -> None:
    people = [*PEOPLE[:3], PEOPLE[2], *PEOPLE[3:]]
    with users_only(people, Quirks(max_limit=4), tmp_path) as case:
        pull = case.pull()

    assert pull.collections["users"].source_total == 7
    assert pull.collections["users"].absence == "ended"
    assert len(case.server.requests) == 3
