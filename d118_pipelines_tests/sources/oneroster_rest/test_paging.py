"""Every way in which real services page wrongly: all rows arrive, or the pull fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from d118_pipelines.errors import IncompleteExtractError, SourceError
from d118_pipelines_tests.sources.oneroster_rest.pulls import (
    findings,
    identifiers,
    users_only,
)
from d118_pipelines_tests.support.oneroster_data import person
from d118_pipelines_tests.support.oneroster_server import Quirks
from d118_pipelines_tests.support.scripted_http import Reply, json_reply

PEOPLE = [person(number) for number in range(120)]
IDS = [row["sourcedId"] for row in PEOPLE]


def test_a2_d3_a_lowered_limit_with_a_count_gives_all_rows(tmp_path: Path) -> None:
    with users_only(PEOPLE, Quirks(max_limit=50), tmp_path) as case:
        pull = case.pull()

    assert identifiers(pull) == IDS
    assert pull.collections["users"].absence == "proven"
    assert pull.collections["users"].source_total == 120
    asked = [(r.query["offset"], r.query["limit"]) for r in case.server.requests]
    assert asked == [("0", "1000"), ("50", "1000"), ("100", "1000")]
    for request in case.server.requests:
        assert request.query["sort"] == "sourcedId"
        assert request.query["orderBy"] == "asc"


def test_d3_a_lowered_limit_without_a_count_ends_at_an_empty_page(
    tmp_path: Path,
) -> None:
    people = [person(number) for number in range(630)]
    quirks = Quirks(max_limit=500, total=None)
    with users_only(people, quirks, tmp_path) as case:
        pull = case.pull()

    assert len(identifiers(pull)) == 630
    assert pull.collections["users"].absence == "ended"
    assert [r.query["offset"] for r in case.server.requests] == ["0", "500", "630"]


FAILING: dict[str, tuple[Quirks, str]] = {
    "count too high": (Quirks(max_limit=50, total=121), "incomplete"),
    "count too low": (Quirks(max_limit=50, total=119), "unstable"),
    "count changes": (Quirks(max_limit=50, total=[120, 121] * 3), "unstable"),
    "page repeated": (Quirks(max_limit=50, repeats=0), "paging_stuck"),
    "page repeated, no count": (
        Quirks(max_limit=50, repeats=0, total=None),
        "paging_stuck",
    ),
    "offset ignored": (Quirks(max_limit=50, ignores_offset=True), "paging_stuck"),
    "offset ignored, no count": (
        Quirks(ignores_offset=True, total=None),
        "paging_stuck",
    ),
    "link sticks": (Quirks(max_limit=50, next_link="sticks"), "paging_stuck"),
    "link without any parameter": (
        Quirks(
            max_limit=50,
            replies={
                0: Reply(
                    200,
                    {"Link": "</users>; rel=next"},
                    b'{"users": [{"sourcedId": "U0000000"}]}',
                )
            },
            ignores_offset=True,
        ),
        "paging_stuck",
    ),
}


@pytest.mark.parametrize("name", FAILING)
def test_what_is_not_whole_is_not_stored(name: str, tmp_path: Path) -> None:
    quirks, word = FAILING[name]
    with (
        users_only(PEOPLE, quirks, tmp_path) as case,
        pytest.raises(IncompleteExtractError, match=rf"FAILED rest\.{word} "),
    ):
        case.pull()

    assert not case.is_anything_stored()


PASSING: dict[str, tuple[Quirks, str, dict[str, int]]] = {
    "right links": (Quirks(max_limit=50, next_link="right"), "proven", {}),
    "links that skip": (
        Quirks(max_limit=50, next_link="skips"),
        "proven",
        {"rest.next_skips": 2},
    ),
    "foreign links": (
        Quirks(max_limit=50, next_link="foreign"),
        "proven",
        {"rest.foreign_next": 2},
    ),
    "links with a cursor": (
        Quirks(max_limit=50, next_link="bare", total=None),
        "ended",
        {},
    ),
    "sort refused, count": (
        Quirks(max_limit=50, refuses_sort=True),
        "proven",
        {"rest.unsorted": 1},
    ),
    "sort refused, no count": (
        Quirks(max_limit=50, refuses_sort=True, total=None),
        "never",
        {"rest.unsorted": 1},
    ),
    "offset ignored, one page": (
        Quirks(ignores_offset=True, next_link="sticks"),
        "never",
        {"rest.paging_ignored": 1},
    ),
    "an error behind the end": (
        Quirks(max_limit=50, total=None, end_status=404),
        "ended",
        {},
    ),
    "count changes once": (
        Quirks(max_limit=50, total=[120, 121, 120, 120, 120]),
        "proven",
        {},
    ),
}


@pytest.mark.parametrize("name", PASSING)
def test_what_is_whole_is_stored_with_what_it_proves(name: str, tmp_path: Path) -> None:
    quirks, absence, codes = PASSING[name]
    paging = {"end_status": quirks.end_status}
    with users_only(PEOPLE, quirks, tmp_path, paging=paging) as case:
        pull = case.pull()

    assert identifiers(pull) == IDS
    assert pull.collections["users"].absence == absence
    assert findings(pull) == codes


def test_a_link_that_does_not_move_on_is_not_followed(tmp_path: Path) -> None:
    quirks = Quirks(max_limit=50, next_link="sticks")
    with (
        users_only(PEOPLE, quirks, tmp_path) as case,
        pytest.raises(IncompleteExtractError, match="link does not move on"),
    ):
        case.pull()

    assert len(case.server.requests) == 1


@pytest.mark.parametrize("second", [[0, 3], [1, 2], [2, 0, 1]])
def test_a_page_that_begins_as_an_earlier_one_or_has_nothing_new_fails(
    second: list[int], tmp_path: Path
) -> None:
    pages = [PEOPLE[:3], [PEOPLE[number] for number in second]]
    replies = {n: json_reply({"users": rows}) for n, rows in enumerate(pages)}
    with (
        users_only(PEOPLE, Quirks(replies=replies), tmp_path) as case,
        pytest.raises(IncompleteExtractError, match=r"rest\.paging_stuck"),
    ):
        case.pull()

    assert len(case.server.requests) == 2


def test_d2_a_foreign_next_link_gives_only_its_parameters(tmp_path: Path) -> None:
    quirks = Quirks(max_limit=50, next_link="foreign")
    with users_only(PEOPLE, quirks, tmp_path) as case:
        case.pull()

    assert {r.path for r in case.server.requests} == {"/ims/oneroster/v1p1/users"}


def test_a_page_that_comes_again_after_the_last_row_is_the_end(tmp_path: Path) -> None:
    headers = {"X-Total-Count": "120", "Link": '<?offset=120>; rel="next"'}
    whole = Reply(200, headers, json.dumps({"users": PEOPLE}).encode())
    with users_only(PEOPLE, Quirks(replies={0: whole, 1: whole}), tmp_path) as case:
        pull = case.pull()

    assert identifiers(pull) == IDS
    assert findings(pull) == {"rest.paging_ignored": 1}


def test_rows_sent_twice_are_kept_in_order_and_reported(tmp_path: Path) -> None:
    people = [*PEOPLE[:60], {**PEOPLE[10], "givenName": "Later"}, *PEOPLE[60:]]
    with users_only(people, Quirks(max_limit=50), tmp_path) as case:
        pull = case.pull()

    assert len(identifiers(pull)) == 121
    assert identifiers(pull)[60] == IDS[10]
    assert findings(pull) == {"rest.duplicate_row": 1}
    assert pull.collections["users"].absence == "ended"


def test_a_count_that_is_not_trusted_is_not_used(tmp_path: Path) -> None:
    quirks, paging = Quirks(max_limit=50, total=7), {"trust_total": False}
    with users_only(PEOPLE, quirks, tmp_path, paging=paging) as case:
        pull = case.pull()

    assert identifiers(pull) == IDS
    assert pull.collections["users"].absence == "ended"


@pytest.mark.parametrize("paging", [{"max_rows": 119}, {"max_pages": 2}])
def test_a_collection_without_end_is_given_up(
    paging: dict[str, Any], tmp_path: Path
) -> None:
    quirks = Quirks(max_limit=50)
    with (
        users_only(PEOPLE, quirks, tmp_path, paging=paging) as case,
        pytest.raises(IncompleteExtractError, match=r"rest\.too_many_pages"),
    ):
        case.pull()

    assert not case.is_anything_stored()


def test_rows_without_identifier_are_kept_for_their_rejection(tmp_path: Path) -> None:
    people = [*PEOPLE[:3], {"givenName": "A"}, {"givenName": "B"}]
    with users_only(people, Quirks(), tmp_path) as case:
        pull = case.pull()

    assert pull.collections["users"].rows == 5


BAD_BODIES = {
    "html": b"<html>canary</html>",
    "nothing": b"",
    "another key": b'{"people": []}',
    "no object": b"[]",
    "no list": b'{"users": {}}',
    "null": b'{"users": null}',
    "no rows": b'{"users": ["U1"]}',
    "not a number": b'{"users": [{"sourcedId": NaN}]}',
    "nested without end": b"[" * 100_000,
    "envelope": b'{"imsx_codeMajor": "failure", "imsx_description": "canary"}',
    "wrapped envelope": b'{"imsx_StatusInfo": {"imsx_codeMajor": "failure"}}',
    "envelope with list": b'{"imsx_codeMajor": "failure", "users": []}',
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_bad_answer_with_status_200_is_never_an_empty_list(
    name: str, tmp_path: Path
) -> None:
    quirks = Quirks(max_limit=50, replies={1: Reply(200, {}, BAD_BODIES[name])})
    with (
        users_only(PEOPLE, quirks, tmp_path) as case,
        pytest.raises(SourceError, match=r"FAILED rest\.bad_payload") as caught,
    ):
        case.pull()

    assert len(case.server.requests) == 2
    assert not case.is_anything_stored()
    assert "canary" not in str(caught.value)
