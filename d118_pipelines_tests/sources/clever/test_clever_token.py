"""Which token is sent, when it is read again, and what a test of the connection says."""

from __future__ import annotations

from pathlib import Path

import pytest

from d118_pipelines.errors import AuthenticationError
from d118_pipelines_tests.sources.clever.district import (
    DISTRICT,
    NoWaiting,
    clever_id,
    pull_of,
    small_district,
    source_of,
)
from d118_pipelines_tests.support.clever_server import (
    CLIENT_ID,
    CLIENT_SECRET,
    CleverServer,
)

CLIENT = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}


def test_token_is_fetched_once_with_id_and_secret(tmp_path: Path) -> None:
    with CleverServer(small_district(), district=DISTRICT) as server:
        pull_of(source_of(server, **CLIENT), tmp_path)

    assert server.token_requests == [
        f"/oauth/tokens?owner_type=district&district={DISTRICT}"
    ]


def test_token_of_the_settings_is_sent_without_asking(tmp_path: Path) -> None:
    with CleverServer(small_district(), district=DISTRICT) as server:
        pull_of(source_of(server, access_token=server.token, **CLIENT), tmp_path)

    assert server.token_requests == []


def test_refused_token_that_has_changed_is_replaced_once(tmp_path: Path) -> None:
    with CleverServer(small_district(), district=DISTRICT) as server:
        source = source_of(server, access_token="of-yesterday", **CLIENT)
        pull = pull_of(source, tmp_path)

    assert pull.collections["users"].rows == 5
    assert len(server.token_requests) == 1
    assert server.refused == 1


def test_refused_token_that_has_not_changed_ends_the_pull(tmp_path: Path) -> None:
    statuses = {"schools": [401, 401]}
    with (
        CleverServer(small_district(), district=DISTRICT, statuses=statuses) as server,
        pytest.raises(AuthenticationError, match=r"clever\.auth"),
    ):
        pull_of(source_of(server, access_token=server.token, **CLIENT), tmp_path)

    assert len(server.token_requests) == 1
    assert len([r for r in server.requests if "/schools" in r]) == 1
    assert list(tmp_path.iterdir()) == []


def test_refused_token_without_client_ends_the_pull(tmp_path: Path) -> None:
    with (
        CleverServer(small_district()) as server,
        pytest.raises(AuthenticationError, match=r"clever\.auth") as caught,
    ):
        pull_of(source_of(server, access_token="of-yesterday"), tmp_path)

    assert server.requests == [server.requests[0]]
    assert "of-yesterday" not in str(caught.value)


@pytest.mark.parametrize(
    ("client", "district"),
    [
        ({"client_id": "x", "client_secret": "not-this"}, DISTRICT),
        (CLIENT, clever_id("district", 2)),
    ],
)
def test_district_without_a_token_is_an_error_of_the_login(
    tmp_path: Path, client: dict[str, str], district: str
) -> None:
    with (
        CleverServer(small_district(), district=district) as server,
        pytest.raises(AuthenticationError, match=r"clever\.auth") as caught,
    ):
        pull_of(source_of(server, **client), tmp_path)

    assert server.requests == []
    assert client["client_secret"] not in str(caught.value)


def test_connection_test_names_what_can_be_read() -> None:
    with CleverServer(small_district(), district=DISTRICT) as server:
        report = source_of(server, **CLIENT).test()

    assert report.success
    assert report.message == "Successfully connected to Clever"
    assert report.latency_seconds > 0
    assert report.details["readable"] == (
        "districts, schools, terms, courses, users (student), users (teacher), "
        "users (staff), users (district_admin), sections"
    )
    assert all("limit=1" in request for request in server.requests)


def test_connection_test_names_what_is_not_shared() -> None:
    shared = ["districts", "schools", "users", "courses", "terms"]
    with CleverServer(small_district(), scopes=shared) as server:
        report = source_of(server).test()

    assert not report.success
    assert report.details["refused"] == "sections"
    assert "clever.not_found" in report.message


def test_connection_test_with_a_wrong_token_says_so() -> None:
    with CleverServer(small_district()) as server:
        report = source_of(server, access_token="of-yesterday").test()

    assert not report.success
    assert "clever.auth" in report.message
    assert len(server.requests) == 1


@pytest.mark.parametrize("login", [{}, CLIENT])
def test_connection_test_of_a_dead_server_is_not_repeated(
    login: dict[str, str],
) -> None:
    clock = NoWaiting()
    with CleverServer(small_district()) as server:
        source = source_of(server, clock=clock, **login)

    report = source.test()

    assert not report.success
    assert clock.waits == []
    assert "clever.unreachable" in report.message
