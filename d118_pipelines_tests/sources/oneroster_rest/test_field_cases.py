"""Exchanges with services as districts met them; the cases are in `cases/`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from d118_pipelines.errors import IncompleteExtractError, SourceError
from d118_pipelines_tests.docs.markdown import REPOSITORY
from d118_pipelines_tests.sources.oneroster_rest.pulls import (
    findings,
    identifiers,
    users_only,
)
from d118_pipelines_tests.support.oneroster_data import person
from d118_pipelines_tests.support.oneroster_server import Quirks
from d118_pipelines_tests.support.scripted_http import Reply, json_reply

CASES = REPOSITORY / "d118_pipelines_tests/cases"
PEOPLE = [person(number) for number in range(25)]
IDS = [row["sourcedId"] for row in PEOPLE]
PAGE = re.compile(
    r"offset=(\d+) *-> 200 +X-Total-Count: (\d+) +(?:Link: (\S+; rel=\"next\") +)?(\d+) rows"
)


def pages(name: str, *, with_total: bool = True) -> dict[int, Reply]:
    """The pages that a case describes, in their order."""
    text = (CASES / name / "case.http").read_text("utf-8")
    found = [page(match, with_total) for match in PAGE.finditer(text)]
    assert found
    return dict(enumerate(found))


def page(match: re.Match[str], with_total: bool) -> Reply:
    offset, total, link, rows = match.groups()
    headers = {"x_total_count": total} if with_total else {}
    if link:
        headers["link"] = link
    begin = int(offset)
    return json_reply({"users": PEOPLE[begin : begin + int(rows)]}, **headers)


def empty(**headers: str) -> Reply:
    return json_reply({"users": []}, **headers)


def test_case_26_a_next_link_to_itself_is_the_end_if_all_rows_are_here(
    tmp_path: Path,
) -> None:
    quirks = Quirks(replies=pages("26-rest-next-repeats-itself"))
    with users_only(PEOPLE, quirks, tmp_path, page_size=10) as case:
        pull = case.pull()
        assert len(case.server.requests) == 3

    assert identifiers(pull) == IDS
    assert pull.collections["users"].absence == "proven"
    assert findings(pull) == {"rest.next_repeats": 1}


def test_case_26_without_a_count_a_next_link_to_itself_is_a_failure(
    tmp_path: Path,
) -> None:
    replies = pages("26-rest-next-repeats-itself", with_total=False)
    with (
        users_only(PEOPLE, Quirks(replies=replies), tmp_path, page_size=10) as case,
        pytest.raises(IncompleteExtractError, match=r"rest\.paging_stuck") as caught,
    ):
        case.pull()

    assert caught.value.where == "users, offset 20"
    assert not case.is_anything_stored()


@pytest.mark.parametrize("link", ["?limit=10&offset=0", "?offset=x", ""])
def test_case_26_a_last_next_link_that_leads_back_or_nowhere(
    link: str, tmp_path: Path
) -> None:
    replies = pages("26-rest-next-repeats-itself")
    last = replies[2]
    headers = {**last.headers, "link": f'<{link}>; rel="next"'}
    quirks = Quirks(replies={**replies, 2: Reply(200, headers, last.body)})
    with users_only(PEOPLE, quirks, tmp_path, page_size=10) as case:
        assert identifiers(case.pull()) == IDS


COUNTED_ABOVE_RIGHTS = Quirks(total=32)


def test_case_27_rows_that_are_counted_but_never_sent_are_a_failure(
    tmp_path: Path,
) -> None:
    with (
        users_only(PEOPLE, COUNTED_ABOVE_RIGHTS, tmp_path, page_size=10) as case,
        pytest.raises(
            IncompleteExtractError, match="25 of 32 rows came, the page after is empty"
        ) as caught,
    ):
        case.pull()

    assert "trustTotal: false" in caught.value.next_step
    assert not case.is_anything_stored()


def test_case_27_without_the_count_they_are_kept_and_prove_less(tmp_path: Path) -> None:
    options: Mapping[str, Any] = {"page_size": 10, "paging": {"trust_total": False}}
    with users_only(PEOPLE, COUNTED_ABOVE_RIGHTS, tmp_path, **options) as case:
        pull = case.pull()

    assert identifiers(pull) == IDS
    assert pull.collections["users"].absence == "ended"


def test_case_28_a_count_of_the_page_is_never_that_of_all_rows(tmp_path: Path) -> None:
    first, second, _ = pages("28-rest-total-is-page-length").values()
    replies = dict(enumerate([first, second] * 3))
    with (
        users_only(PEOPLE, Quirks(replies=replies), tmp_path, page_size=10) as case,
        pytest.raises(IncompleteExtractError, match=r"rest\.unstable") as caught,
    ):
        case.pull()

    assert "trustTotal: false" in caught.value.next_step
    assert not case.is_anything_stored()


@pytest.mark.parametrize("total", ["page", "so far", 10, 20])
@pytest.mark.parametrize("max_limit", [None, 5, 10])
def test_case_28_a_short_count_is_contradicted_by_the_next_page(
    total: Any, max_limit: int | None, tmp_path: Path
) -> None:
    quirks = Quirks(total=total, max_limit=max_limit)
    with (
        users_only(PEOPLE, quirks, tmp_path, page_size=10) as case,
        pytest.raises(IncompleteExtractError, match=r"rest\.unstable"),
    ):
        case.pull()

    assert not case.is_anything_stored()


@pytest.mark.parametrize("ignores_offset", [False, True])
def test_case_28_a_count_of_the_page_that_holds_all_rows_is_no_proof(
    ignores_offset: bool, tmp_path: Path
) -> None:
    quirks = Quirks(total="page", ignores_offset=ignores_offset)
    with users_only(PEOPLE, quirks, tmp_path) as case:
        pull = case.pull()

    assert identifiers(pull) == IDS
    expected = "never" if ignores_offset else "ended"
    assert pull.collections["users"].absence == expected


def test_case_28_a_full_page_that_comes_again_is_not_all(tmp_path: Path) -> None:
    quirks = Quirks(total="page", ignores_offset=True)
    with (
        users_only(PEOPLE, quirks, tmp_path, page_size=10) as case,
        pytest.raises(IncompleteExtractError, match=r"rest\.paging_stuck"),
    ):
        case.pull()


@pytest.mark.parametrize(
    ("behind", "absence"),
    [
        (empty(x_total_count="25"), "proven"),
        (empty(), "proven"),
        (empty(x_total_count="0"), "ended"),
        (Reply(204), "ended"),
        (Reply(400), "ended"),
        (Reply(404), "ended"),
        (Reply(416), "ended"),
        (json_reply({}), "ended"),
    ],
)
def test_what_services_answer_behind_the_only_page(
    behind: Reply, absence: str, tmp_path: Path
) -> None:
    quirks = Quirks(replies={1: behind})
    with users_only(PEOPLE, quirks, tmp_path, page_size=26) as case:
        pull = case.pull()

    assert len(case.server.requests) == 2
    assert identifiers(pull) == IDS
    assert pull.collections["users"].absence == absence


@pytest.mark.parametrize("status", [204, 400, 403, 404, 416, 500])
def test_a_page_that_fails_behind_a_full_one_fails_the_pull(
    status: int, tmp_path: Path
) -> None:
    replies = {number: Reply(status) for number in range(1, 9)}
    with (
        users_only(PEOPLE, Quirks(replies=replies), tmp_path, page_size=25) as case,
        pytest.raises(Exception, match=rf"HTTP {status}"),
    ):
        case.pull()

    assert not case.is_anything_stored()


@pytest.mark.parametrize("status", [404, 500])
def test_the_configured_status_behind_the_end_is_a_proof(
    status: int, tmp_path: Path
) -> None:
    quirks = Quirks(end_status=status)
    options: Mapping[str, Any] = {"page_size": 25, "paging": {"end_status": status}}
    with users_only(PEOPLE, quirks, tmp_path, **options) as case:
        pull = case.pull()

    assert len(case.server.requests) == 2
    assert pull.collections["users"].absence == "proven"


def test_a_nested_answer_is_named_with_its_place(tmp_path: Path) -> None:
    row = b'{"sourcedId": "U1", "metadata": ' + b"[" * 800 + b"]" * 800 + b"}"
    bodies = [
        json_reply({"users": PEOPLE[:10]}),
        Reply(200, {}, b'{"users": [%s]}' % row),
    ]
    quirks = Quirks(replies=dict(enumerate(bodies)))
    with (
        users_only(PEOPLE, quirks, tmp_path, page_size=10) as case,
        pytest.raises(SourceError, match="nested more than 64 levels deep") as caught,
    ):
        case.pull()

    assert caught.value.what.startswith("FAILED rest.bad_payload ")
    assert caught.value.where == "users, offset 10"
