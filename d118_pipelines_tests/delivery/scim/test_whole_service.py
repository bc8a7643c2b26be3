"""What concerns all users: waiting, giving up, tokens, redirects, batches."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from d118_pipelines.delivery.scim.changes import ScimChange, ScimSettings
from d118_pipelines.delivery.scim.client import provision
from d118_pipelines.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectionLostError,
    D118Error,
    DestinationError,
    TimeLimitError,
    UnavailableError,
)
from d118_pipelines_tests.support.project import REPOSITORY
from d118_pipelines_tests.support.scim_users import (
    Notebook,
    created,
    row,
    settings,
)
from d118_pipelines_tests.support.scripted_http import (
    Reply,
    Request,
    ScriptedServer,
    json_reply,
)
from d118_pipelines_tests.support.scripted_scim import Fault, ScriptedScim, refusal


class Times:
    """Answers the first requests that create a user with a refusal."""

    def __init__(self, times: int, reply: Reply) -> None:
        self.left, self._reply = times, reply

    def __call__(self, request: Request) -> Reply | None:
        if request.method != "POST" or self.left == 0:
            return None
        self.left -= 1
        return self._reply


def failing(fault: Fault, error: type[D118Error], **options: object) -> tuple[str, int]:
    """The error's text and the number of requests."""
    service, notebook = ScriptedScim(fault=fault), Notebook()
    with service.server() as server, pytest.raises(error) as raised:
        provision(
            settings(server.url, **options), created([row(1)]), on_outcomes=notebook
        )
    assert notebook.outcomes == {}
    assert "canary" not in str(raised.value).lower()
    assert "user1" not in str(raised.value)
    return str(raised.value), len(server.requests)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_service_is_asked_again_three_times(status: int) -> None:
    notebook = Notebook()
    fault = Times(3, refusal(status))
    with ScriptedScim(fault=fault).server() as server:
        provision(settings(server.url), created([row(1)]), on_outcomes=notebook)

    assert notebook.of(1).status == "provisioned"
    assert len([r for r in server.requests if r.method == "POST"]) == 4


def test_a_user_who_is_put_off_four_times_stays_pending() -> None:
    notebook = Notebook()
    with ScriptedScim(fault=Times(4, refusal(503))).server() as server:
        report = provision(
            settings(server.url, concurrency=1),
            created([row(1), row(2)]),
            on_outcomes=notebook,
        )

    assert (notebook.of(1).status, notebook.of(1).error) == ("pending", "HTTP 503")
    assert notebook.of(2).status == "provisioned"
    assert report.counts == {"pending": 1, "provisioned": 1}


def test_a_retry_after_is_waited_for_by_all_users() -> None:
    notebook = Notebook()
    fault = Times(1, refusal(429, Retry_After="1"))
    with ScriptedScim(fault=fault).server() as server:
        started = time.monotonic()
        provision(
            settings(server.url, concurrency=1),
            created([row(1), row(2)]),
            on_outcomes=notebook,
        )

    assert time.monotonic() - started >= 1
    assert notebook.statuses() == {"provisioned"}


def test_a_longer_pause_than_allowed_leaves_the_user_pending_at_once() -> None:
    notebook = Notebook()
    fault = Times(1, refusal(429, Retry_After="3600"))
    with ScriptedScim(fault=fault).server() as server:
        provision(settings(server.url), created([row(1)]), on_outcomes=notebook)

    assert notebook.of(1).status == "pending"


def test_what_the_service_does_not_implement_is_not_asked_again() -> None:
    notebook = Notebook()
    with ScriptedScim(fault=Times(9, refusal(501))).server() as server:
        provision(settings(server.url), created([row(1)]), on_outcomes=notebook)

    assert (notebook.of(1).status, notebook.of(1).error) == ("failed", "HTTP 501")
    assert len([r for r in server.requests if r.method == "POST"]) == 1


def test_a_service_that_puts_off_everybody_is_left_alone() -> None:
    notebook = Notebook()
    users = created([row(n) for n in range(500)])
    with (
        ScriptedScim(fault=Times(-1, refusal(503))).server() as server,
        pytest.raises(UnavailableError, match=r"scim\.unavailable.*HTTP 503"),
    ):
        provision(settings(server.url), users, on_outcomes=notebook)

    assert len(notebook.outcomes) == 20
    assert notebook.statuses() == {"pending"}
    assert len(server.requests) < 4 * 60


def test_a_refused_token_stops_all() -> None:
    text, requests = failing(Times(-1, refusal(401)), AuthenticationError)

    assert "scim.authentication" in text
    assert requests == 3


def test_a_redirect_is_never_followed() -> None:
    elsewhere = ScriptedServer(lambda request: json_reply({}))
    with elsewhere:
        reply = Reply(307, {"Location": elsewhere.url + "/Users"})
        text, _ = failing(Times(-1, reply), DestinationError)

    assert "scim.redirect" in text
    assert elsewhere.requests == []


