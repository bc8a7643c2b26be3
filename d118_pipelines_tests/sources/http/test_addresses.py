"""Which addresses are asked, with which bytes, and what never goes elsewhere."""

from __future__ import annotations

from contextlib import closing

import pytest

from d118_pipelines.errors import ConfigurationError, SourceError
from d118_pipelines.sources.http.bearer import Bearer
from d118_pipelines.sources.http.client import HttpClient
from d118_pipelines_tests.support.scripted_http import (
    Reply,
    Request,
    ScriptedServer,
    json_reply,
)

KEY = "canary-bearer-key"


@pytest.mark.parametrize(
    "url",
    [
        "http://sis.d118.example/v1",
        "ftp://sis.d118.example/v1",
        "https://user:canary-x@sis.d118.example/v1",
        "https://sis.d118.example/v1?key=canary-x",
        "https://sis.d118.example/v1#canary-x",
        "https://sis.d118.example:canary-x/v1",
        "https:///v1",
        "https://169.254.169.254/latest/meta-data",
        "https://[fe80::1%25eth0]/v1",
        "https://[::ffff:169.254.169.254]/v1",
        "sis.d118.example",
        "",
    ],
)
def test_an_unsafe_base_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        HttpClient(url)

    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    ["https://sis.d118.example/v1", "http://localhost:1/v1", "http://[::1]:1/v1"],
)
def test_https_and_this_machine_are_allowed(url: str) -> None:
    assert HttpClient(f"{url}/").base_url == url


def test_escapes_of_the_base_address_and_the_query_arrive_as_they_were_sent() -> None:
    with (
        ScriptedServer(lambda request: json_reply({})) as server,
        closing(HttpClient(f"{server.url}/a%3d%3D/v1p1/")) as client,
    ):
        client.get("/users", [("filter", "a>='b c'&d~e"), ("limit", "1")])

    [request] = server.requests
    query = "filter=a%3E%3D%27b%20c%27%26d~e&limit=1"
    assert request.target == f"/a%3d%3D/v1p1/users?{query}"


def test_a_redirect_within_the_same_place_is_followed() -> None:
    def answer(request: Request) -> Reply:
        moved = Reply(307, {"Location": "/new/users?limit=1"})
        return json_reply({"users": []}) if "/new/" in request.target else moved

    with (
        ScriptedServer(answer) as server,
        closing(HttpClient(server.url, auth=Bearer(KEY))) as client,
    ):
        assert client.get("/users").status == 200

    assert [r.target for r in server.requests] == ["/users", "/new/users?limit=1"]
    assert server.requests[1].authorization == f"Bearer {KEY}"


@pytest.mark.parametrize("path", ["/users", "//user:pw@x/", "/"])
def test_a_redirect_to_another_place_is_never_contacted(path: str) -> None:
    with ScriptedServer(lambda request: json_reply({})) as other:
        moved = Reply(302, {"Location": f"{other.url}{path}"})
        with (
            ScriptedServer(lambda request: moved) as server,
            closing(HttpClient(server.url, auth=Bearer(KEY))) as client,
            pytest.raises(SourceError, match="leads to another place"),
        ):
            client.get("/users")

    assert len(server.requests) == 1
    assert other.requests == []


@pytest.mark.parametrize("location", ["https://127.0.0.1/", "http://[", ""])
def test_a_redirect_that_leads_nowhere_fails(location: str) -> None:
    with (
        ScriptedServer(lambda request: Reply(301, {"Location": location})) as server,
        closing(HttpClient(server.url)) as client,
        pytest.raises(SourceError),
    ):
        client.get("/users")

    assert len(server.requests) <= 6


def test_a_link_to_another_place_is_never_contacted() -> None:
    with (
        ScriptedServer(lambda request: json_reply({})) as other,
        ScriptedServer(lambda request: json_reply({})) as server,
        closing(HttpClient(server.url, auth=Bearer(KEY))) as client,
        pytest.raises(SourceError, match="A link leads to another place"),
    ):
        client.get_url(f"{other.url}/users")

    assert [server.requests, other.requests] == [[], []]


def test_a_path_cannot_name_another_host() -> None:
    client = HttpClient("https://sis.d118.example", auth=Bearer(KEY))

    with pytest.raises(SourceError, match="leads to another place"):
        client.get("@other.example/users")


def test_an_error_names_the_place_and_known_words_only() -> None:
    body = {
        "imsx_codeMinor": "invalid_data",
        "imsx_description": "canary-description",
        "error": "canary-error",
    }
    reply = json_reply(body, status=422, x_request_id="abc-1", x_note="canary-header")
    with ScriptedServer(lambda request: reply) as server:
        base = f"{server.url}/application-id/v1"
        with (
            closing(HttpClient(base, auth=Bearer(KEY))) as client,
            pytest.raises(SourceError) as caught,
        ):
            client.get("/users", [("filter", "canary-query")])

    text = str(caught.value)
    assert "HTTP 422, invalid_data, request abc-1" in text
    assert f"GET /users at {server.url.removeprefix('http://')}" in text
    assert "canary" not in text
    assert "application-id" not in text


@pytest.mark.parametrize("key", ["", "a\nb", "ä"])
def test_a_key_that_cannot_be_sent_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(ConfigurationError, match="printable ASCII"):
        Bearer(key)
