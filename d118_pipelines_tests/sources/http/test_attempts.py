"""How often a request is sent, how long is waited, and when it is given up."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from email.utils import format_datetime
from typing import Any

import pytest

from d118_pipelines.errors import (
    ConnectionLostError,
    SourceError,
    TimeLimitError,
    UnavailableError,
)
from d118_pipelines.sources.http.client import HttpClient
from d118_pipelines.sources.http.transport import HttpLimits
from d118_pipelines_tests.support.scripted_http import (
    Reply,
    Request,
    ScriptedServer,
    VirtualClock,
    json_reply,
)

GOOD = json_reply({"users": []})


@contextmanager
def asked(
    replies: list[Reply], **options: Any
) -> Iterator[tuple[HttpClient, ScriptedServer, VirtualClock]]:
    """A client of a server that gives these replies, the last one for ever."""
    clock = VirtualClock(dt.datetime(2026, 11, 2, 12, tzinfo=dt.UTC))
    left = iter(replies[:-1])

    def answer(request: Request) -> Reply:
        return next(left, replies[-1])

    with ScriptedServer(answer, clock=clock) as server:
        options = {"clock": clock, "jitter": lambda longest: longest, **options}
        with closing(HttpClient(server.url, **options)) as client:
            yield client, server, clock


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_service_is_asked_six_times_and_no_more(status: int) -> None:
    with (
        asked([Reply(status)]) as (client, server, clock),
        pytest.raises(UnavailableError) as caught,
    ):
        client.get("/users")

    assert len(server.requests) == 6
    assert clock.sleeps == [1, 2, 4, 8, 16]
    word = "rate_limited" if status == 429 else "http"
    assert caught.value.what.startswith(f"FAILED rest.{word} ")


@pytest.mark.parametrize("status", [400, 403, 404, 413, 422, 501])
def test_a_refusal_is_never_repeated(status: int) -> None:
    with asked([Reply(status)]) as (client, server, _), pytest.raises(SourceError):
        client.get("/users")

    assert len(server.requests) == 1


def test_pauses_double_up_to_a_minute_and_have_full_jitter() -> None:
    longest: list[float] = []

    def jitter(seconds: float) -> float:
        longest.append(seconds)
        return seconds / 3

    limits = HttpLimits(attempts=9)
    with (
        asked([Reply(503)], jitter=jitter, limits=limits) as (client, _, clock),
        pytest.raises(UnavailableError),
    ):
        client.get("/users")

    assert longest[:8] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert clock.sleeps == pytest.approx([seconds / 3 for seconds in longest[:8]])


def later(seconds: int) -> str:
    """An HTTP date so many seconds after the clock's start."""
    at = dt.datetime(2026, 11, 2, 12, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds)
    return format_datetime(at, usegmt=True)


@pytest.mark.parametrize(
    ("headers", "waits"),
    [
        ({"Retry-After": "17"}, [17]),
        ({"Retry-After": later(25)}, [25]),
        ({"Retry-After": "100000"}, [300]),
        ({"Retry-After": later(-60)}, []),
        ({"Retry-After": "soon"}, [1]),
        ({"X-RateLimit-Reset": "40"}, [40]),
        ({"RateLimit-Reset": "12", "X-RateLimit-Reset": "40"}, [12]),
        ({"X-RateLimit-Reset": "1793620830"}, [30]),
        ({"X-RateLimit-Reset": "1793620830000"}, [30]),
        ({"Retry-After": "5", "X-RateLimit-Reset": "40"}, [5]),
    ],
)
def test_a_server_says_how_long_to_wait(
    headers: dict[str, str], waits: list[float]
) -> None:
    with asked([Reply(429, headers), GOOD]) as (client, server, clock):
        assert client.get("/users").status == 200

    assert len(server.requests) == 2
    assert clock.sleeps == pytest.approx(waits, abs=0.01)


def test_a_used_up_allowance_is_not_tried() -> None:
    spent = json_reply({}, x_ratelimit_remaining="0", x_ratelimit_reset="30")
    with asked([spent, GOOD]) as (client, server, _):
        client.get("/users")
        client.get("/users")

    first, second = (request.at for request in server.requests)
    assert second - first == pytest.approx(30, abs=0.01)


