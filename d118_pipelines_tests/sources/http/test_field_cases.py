"""Token endpoints and expired tokens as districts met them; the cases are in `cases/`."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from d118_pipelines.errors import AuthenticationError, SourceError
from d118_pipelines.sources.http.client import HttpClient
from d118_pipelines.sources.http.oauth2 import ClientCredentials
from d118_pipelines_tests.docs.markdown import REPOSITORY
from d118_pipelines_tests.support.scripted_http import (
    Reply,
    Request,
    ScriptedServer,
    VirtualClock,
    json_reply,
)

CASES = REPOSITORY / "d118_pipelines_tests/cases"
SECRET = "canary-client-secret"
SCOPE = "https://purl.imsglobal.org/spec/or/v1p1/scope/roster-core.readonly"
GOOD = json_reply({"users": []})


def client_of(
    server: ScriptedServer, path: str = "/token", **options: Any
) -> HttpClient:
    clock = VirtualClock()
    settings = {"scopes": [SCOPE], "clock": clock, **options}
    auth = ClientCredentials(f"{server.url}{path}", "d118", SECRET, **settings)
    return HttpClient(server.url, auth=auth, clock=clock)


class Expiring:
    """Each token is good for some requests, after which the answer is 403."""

    def __init__(self, *uses: int) -> None:
        self._left = list(uses)
        self.tokens = 0

    def __call__(self, request: Request) -> Reply:
        if request.path == "/token":
            self.tokens += 1
            return json_reply(
                {
                    "access_token": f"t{self.tokens}",
                    "token_type": "Bearer",
                    "expires_in": 3600,
                }
            )
        number = int((request.authorization or "").removeprefix("Bearer t")) - 1
        self._left[number] -= 1
        return GOOD if self._left[number] >= 0 else Reply(403)


def test_case_29_a_403_for_a_token_that_worked_means_a_new_one() -> None:
    service = Expiring(1, 2, 5)
    with ScriptedServer(service) as server, closing(client_of(server)) as client:
        for _ in range(6):
            assert client.get("/users").status == 200

    sent = [r.authorization for r in server.requests if r.path == "/users"]
    tokens = ["t1", "t1", "t2", "t2", "t2", "t3", "t3", "t3"]
    assert sent == [f"Bearer {token}" for token in tokens]


@pytest.mark.parametrize(("uses", "tokens"), [((0, 9), 1), ((1, 0, 9), 2)])
def test_case_29_a_403_for_a_token_that_never_worked_is_final(
    uses: tuple[int, ...], tokens: int
) -> None:
    service = Expiring(*uses)
    with ScriptedServer(service) as server, closing(client_of(server)) as client:
        for _ in range(tokens - 1):
            client.get("/users")
        with pytest.raises(SourceError, match=r"FAILED rest\.forbidden"):
            client.get("/users")

    assert service.tokens == tokens


def infinite_campus(request: Request) -> Reply:
    """The token endpoint of the case: parameters in the address, nothing in the body."""
    if not request.path.endswith("/token"):
        return GOOD if request.authorization == "Bearer t" else Reply(401)
    wanted = {"appName": "d118", "grant_type": "client_credentials", "scope": SCOPE}
    is_basic = (request.authorization or "").startswith("Basic ")
    if request.query != wanted or request.body or not is_basic:
        return json_reply({"error": "invalid_request"}, status=400)
    return json_reply({"access_token": "t", "token_type": "Bearer"})


def test_case_30_parameters_go_into_an_address_with_a_query_of_its_own() -> None:
    text = (CASES / "30-rest-token-endpoints/case.http").read_text("utf-8")
    [target] = [w for w in text.split() if w.startswith("/campus/")]
    path = "/campus/oauth2/token?appName=d118"
    with ScriptedServer(infinite_campus) as server:
        with closing(client_of(server, path, client_auth="query")) as client:
            assert client.get("/users").status == 200
        assert server.requests[0].target == target
        assert server.requests[0].headers["Content-Length"] == "0"

        with (
            closing(client_of(server, path)) as client,
            pytest.raises(AuthenticationError, match="invalid_request") as caught,
        ):
            client.get("/users")

    assert "clientAuth: body" in caught.value.next_step
    assert "clientAuth: query" in caught.value.next_step
    assert SECRET not in str(caught.value)


def test_case_30_a_cookie_of_the_token_endpoint_is_carried_along() -> None:
    def answer(request: Request) -> Reply:
        if request.path == "/token":
            number = sum(r.path == "/token" for r in server.requests)
            reply = json_reply({"access_token": f"t{number}", "expires_in": "3600"})
            cookie = f"ASP.NET_SessionId=abc{number}; path=/; HttpOnly"
            return Reply(200, {**reply.headers, "Set-Cookie": cookie}, reply.body)
        token = (request.authorization or "").removeprefix("Bearer t")
        is_good = request.headers.get("Cookie") == f"ASP.NET_SessionId=abc{token}"
        # The first session ends after its first request.
        is_over = token == "1" and server.requests[-2].path != "/token"
        return GOOD if is_good and not is_over else Reply(401)

    with ScriptedServer(answer) as server, closing(client_of(server)) as client:
        for _ in range(3):
            assert client.get("/users").status == 200

    assert [r.path for r in server.requests].count("/token") == 2


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"token_type": None},
        {"token_type": ""},
        {"token_type": "bearer "},
        {"token_type": "BEARER", "expires_in": "3600"},
        {"token_type": " Bearer", "expires_in": " 3600 "},
    ],
)
def test_case_30_answers_that_only_just_name_a_token(more: dict[str, Any]) -> None:
    def answer(request: Request) -> Reply:
        if request.path == "/token":
            return json_reply({"access_token": "t", **more})
        return GOOD if request.authorization == "Bearer t" else Reply(401)

    with ScriptedServer(answer) as server, closing(client_of(server)) as client:
        assert client.get("/users").status == 200


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("unauthorized_client", "unauthorized_client"),
        ("ERR-17: app \x1b[31mlocked\n", r"ERR-17: app \x1b[31mlocked\n"),
        ("é" * 100, r"\xe9" * 80),
    ],
)
def test_the_code_of_a_token_endpoint_is_shown_as_it_was_sent(
    code: str, shown: str
) -> None:
    refused = json_reply({"error": code, "error_description": "canary-x"}, status=400)
    with (
        ScriptedServer(lambda request: refused) as server,
        closing(client_of(server)) as client,
        pytest.raises(AuthenticationError) as caught,
    ):
        client.get("/users")

    assert f"refused (HTTP 400, {shown})." in caught.value.what
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("error", [SECRET, f"bad {SECRET}", {"message": "canary"}, 5])
def test_a_code_that_is_none_or_quotes_the_secret_is_not_shown(error: Any) -> None:
    refused = json_reply({"error": error}, status=400)
    with (
        ScriptedServer(lambda request: refused) as server,
        closing(client_of(server)) as client,
        pytest.raises(AuthenticationError, match=r"refused \(HTTP 400\)") as caught,
    ):
        client.get("/users")

    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("way", "named"), [("basic", "body"), ("body", "basic"), ("query", "basic or body")]
)
def test_a_refused_client_hears_of_the_other_ways(way: Any, named: str) -> None:
    with (
        ScriptedServer(lambda request: Reply(401)) as server,
        closing(client_of(server, client_auth=way)) as client,
        pytest.raises(AuthenticationError) as caught,
    ):
        client.get("/users")

    assert f"clientAuth: {named}" in caught.value.next_step
