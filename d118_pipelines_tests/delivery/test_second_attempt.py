"""A second attempt goes on where the first one stopped; on a folder and on a server."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest

from d118_pipelines.delivery.files import DeliveryReport
from d118_pipelines.delivery.sequence import deliver_set
from d118_pipelines.errors import ConnectionLostError, MixedSetError
from d118_pipelines_tests.delivery.destinations import (
    NAMES,
    NOW,
    ORDERED,
    Destination,
    bytes_of,
    make_set,
    now,
)
from d118_pipelines_tests.support.watched_remote import WatchedRemote


def lose_answer(to: str, calls: list[str]) -> Callable[[str], None]:
    """A connection that ends once, after the call was done but before its answer."""

    def after(call: str) -> None:
        calls.append(call)
        if call == to and calls.count(call) == 1:
            raise ConnectionLostError("the answer did not arrive")

    return after


def no_pause(seconds: float) -> None:
    pass


@pytest.mark.parametrize("call", ["replace 1", "replace 3"])
def test_rename_whose_answer_was_lost_is_recognised(
    destination: Destination, tmp_path: Path, call: str
) -> None:
    files = make_set(tmp_path)
    calls: list[str] = []
    after = lose_answer(call, calls)

    report = deliver_set(
        lambda: WatchedRemote(destination.connect(), after=after),
        files,
        ORDERED,
        now=now,
        sleep=no_pause,
    )

    assert report.attempts == 2
    assert destination.contents() == bytes_of(files)
    assert len([done for done in calls if done.startswith("put")]) == 3
    assert len([done for done in calls if done.startswith("replace")]) == 3


def test_file_that_the_vendor_has_taken_is_not_sent_again(
    destination: Destination, tmp_path: Path
) -> None:
    options = ORDERED.model_copy(update={"verify_after_rename": False})
    files = make_set(tmp_path)
    calls: list[str] = []
    after = lose_answer("replace 1", calls)

    def take(seconds: float) -> None:
        (destination.folder / NAMES[0]).unlink()

    deliver_set(
        lambda: WatchedRemote(destination.connect(), after=after),
        files,
        options,
        now=now,
        sleep=take,
    )

    assert set(destination.contents()) == set(NAMES[1:])


def test_temporary_file_that_vanished_is_uploaded_again(
    destination: Destination, tmp_path: Path
) -> None:
    files = make_set(tmp_path)
    calls: list[str] = []
    after = lose_answer("replace 1", calls)

    def lose_file(seconds: float) -> None:
        (destination.folder / f"{NAMES[1]}.part").unlink()

    deliver_set(
        lambda: WatchedRemote(destination.connect(), after=after),
        files,
        ORDERED,
        now=now,
        sleep=lose_file,
    )

    assert destination.contents() == bytes_of(files)
    assert len([done for done in calls if done.startswith("put")]) == 5


@pytest.mark.parametrize("use_temp_names", [True, False])
def test_times_come_from_one_reading_of_the_clock(
    destination: Destination, tmp_path: Path, use_temp_names: bool
) -> None:
    options = ORDERED.model_copy(update={"use_temp_names": use_temp_names})
    readings: list[dt.datetime] = []
    after = lose_answer("set_mtime 2", [])

    def clock() -> dt.datetime:
        readings.append(NOW + dt.timedelta(hours=len(readings)))
        return readings[-1]

    deliver_set(
        lambda: WatchedRemote(destination.connect(), after=after),
        make_set(tmp_path),
        options,
        now=clock,
        sleep=no_pause,
    )

    assert readings == [NOW]
    times = [(destination.folder / name).stat().st_mtime for name in NAMES]
    assert times == [NOW.timestamp() - seconds for seconds in (180, 120, 60)]


@pytest.mark.parametrize("heals", [True, False])
def test_rename_that_is_refused_half_way_is_tried_again(
    destination: Destination, tmp_path: Path, heals: bool
) -> None:
    files = make_set(tmp_path)
    in_the_way = destination.folder / NAMES[1]
    pauses: list[float] = []

    def block_second(call: str) -> None:
        if call == "replace 1":
            in_the_way.mkdir(exist_ok=True)

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if heals:
            in_the_way.rmdir()

    def deliver() -> DeliveryReport:
        return deliver_set(
            lambda: WatchedRemote(
                destination.connect(), after=block_second if not pauses else ignore
            ),
            files,
            ORDERED,
            now=now,
            sleep=pause,
        )

    if heals:
        assert deliver().attempts == 2
        assert destination.contents() == bytes_of(files)
        return
    with pytest.raises(MixedSetError) as caught:
        deliver()
    assert pauses == [1.0, 4.0]
    assert caught.value.where == f"new: {NAMES[0]}; as before: {', '.join(NAMES[1:])}"


def ignore(call: str) -> None:
    pass