@pytest.mark.parametrize(
    ("options", "distance"),
    [
        ({"requests_per_minute": 100}, 0.6),
        ({"min_interval": 2.5}, 2.5),
        ({"requests_per_minute": 60, "min_interval": 0.1}, 1.0),
    ],
)
def test_requests_keep_their_distance(options: Any, distance: float) -> None:
    with asked([GOOD], **options) as (client, server, _):
        for _ in range(4):
            client.get("/users")

    times = [request.at for request in server.requests]
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert gaps == pytest.approx([distance] * 3)


def test_a_request_ends_after_fifteen_minutes_with_all_its_waits() -> None:
    storm = Reply(429, {"Retry-After": "300"})
    with (
        asked([storm]) as (client, server, clock),
        pytest.raises(UnavailableError, match=r"rest\.rate_limited"),
    ):
        client.get("/users")

    assert len(server.requests) == 4
    assert clock.monotonic() == 900


def test_a_quick_question_is_asked_once_and_does_not_wait_for_long() -> None:
    spent = json_reply({}, x_ratelimit_remaining="0", x_ratelimit_reset="200")
    with asked([spent]) as (client, server, clock):
        quick = client.within(60)
        quick.get("/users")
        with pytest.raises(UnavailableError, match="wants 200 s"):
            quick.get("/users")

    assert len(server.requests) == 1
    assert clock.monotonic() == 0


def test_a_body_that_breaks_off_is_asked_for_again() -> None:
    whole = json_reply({"users": [{"sourcedId": "U1"}]})
    cut = Reply(200, whole.headers, whole.body, cut=4)
    with asked([cut, whole]) as (client, server, _):
        assert client.get("/users").json() == {"users": [{"sourcedId": "U1"}]}

    assert len(server.requests) == 2


def test_nobody_listening_is_said_after_six_attempts() -> None:
    with asked([GOOD]) as (client, _, clock):
        pass
    with pytest.raises(ConnectionLostError, match=r"FAILED rest\.unreachable"):
        client.get("/users")

    assert clock.sleeps == [1, 2, 4, 8, 16]


SLOW: list[tuple[HttpLimits, Reply]] = [
    (HttpLimits(read=0.2, attempts=2), Reply(delay=0.6)),
    (HttpLimits(response=0.2, attempts=2), Reply(body=b"x" * 60, drip=0.01)),
]


@pytest.mark.parametrize(("limits", "reply"), SLOW, ids=["silent", "dripping"])
def test_a_slow_answer_is_given_up(limits: HttpLimits, reply: Reply) -> None:
    with ScriptedServer(lambda request: reply) as server:
        client = HttpClient(server.url, limits=limits, jitter=lambda longest: 0.0)
        with closing(client), pytest.raises(TimeLimitError, match="in time"):
            client.get("/users")

    assert len(server.requests) == 2


def test_an_answer_that_expands_beyond_the_limit_is_not_read() -> None:
    import gzip

    body = gzip.compress(b" " * 200_000)
    reply = Reply(200, {"Content-Encoding": "gzip"}, body)
    with (
        asked([reply], limits=HttpLimits(size_bytes=100_000)) as (client, server, _),
        pytest.raises(SourceError, match=r"FAILED rest\.bad_payload"),
    ):
        client.get("/users")

    assert len(body) < 1000
    assert len(server.requests) == 1


def test_the_first_word_of_codes_is_the_providers() -> None:
    with (
        asked([Reply(404)], code="clever") as (client, _, _),
        pytest.raises(SourceError, match=r"FAILED clever\.not_found"),
    ):
        client.get("/users")


@pytest.mark.parametrize(
    "answers", [lambda c: c.get("/users"), lambda c: c.get_url(c.base_url + "/users")]
)
def test_expected_statuses_are_given_back(
    answers: Callable[[HttpClient], object],
) -> None:
    with asked([Reply(404)]) as (client, _, _):
        answer = client.get("/users", expect={200, 404})
        assert answer.status == 404
        with pytest.raises(SourceError):
            answers(client)
