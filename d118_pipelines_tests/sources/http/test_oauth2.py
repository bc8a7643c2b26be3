"""Tokens: how they are asked for, how long they live, and what a 401 leads to."""

from __future__ import annotations

import base64
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import httpx
import pytest

from d118_pipelines.errors import (
    AuthenticationError,
    ConfigurationError,
    SourceError,
    UnavailableError,
)
from d118_pipelines.sources.http.bearer import Bearer
from d118_pipelines.sources.http.client import HttpClient
from d118_pipelines.sources.http.oauth2 import ClientCredentials
from d118_pipelines_tests.support.oneroster_data import district
from d118_pipelines_tests.support.oneroster_server import (
    BearerGate,
    OneRosterServer,
    TokenGate,
)
from d118_pipelines_tests.support.scripted_http import (
    Reply,
    Request,
    ScriptedServer,
    VirtualClock,
    json_reply,
)

SECRET = "canary-client-secret"


@contextmanager
def service(
    gate: TokenGate, **options: Any
) -> Iterator[tuple[HttpClient, OneRosterServer, VirtualClock]]:
    clock = VirtualClock()
    with OneRosterServer(district(), gate=gate, clock=clock) as server:
        settings = {"scopes": ["core", "more"], "clock": clock, **options}
        auth = ClientCredentials(server.token_url, "client-id", SECRET, **settings)
        client = HttpClient(
            server.url, auth=auth, clock=clock, jitter=lambda longest: longest
        )
        with closing(client):
            yield client, server, clock


@pytest.mark.parametrize("way", ["basic", "body", "query"])
def test_a_token_is_fetched_once_and_sent_with_every_request(way: str) -> None:
    gate = TokenGate()
    with service(gate, client_auth=way) as (client, server, _):
        for _ in range(3):
            client.get("/users")

    [form] = gate.forms
    [asked] = server.asked("token")
    assert (asked.body == b"") == (way == "query")
    assert form["grant_type"] == "client_credentials"
    assert form["scope"] == "core more"
    assert ("client_secret" in form) == (way == "body")
    sent = [r.authorization for r in server.asked("users")]
    assert sent == ["Bearer canary-token-0"] * 3


@pytest.mark.parametrize(
    ("life", "seconds"),
    [(3600, 3300), ("3600", 3300), (100, 90), (None, 3300), ("soon", 3300), (-1, 3300)],
)
def test_a_token_is_renewed_shortly_before_its_end(life: Any, seconds: float) -> None:
    gate = TokenGate(expires_in=life)
    with service(gate) as (client, _, clock):
        client.get("/users")
        clock.sleep(seconds - 1)
        client.get("/users")
        assert len(gate.forms) == 1
        clock.sleep(1)
        client.get("/users")
        assert len(gate.forms) == 2


def test_a_token_that_ends_early_is_renewed_and_the_request_repeated() -> None:
    gate = TokenGate(uses=2)
    with service(gate) as (client, server, _):
        for _ in range(6):
            assert client.get("/users").status == 200

    assert len(gate.forms) == 3
    assert len(server.asked("users")) == 8


def test_a3_two_401_mean_one_new_token_and_then_failure() -> None:
    gate = TokenGate(uses=0)
    with (
        service(gate) as (client, server, _),
        pytest.raises(AuthenticationError, match=r"FAILED rest\.auth"),
    ):
        client.get("/users")

    assert len(gate.forms) == 2
    assert len(server.asked("users")) == 2


def test_unknown_scopes_are_replaced_once_by_the_wider_one() -> None:
    gate = TokenGate(scopes=["wide"])
    with service(gate, fallback_scope="wide") as (client, _, _):
        client.get("/users")

    assert [form["scope"] for form in gate.forms] == ["core more", "wide"]


def test_unknown_scopes_without_a_wider_one_fail() -> None:
    gate = TokenGate(scopes=["wide"])
    with (
        service(gate) as (client, _, _),
        pytest.raises(AuthenticationError, match="invalid_scope"),
    ):
        client.get("/users")

    assert len(gate.forms) == 1


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_token_endpoint_that_refuses_is_asked_once(status: int) -> None:
    refused = json_reply(
        {"error": "invalid_client", "error_description": "canary-description"},
        status=status,
    )
    gate = TokenGate(replies={0: refused})
    with (
        service(gate) as (client, server, _),
        pytest.raises(AuthenticationError, match="invalid_client") as caught,
    ):
        client.get("/users")

    assert len(gate.forms) == 1
    assert server.asked("users") == []
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_token_endpoint_is_asked_again(status: int) -> None:
    gate = TokenGate(replies={0: Reply(status), 1: Reply(status)})
    with service(gate) as (client, _, clock):
        assert client.get("/users").status == 200

    assert len(gate.forms) == 3
    assert clock.sleeps == [1, 2]


