"""A page that is not what Clever documents fails the whole pull."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from d118_pipelines.errors import (
    D118Error,
    IncompleteExtractError,
    SourceError,
    UnavailableError,
)
from d118_pipelines.sources.clever.pages import ListReader
from d118_pipelines.sources.http.client import HttpClient
from d118_pipelines_tests.sources.clever.district import (
    NoWaiting,
    pull_of,
    records,
    small_district,
    source_of,
)
from d118_pipelines_tests.support.clever_server import CleverServer, Quirk
from d118_pipelines_tests.support.scripted_http import Reply, ScriptedServer

FAULTS: list[tuple[Quirk, type[D118Error], str]] = [
    ("foreign_next", SourceError, r"clever\.bad_payload"),
    ("foreign_path", SourceError, r"clever\.bad_payload"),
    ("stuck_next", IncompleteExtractError, r"clever\.paging_stuck"),
    ("repeated_id", IncompleteExtractError, r"clever\.paging_stuck"),
    ("html", SourceError, r"clever\.bad_payload"),
    ("truncated", SourceError, r"clever\.bad_payload"),
    ("no_data", SourceError, r"clever\.bad_payload"),
    ("no_inner_data", SourceError, r"clever\.bad_payload"),
    ("data_is_object", SourceError, r"clever\.bad_payload"),
    ("no_links", SourceError, r"clever\.bad_payload"),
    ("lost_page", UnavailableError, r"clever\.http"),
    ("moved", SourceError, r"clever\.http"),
]


@pytest.mark.parametrize(("quirk", "error", "code"), FAULTS)
def test_fault_on_a_later_page_fails_the_pull_and_stores_nothing(
    tmp_path: Path, quirk: Quirk, error: type[D118Error], code: str
) -> None:
    quirks = {"users?role=student": quirk}
    with (
        CleverServer(small_district(students=5), cap=2, quirks=quirks) as server,
        pytest.raises(error, match=code) as caught,
    ):
        pull_of(source_of(server), tmp_path)

    assert list(tmp_path.iterdir()) == []
    assert server.token not in str(caught.value)
    assert "role=student" in server.requests[-1]


def test_failure_of_the_second_role_fails_the_pull(tmp_path: Path) -> None:
    quirks: dict[str, Quirk] = {"users?role=teacher": "lost_page"}
    with (
        CleverServer(small_district(teachers=3), cap=2, quirks=quirks) as server,
        pytest.raises(UnavailableError),
    ):
        pull_of(source_of(server), tmp_path)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("students", "pages"), [(999, 1), (1000, 2), (1001, 2)])
def test_last_page_may_be_empty(tmp_path: Path, students: int, pages: int) -> None:
    with CleverServer(small_district(students)) as server:
        pull = pull_of(source_of(server), tmp_path)

    asked = [r for r in server.requests if "role=student" in r]
    assert len(asked) == pages
    assert len(records(pull, "users")) == students + 2


def test_short_page_is_not_the_end(tmp_path: Path) -> None:
    with CleverServer(small_district(7), cap=2) as server:
        pull = pull_of(source_of(server), tmp_path)

    assert len(records(pull, "users")) == 7 + 2


@pytest.mark.parametrize("status", [400, 403, 404, 413, 501])
def test_final_status_is_not_tried_again(tmp_path: Path, status: int) -> None:
    with (
        CleverServer(small_district(), statuses={"sections": [status]}) as server,
        pytest.raises(SourceError, match=r"clever\.(http|forbidden|not_found)"),
    ):
        pull_of(source_of(server), tmp_path)

    assert len([r for r in server.requests if "/sections" in r]) == 1


def test_passing_refusals_are_waited_for(tmp_path: Path) -> None:
    clock = NoWaiting()
    statuses = {"users": [429], "sections": [503, 502, 500]}
    with CleverServer(small_district(), statuses=statuses, reset_in=9) as server:
        pull = pull_of(source_of(server, clock=clock), tmp_path)

    assert pull.collections["sections"].rows == 1
    assert 7 < clock.waits[0] < 10, "429 waits until the reset"


def test_reset_far_away_is_waited_for_two_minutes_at_most(tmp_path: Path) -> None:
    clock = NoWaiting()
    with CleverServer(
        small_district(), statuses={"users": [429]}, reset_in=3600
    ) as server:
        pull_of(source_of(server, clock=clock), tmp_path)

    assert 119 < max(clock.waits) <= 120


def test_nothing_is_asked_while_nothing_remains(tmp_path: Path) -> None:
    clock = NoWaiting()
    with CleverServer(small_district(), remaining=[5, 0], reset_in=30) as server:
        pull_of(source_of(server, clock=clock), tmp_path)

    assert [round(w) in (29, 30) for w in clock.waits] == [True]


def test_requests_keep_their_distance(tmp_path: Path) -> None:
    clock = NoWaiting()
    with CleverServer(small_district()) as server:
        pull_of(source_of(server, clock=clock, rate_limit=2.0), tmp_path)

    assert len(clock.waits) == len(server.requests) - 1
    assert all(1.0 < wait <= 2.0 for wait in clock.waits)


def envelope(record: bytes, link: bytes = b"") -> bytes:
    links = b'{"rel": "next", "uri": "%s"}' % link if link else b""
    return b'{"data": [{"data": %s}], "links": [%s]}' % (record, links)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (
            envelope(b'{"id": "a", "ext": ' + b"[" * 800 + b"]" * 800 + b"}"),
            "is nested more than 64 levels deep",
        ),
        (envelope(b'{"id": "a", "x": 1e999}'), "is not JSON"),
        (envelope(b'{"id": "a"}', b"http://["), "has a next link that is no address"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_place(body: bytes, fault: str) -> None:
    with ScriptedServer(lambda request: Reply(200, {}, body)) as server:
        client = HttpClient(server.url, code="clever")
        with (
            closing(client),
            pytest.raises(
                SourceError, match=rf"clever\.bad_payload  An answer {fault}"
            ) as caught,
        ):
            list(ListReader(client, "/schools").pages())

    assert caught.value.where.startswith("/schools at 127.0.0.1")
