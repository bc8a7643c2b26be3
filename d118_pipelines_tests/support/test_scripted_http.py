"""The scripted server does what its replies say, and the clock does not wait."""

from __future__ import annotations

import datetime as dt
import http.client
import time

import pytest

from d118_pipelines_tests.support.scripted_http import (
    Reply,
    Request,
    ScriptedServer,
    VirtualClock,
    json_reply,
)


def asked(server: ScriptedServer, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
    try:
        connection.request("POST", "/a%3D?b=c&b=d", body=b"form", headers=headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_requests_are_written_down_as_they_arrive() -> None:
    clock = VirtualClock()
    clock.sleep(7)
    with ScriptedServer(lambda request: json_reply([]), clock=clock) as server:
        assert asked(server, Authorization="Bearer x") == (200, b"[]")

    [request] = server.requests
    assert (request.method, request.target) == ("POST", "/a%3D?b=c&b=d")
    assert (request.path, request.query) == ("/a%3D", {"b": "d"})
    assert (request.body, request.authorization) == (b"form", "Bearer x")
    assert request.at == 7


def test_a_cut_body_ends_before_its_length() -> None:
    with (
        ScriptedServer(lambda request: Reply(200, {}, b"abcdef", cut=2)) as server,
        pytest.raises(http.client.IncompleteRead) as caught,
    ):
        asked(server)

    assert caught.value.partial == b"abcd"


@pytest.mark.parametrize("reply", [Reply(delay=0.1), Reply(body=b"12345", drip=0.05)])
def test_slow_replies_take_their_time(reply: Reply) -> None:
    started = time.monotonic()
    with ScriptedServer(lambda request: reply) as server:
        assert asked(server) == (200, reply.body)

    assert time.monotonic() - started >= 0.1


def test_an_answer_may_depend_on_the_request() -> None:
    def answer(request: Request) -> Reply:
        return Reply(200 + len(request.body))

    with ScriptedServer(answer) as server:
        assert asked(server)[0] == 204


def test_the_clock_moves_only_when_somebody_sleeps() -> None:
    start = dt.datetime(2026, 11, 2, tzinfo=dt.UTC)
    clock = VirtualClock(start)
    before = time.monotonic()
    clock.sleep(3600)

    assert time.monotonic() - before < 60
    assert (clock.monotonic(), clock.sleeps) == (3600, [3600])
    assert clock.now() == start + dt.timedelta(hours=1)
