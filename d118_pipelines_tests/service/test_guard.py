"""Which requests the guard lets through; rules: docs/reference/web_guard.md."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from d118_pipelines.service.guard import PERSON, Guard, Message, Receive, Scope, Send

HOST = "127.0.0.1:3000"
JSON = ("content-type", "application/json")
NAVIGATES = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")]
Headers = list[tuple[str, str]]


def asked(
    method: str = "GET",
    path: str = "/",
    *,
    query: str = "",
    headers: Headers | None = None,
    host: str | None = HOST,
    kind: str = "http",
) -> list[Message]:
    """What goes back for one request to a guarded app that answers 200 to anything."""
    own = [("host", host)] if host is not None else []
    scope: Scope = {
        "type": kind,
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(k.encode(), v.encode()) for k, v in [*own, *(headers or [])]],
    }
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        accepts = kind == "websocket"
        await send(
            {"type": "websocket.accept"}
            if accepts
            else {"type": "http.response.start", "status": 200, "headers": []}
        )

    async def receive() -> Message:
        return {}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(Guard(app, hosts=["sis.d118.example"])(scope, receive, send))
    return sent


def status(*args: Any, **options: Any) -> int:
    first = asked(*args, **options)[0]
    if first["type"] == "http.response.start":
        return int(first["status"])
    return 101 if first["type"] == "websocket.accept" else 403


@pytest.mark.parametrize(
    "host",
    [
        HOST,
        "localhost:8123",
        "LOCALHOST",
        "[::1]:3000",
        "127.0.0.1",
        "sis.d118.example",
        "sis.d118.example:443",
    ],
)
def test_own_names_are_answered_at_any_port(host: str) -> None:
    assert status(host=host) == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:3000",
        "localhost@evil.example",
        "evil.example/@localhost",
        "localhost:port",
        "localhost.",
        "[::1",
        "",
        "::1",
        "127.0.0.2",
        "127.1",
    ],
)
def test_other_names_are_refused_so_that_rebinding_fails(host: str) -> None:
    assert status(host=host) == 421


def test_an_absent_or_doubled_host_is_refused() -> None:
    assert status(host=None) == 421
    assert status(headers=[("host", HOST)]) == 421


@pytest.mark.parametrize(
    ("method", "path", "query", "headers"),
    [
        ("GET", "/graphql", "query=mutation{a}", []),
        ("GET", "/graphql", "query=mutation{a}", [("accept", "text/html")]),
        ("GET", "/graphql", "query=mutation{a}", [("accept", "text/html"), *NAVIGATES]),
        ("GET", "/graphql", "x=1&query=", [("accept", "text/html")]),
        ("GET", "/graphql", "", [("accept", "image/*")]),
        ("GET", "/graphql/", "query={a}", []),
        ("GET", "//graphql", "query={a}", []),
        ("GET", "/GraphQL", "query={a}", []),
        ("GET", "/dagster/graphql", "query={a}", []),
        ("HEAD", "/graphql", "query=mutation{a}", []),
        ("PUT", "/graphql", "query=mutation{a}", []),
    ],
)
def test_graphql_is_not_executed_by_a_link_or_an_image(
    method: str, path: str, query: str, headers: Headers
) -> None:
    assert status(method, path, query=query, headers=headers) == 405


@pytest.mark.parametrize(
    "headers",
    [
        [("origin", "http://evil.example")],
        [("origin", "null")],
        [("origin", "http://127.0.0.1:3001")],
        [("origin", "http://127.0.0.1")],
        [("origin", "http://localhost:3000")],
        [("origin", "http://127.0.0.1:3000.evil.example")],
        [("origin", "http://evil@127.0.0.1:3000")],
        [("origin", "http://127.0.0.1:3000/")],
        [("origin", "file://127.0.0.1:3000")],
        [("origin", "")],
        [("origin", f"http://{HOST}"), ("origin", "http://evil.example")],
        [("sec-fetch-site", "cross-site")],
        [("sec-fetch-site", "same-site")],
        [("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
        [("sec-fetch-site", "cross-site"), *NAVIGATES],
    ],
)
def test_another_page_sends_nothing(headers: Headers) -> None:
    assert status("POST", "/graphql", headers=[JSON, *headers]) == 403
    assert status("POST", "/report_asset_check/a", headers=headers) == 403


@pytest.mark.parametrize("dest", ["iframe", "frame", "object", "embed", "image", ""])
def test_another_page_shows_nothing_of_ours_in_itself(dest: str) -> None:
    cross = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")]
    assert status("GET", "/runs", headers=[*cross, ("sec-fetch-dest", dest)]) == 403


def test_a_link_from_a_mail_opens_a_page() -> None:
    cross = [("sec-fetch-site", "cross-site"), *NAVIGATES]
    assert status("GET", "/runs/1", headers=cross) == 200


def test_the_own_page_and_a_program_may_post() -> None:
    own = [("origin", f"http://{HOST}"), ("sec-fetch-site", "same-origin")]
    assert status("POST", "/graphql", headers=[JSON, *own]) == 200
    assert status("POST", "/graphql", headers=[JSON]) == 200
    utf8 = ("content-type", "application/json; charset=utf-8")
    assert status("POST", "/graphql", headers=[utf8]) == 200


def test_tls_may_end_in_front_of_the_server() -> None:
    origin = ("origin", "https://sis.d118.example")
    sent = {"host": "sis.d118.example", "headers": [JSON, origin]}
    assert status("POST", "/graphql", **sent) == 200


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""],
)
def test_a_form_of_an_old_browser_is_no_graphql(content_type: str) -> None:
    headers = [("content-type", content_type)] if content_type else []
    assert status("POST", "/graphql", headers=headers) == 415
    assert status("POST", "/graphql", headers=[*headers, JSON]) == (
        415 if headers else 200
    )


@pytest.mark.parametrize(
    ("origin", "expected"),
    [(f"http://{HOST}", 101), ("http://evil.example", 403), ("null", 403), (None, 101)],
)
def test_a_websocket_of_another_page_is_refused(
    origin: str | None, expected: int
) -> None:
    headers = [("origin", origin)] if origin else []
    assert status(path="/graphql", kind="websocket", headers=headers) == expected
    assert status(path="/graphql", kind="websocket", host="evil.example") == 403


@pytest.mark.parametrize("host", [HOST, "evil.example"])
def test_no_answer_may_be_framed(host: str) -> None:
    headers = dict(asked(host=host)[0]["headers"])
    assert headers[b"x-frame-options"] == b"DENY"
    assert b"frame-ancestors 'none'" in headers[b"content-security-policy"]


def test_a_refusal_says_why_without_repeating_the_request() -> None:
    body = asked("POST", "/graphql", headers=[JSON, ("origin", "http://<b>")])[1]
    text = body["body"].decode()
    assert "guard.origin" in text
    assert "<b>" not in text


@pytest.mark.parametrize(
    ("client", "users", "person"),
    [
        ("10.1.1.1", ["otto"], "ui/otto"),
        ("10.1.1.1", [], ""),
        ("10.1.1.1", [""], ""),
        ("10.1.1.1", ["otto", "anna"], ""),
        ("10.1.1.2", ["otto"], ""),
        ("127.0.0.1", ["otto"], ""),
        (None, ["otto"], ""),
    ],
)
def test_who_signed_in_is_believed_of_the_proxy_alone(
    client: str | None, users: list[str], person: str
) -> None:
    headers = [(b"host", HOST.encode())]
    headers += [(b"X-Forwarded-User", user.encode()) for user in users]
    peer = (client, 40000) if client else None
    scope: Scope = {"type": "http", "path": "/", "headers": headers, "client": peer}
    heard: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        heard.append(PERSON.get())

    async def nothing(*_: object) -> Message:
        return {}

    guard = Guard(app, proxies=["10.1.1.1"])
    asyncio.run(guard(scope, nothing, nothing))

    assert heard == [person]