def test_a_token_endpoint_that_stays_busy_is_asked_six_times_in_all() -> None:
    gate = TokenGate(replies={n: Reply(503) for n in range(40)})
    with service(gate) as (client, server, _), pytest.raises(UnavailableError):
        client.get("/users")

    assert len(gate.forms) == 6
    assert server.asked("users") == []


@pytest.mark.parametrize(
    "answer",
    [
        {},
        [],
        {"access_token": "canary-x", "token_type": "mac"},
        {"access_token": "canary\nx", "token_type": "bearer"},
        {"access_token": "", "token_type": "bearer"},
    ],
)
def test_an_answer_without_a_bearer_token_fails(answer: Any) -> None:
    gate = TokenGate(replies={0: json_reply(answer)})
    with (
        service(gate) as (client, _, _),
        pytest.raises(SourceError, match="no bearer token") as caught,
    ):
        client.get("/users")

    assert "canary" not in str(caught.value)


def test_a_redirected_token_request_is_not_followed() -> None:
    with ScriptedServer(lambda request: json_reply({})) as other:
        moved = Reply(307, {"Location": f"{other.url}/token"})
        with (
            service(TokenGate(replies={0: moved})) as (client, _, _),
            pytest.raises(AuthenticationError, match="HTTP 307"),
        ):
            client.get("/users")

    assert other.requests == []


def test_a_token_address_may_have_a_query_but_not_be_unsafe() -> None:
    def answer(request: Request) -> Reply:
        return json_reply({"access_token": "t", "token_type": "BEARER"})

    with ScriptedServer(answer) as server:
        url = f"{server.url}/campus/oauth2/token?appName=oak"
        auth = ClientCredentials(url, "client-id", SECRET, scopes=[])
        with closing(HttpClient(server.url, auth=auth)) as client:
            client.get("/users")
    assert server.requests[0].target == "/campus/oauth2/token?appName=oak"
    assert "scope" not in server.requests[0].body.decode()

    with pytest.raises(ConfigurationError, match="token_url"):
        ClientCredentials("http://sis.d118.example/t", "id", SECRET, scopes=[])


def test_a_token_is_fetched_by_one_request_at_a_time() -> None:
    gate = TokenGate(replies={})
    with OneRosterServer(district(), gate=gate) as server:
        auth = ClientCredentials(server.token_url, "client-id", SECRET, scopes=["s"])

        def read(number: int) -> int:
            with closing(HttpClient(server.url, auth=auth)) as client:
                return client.get("/users").status

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(read, range(4))) == [200] * 4

    assert len(gate.forms) == 1


class Replaced(Bearer):
    """A key of which another one is known."""

    def read(self) -> Generator[httpx.Request, httpx.Response, str]:
        yield from ()
        return "new-key"


def test_a_replaced_key_is_read_again_once() -> None:
    gate = BearerGate("new-key")
    with OneRosterServer(district(), gate=gate) as server:
        auth = Replaced("canary-old")
        with closing(HttpClient(server.url, auth=auth)) as client:
            assert client.get("/users").status == 200
            gate.key = "newer-key"
            with pytest.raises(AuthenticationError) as caught:
                client.get("/users")

    assert len(server.requests) == 3
    assert "canary" not in str(caught.value)


def test_basic_sends_name_and_password_and_does_not_try_again() -> None:
    with ScriptedServer(lambda request: Reply(401)) as server:
        auth = httpx.BasicAuth("name", "canary-password")
        with (
            closing(HttpClient(server.url, auth=auth)) as client,
            pytest.raises(AuthenticationError),
        ):
            client.get("/tokens")

    [request] = server.requests
    coded = (request.authorization or "").removeprefix("Basic ")
    assert base64.b64decode(coded) == b"name:canary-password"


def test_a_second_401_is_final_even_after_another_attempt() -> None:
    answers = iter([Reply(401), Reply(503), Reply(401)])

    class Counting(Bearer):
        """Another key whenever it is asked."""

        def read(self) -> Generator[httpx.Request, httpx.Response, str]:
            yield from ()
            return f"{self._key}x"

    with ScriptedServer(lambda request: next(answers)) as server:
        client = HttpClient(server.url, auth=Counting("key"), clock=VirtualClock())
        with closing(client), pytest.raises(AuthenticationError):
            client.get("/users")

    sent = [request.authorization for request in server.requests]
    assert sent == ["Bearer key", "Bearer keyx", "Bearer keyx"]
