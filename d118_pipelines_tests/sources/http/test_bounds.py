"""How much of an answer is taken, in bytes, in depth and in time."""

from __future__ import annotations

import gzip
import itertools
import json
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from d118_pipelines.errors import ConnectionLostError, SourceError, TimeLimitError
from d118_pipelines.sources.http.answers import MAX_VALUES, Answer
from d118_pipelines.sources.http.client import HttpClient
from d118_pipelines.sources.http.transport import HttpLimits
from d118_pipelines_tests.support.scripted_http import (
    Reply,
    ScriptedServer,
    VirtualClock,
    json_reply,
)

HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style>; rel=preload\r\n\r\n"
BODY = json.dumps({"users": [{"sourcedId": "U1"}]}).encode()
# Without a time, so that every test process gives its cases the same names.
GZIPPED = gzip.compress(BODY, mtime=0)


@contextmanager
def asked(
    reply: Reply, limits: HttpLimits
) -> Iterator[tuple[HttpClient, ScriptedServer]]:
    with ScriptedServer(lambda request: reply) as server:
        client = HttpClient(server.url, limits=limits, clock=VirtualClock())
        with closing(client):
            yield client, server


def dripping_header() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nX-Endless: "
    yield from itertools.repeat(b"x")


def without_length() -> Iterator[bytes]:
    yield b'HTTP/1.1 200 OK\r\n\r\n{"users": [] '
    yield from itertools.repeat(b" ")


SLOW = {
    "one byte of a header after the other": lambda: Reply(
        raw=dripping_header(), drip=0.01
    ),
    "hints without end": lambda: Reply(raw=itertools.repeat(HINTS), drip=0.01),
    "hints without a pause": lambda: Reply(raw=itertools.repeat(HINTS)),
    "a body without length": lambda: Reply(raw=without_length(), drip=0.01),
    "a body with a length": lambda: Reply(body=b"x" * 100_000, drip=0.01),
}


@pytest.mark.parametrize("name", SLOW)
def test_an_answer_is_cut_at_its_deadline(name: str) -> None:
    limits = HttpLimits(response=0.3, attempts=1)
    with (
        asked(SLOW[name](), limits) as (client, server),
        pytest.raises(TimeLimitError, match="No whole answer in time") as caught,
    ):
        client.get("/users")

    assert len(server.requests) == 1
    assert "0.3 s for an answer" in caught.value.rule


def test_a_quick_question_is_cut_at_its_own_deadline() -> None:
    with (
        asked(Reply(raw=itertools.repeat(HINTS), drip=0.01), HttpLimits()) as (
            client,
            _,
        ),
        pytest.raises(TimeLimitError),
    ):
        client.within(0.3).get("/users")


def test_an_answer_after_a_cut_one_comes_over_a_new_connection() -> None:
    replies = iter(
        [Reply(raw=itertools.repeat(HINTS), drip=0.01), json_reply({"a": 1})]
    )
    with ScriptedServer(lambda request: next(replies)) as server:
        limits = HttpLimits(response=0.3)
        client = HttpClient(server.url, limits=limits, clock=VirtualClock())
        with closing(client):
            assert client.get("/users").json() == {"a": 1}


PACKED = {
    "twice": ("gzip, gzip", gzip.compress(GZIPPED, mtime=0)),
    "twice, as two words of other codings": ("deflate, gzip", GZIPPED),
    "not as asked": ("br", BODY),
}


@pytest.mark.parametrize("name", PACKED)
def test_an_answer_that_is_packed_twice_is_not_read(name: str) -> None:
    coding, body = PACKED[name]
    reply = Reply(200, {"Content-Encoding": coding}, body)
    with (
        asked(reply, HttpLimits()) as (client, server),
        pytest.raises(SourceError, match=r"FAILED rest\.bad_payload") as caught,
    ):
        client.get("/users")

    assert len(server.requests) == 1
    assert "Content-Encoding gzip, once" in caught.value.rule


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", GZIPPED),
        ("X-GZip", GZIPPED),
        ("deflate", zlib.compress(BODY)),
        ("identity", BODY),
        ("gzip", GZIPPED + b"\0" * 100),
    ],
)
def test_an_answer_that_is_packed_once_is_read(coding: str, body: bytes) -> None:
    with asked(Reply(200, {"Content-Encoding": coding}, body), HttpLimits()) as (
        client,
        server,
    ):
        assert client.get("/users").body == BODY
        assert client.get("/users").body == BODY

    assert {r.headers["Accept-Encoding"] for r in server.requests} == {"gzip"}


@pytest.mark.parametrize("body", [GZIPPED[:-9], b"no gzip at all"])
def test_a_packed_answer_that_breaks_off_is_not_whole(body: bytes) -> None:
    reply = Reply(200, {"Content-Encoding": "gzip"}, body)
    with (
        asked(reply, HttpLimits(attempts=2)) as (client, server),
        pytest.raises(ConnectionLostError, match="No whole answer"),
    ):
        client.get("/users")

    assert len(server.requests) == 2


def test_a_packed_answer_without_a_body_is_empty() -> None:
    with asked(Reply(204, {"Content-Encoding": "gzip"}), HttpLimits()) as (client, _):
        assert client.get("/users", expect={204}).body == b""


def test_the_limit_of_bytes_is_named() -> None:
    body = gzip.compress(b" " * (2 * 1024 * 1024))
    reply = Reply(200, {"Content-Encoding": "gzip"}, body)
    with (
        asked(reply, HttpLimits(size_bytes=1024 * 1024)) as (client, _),
        pytest.raises(SourceError, match="too large") as caught,
    ):
        client.get("/users")

    assert "at most 1 MiB" in caught.value.rule


def answer(body: bytes) -> Answer:
    return Answer("https://sis.example/users", 200, {}, body)


def test_more_values_than_memory_allows_are_not_parsed() -> None:
    with pytest.raises(ValueError, match="more than 2,000,000 values"):
        answer(b"[" + b"[]," * MAX_VALUES + b"[]]").json()


@pytest.mark.parametrize("opened", [b"[", b'{"a":'])
def test_an_answer_may_be_64_levels_deep(opened: bytes) -> None:
    closed = b"]" if opened == b"[" else b"}"

    def nested(levels: int) -> Answer:
        inner = b"[]"
        return answer(opened * (levels - 1) + inner + closed * (levels - 1))

    assert nested(64).json()
    for levels in (65, 800, 100_000):
        with pytest.raises(ValueError, match="nested more than 64 levels deep"):
            nested(levels).json()
        assert nested(levels).words() == "HTTP 200"


@pytest.mark.parametrize("body", [b"1e999", b"-1e999", b"NaN", b"", b"<p>", b"\xff"])
def test_what_json_could_not_write_again_is_none(body: bytes) -> None:
    with pytest.raises(ValueError, match="is not JSON"):
        answer(body).json()


@pytest.mark.parametrize("body", [b"1", b'"a"', b"null", b"1.5", b"[1.5]"])
def test_any_other_json_is_read(body: bytes) -> None:
    assert answer(body).json() == json.loads(body)
