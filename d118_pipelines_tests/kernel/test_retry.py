"""The one loop of attempts: how often, how long, what ends it at once."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable

import pytest

from d118_pipelines.errors import SourceError, UnavailableError
from d118_pipelines.kernel.retry import doubling_pause, retried, seconds_asked
from d118_pipelines_tests.support.scripted_http import VirtualClock

NOW = dt.datetime(2026, 11, 2, 12, tzinfo=dt.UTC)


def failing(
    times: int, error: Callable[[], BaseException]
) -> tuple[Callable[[int], int], list[int]]:
    """A call that fails so often and then gives its number; the numbers it had."""
    numbers: list[int] = []

    def call(number: int) -> int:
        numbers.append(number)
        if number <= times:
            raise error()
        return number

    return call, numbers


@pytest.mark.parametrize(("times", "sleeps"), [(0, []), (1, [2]), (2, [2, 4])])
def test_what_may_pass_is_tried_again_after_a_pause(
    times: int, sleeps: list[float]
) -> None:
    call, numbers = failing(times, lambda: UnavailableError("busy"))
    clock = VirtualClock(NOW)

    found = retried(call, attempts=3, pause=doubling_pause, sleep=clock.sleep)

    assert found == times + 1
    assert numbers == list(range(1, times + 2))
    assert clock.sleeps == sleeps


def test_the_last_failure_is_raised_and_nobody_waits_after_it() -> None:
    errors = [UnavailableError("first"), UnavailableError("second")]
    call, numbers = failing(9, lambda: errors[len(numbers) - 1])
    clock = VirtualClock(NOW)

    with pytest.raises(UnavailableError) as caught:
        retried(call, attempts=2, pause=doubling_pause, sleep=clock.sleep)

    assert caught.value is errors[1]
    assert clock.sleeps == [2]


def test_no_attempt_begins_behind_the_end() -> None:
    call, numbers = failing(9, lambda: UnavailableError("busy"))
    clock = VirtualClock(NOW)

    with pytest.raises(UnavailableError):
        retried(
            call,
            attempts=9,
            pause=lambda number, exc: 10.0,
            until=25.0,
            now=clock.monotonic,
            sleep=clock.sleep,
        )

    assert numbers == [1, 2, 3]
    assert clock.monotonic() == 20


@pytest.mark.parametrize(
    "error", [SourceError("refused"), KeyboardInterrupt(), SystemExit(3)]
)
def test_what_is_final_is_raised_at_once(error: BaseException) -> None:
    call, numbers = failing(9, lambda: error)
    clock = VirtualClock(NOW)

    with pytest.raises(type(error)) as caught:
        retried(call, attempts=3, pause=doubling_pause, sleep=clock.sleep)

    assert caught.value is error
    assert numbers == [1]
    assert clock.sleeps == []


def test_a_stop_is_not_asked_about_and_never_repeated() -> None:
    call, numbers = failing(9, KeyboardInterrupt)

    with pytest.raises(KeyboardInterrupt):
        retried(call, attempts=3, pause=lambda number, exc: 0.0)

    assert numbers == [1]


def test_the_loop_writes_nothing_of_an_error_into_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    call, _ = failing(1, lambda: UnavailableError("canary"))

    with caplog.at_level(logging.DEBUG):
        retried(call, attempts=2, pause=lambda number, exc: 0.0)

    assert caplog.records == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("17", 17),
        ("0.5", 0.5),
        ("Mon, 02 Nov 2026 12:00:25 GMT", 25),
        ("Mon, 02 Nov 2026 11:00:00 GMT", 0),
        ("1793620830", 30),
        ("1793620830000", 30),
        ("soon", None),
        ("-3", None),
        ("", None),
        (None, None),
    ],
)
def test_a_header_says_how_long_to_wait(text: str, seconds: float | None) -> None:
    assert seconds_asked(text, NOW) == seconds