def test_an_address_without_scim_is_refused_before_any_user_is_sent() -> None:
    text, requests = failing(lambda request: Reply(404), DestinationError)

    assert "ServiceProviderConfig" in text
    assert requests == 1
    failing(lambda request: json_reply({"hello": 1}), DestinationError)
    failing(lambda request: Reply(200, {}, b"<html>"), DestinationError)
    failing(lambda request: refusal(403), AuthenticationError)
    failing(lambda request: refusal(503), UnavailableError)


def test_an_unreachable_service_is_a_lost_connection() -> None:
    with ScriptedScim().server() as server:
        closed = server.url

    with pytest.raises(ConnectionLostError, match=r"scim\.unreachable"):
        provision(settings(closed), created([row(1)]), on_outcomes=Notebook())


def test_a_silent_service_is_a_matter_of_time() -> None:
    text, _ = failing(
        Times(-1, Reply(201, {}, b"{}", delay=0.6)),
        TimeLimitError,
        timeout_seconds=0.2,
        pauses_seconds=(),
    )

    assert "0.2 s" in text


@pytest.mark.long
def test_outcomes_are_handed_over_in_order_and_in_batches_of_a_hundred() -> None:
    notebook = Notebook()
    progress: list[tuple[int, int]] = []
    with ScriptedScim().server() as server:
        report = provision(
            settings(server.url),
            created([row(n) for n in range(250)]),
            on_outcomes=notebook,
            on_progress=lambda done, total: progress.append((done, total)),
        )

    assert max(notebook.batches) <= 100
    assert list(notebook.outcomes) == [f"id-{n:05}" for n in range(250)]
    assert progress[-1] == (250, 250)
    assert report.used == "concurrent"


@pytest.mark.parametrize("supports", [("patch",), ("patch", "bulk")])
def test_a_batch_is_told_before_any_user_of_it_is_sent(
    supports: tuple[str, ...],
) -> None:
    service = ScriptedScim(supports=supports)
    told: list[str] = []

    def on_sending(changes: Sequence[ScimChange]) -> None:
        assert len(changes) <= 100
        there = {str(user["externalId"]) for user in service.users.values()}
        assert there == set(told)
        told.extend(change.key for change in changes)

    with service.server() as server:
        provision(
            settings(server.url),
            created([row(n) for n in range(250)]),
            on_outcomes=Notebook(),
            on_sending=on_sending,
        )

    assert len(told) == 250


def test_known_outcomes_are_handed_over_before_the_error() -> None:
    notebook = Notebook()
    seen = [0]

    def fault(request: Request) -> Reply | None:
        seen[0] += request.method == "POST"
        return refusal(401) if seen[0] > 40 else None

    with (
        ScriptedScim(fault=fault).server() as server,
        pytest.raises(AuthenticationError),
    ):
        provision(
            settings(server.url, concurrency=1),
            created([row(n) for n in range(100)]),
            on_outcomes=notebook,
        )

    assert len(notebook.outcomes) == 40
    assert notebook.statuses() == {"provisioned"}


def test_no_library_logs_addresses_with_user_names(
    caplog: pytest.LogCaptureFixture,
) -> None:
    service = ScriptedScim()
    service.add(userName="user1")
    with caplog.at_level(logging.DEBUG), service.server() as server:
        provision(settings(server.url), created([row(1)]), on_outcomes=Notebook())

    assert "user1" not in caplog.text


@pytest.mark.parametrize(
    "address",
    [
        "http://idp.example/scim",
        "https://name:word@idp.example/scim",
        "https://idp.example/scim?tenant=1",
        "https://idp.example:port",
        "idp.example",
        "",
    ],
)
def test_an_address_that_must_not_get_the_token_is_refused(address: str) -> None:
    with pytest.raises(ConfigurationError, match="base URL"):
        ScimSettings(address, "canary")


@pytest.mark.parametrize("token", ["", "two\nlines", "käse"])
def test_a_token_that_cannot_be_sent_is_refused_and_not_shown(token: str) -> None:
    with pytest.raises(ConfigurationError, match="token") as raised:
        ScimSettings("https://idp.example/scim", token)

    assert not token or token not in str(raised.value)
    assert "canary" not in repr(ScimSettings("https://idp.example", "canary"))


def test_a_missing_library_is_told_with_the_way_to_get_it() -> None:
    code = (
        "import sys; sys.modules['httpx2'] = None\n"
        "from d118_pipelines.delivery.scim.changes import ScimSettings\n"
        "from d118_pipelines.delivery.scim.client import provision\n"
        "settings = ScimSettings('https://idp.example', 'canary')\n"
        "provision(settings, [], on_outcomes=print)"
    )

    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY
    )

    assert "scim.not_installed  SCIM needs a library: httpx2" in ended.stderr
    assert "pip install '.[scim]'" in ended.stderr


def test_nothing_is_imported_before_it_is_used() -> None:
    source = Path(provision.__code__.co_filename).parent

    for file in source.glob("*.py"):
        for line in file.read_text("utf-8").splitlines():
            assert not line.startswith(("import httpx2", "from scim2", "import scim2"))
