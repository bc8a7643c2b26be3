"""A set arrives whole, in order, with its times; on a folder and on a real server."""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from d118_pipelines.config.delivery_options import DeliveryOptions
from d118_pipelines.delivery.sequence import deliver_set
from d118_pipelines.errors import DestinationError, ExportError
from d118_pipelines_tests.delivery.destinations import (
    NAMES,
    NOW,
    ORDERED,
    Destination,
    bytes_of,
    make_set,
    now,
)


def test_files_arrive_byte_for_byte_with_rising_times_in_the_past(
    destination: Destination, tmp_path: Path
) -> None:
    files = make_set(tmp_path)

    report = deliver_set(destination.connect, files, ORDERED, now=now)

    assert destination.contents() == bytes_of(files)
    times = [(destination.folder / name).stat().st_mtime for name in NAMES]
    assert times == [NOW.timestamp() - seconds for seconds in (180, 120, 60)]
    assert report.attempts == 1
    assert report.read_back == ("size", "hash", "mtime")
    assert [file.name for file in report.files] == list(NAMES)
    assert report.files[2].modified_at == NOW - dt.timedelta(seconds=60)
    assert report.files[0].sha256 == files[0].sha256


def test_earlier_files_are_replaced_and_others_stay(
    destination: Destination, tmp_path: Path
) -> None:
    earlier = make_set(tmp_path, sizes=(9000, 9000, 9000), tag="earlier")
    deliver_set(destination.connect, earlier, ORDERED, now=now)
    (destination.folder / "other.txt").write_bytes(b"of someone else")
    files = make_set(tmp_path)

    deliver_set(destination.connect, files, ORDERED, now=now)

    expected = {**bytes_of(files), "other.txt": b"of someone else"}
    assert destination.contents() == expected


def test_times_stay_as_they_are_when_the_target_does_not_ask_for_them(
    destination: Destination, tmp_path: Path
) -> None:
    start = time.time()

    report = deliver_set(
        destination.connect, make_set(tmp_path), DeliveryOptions(), now=now
    )

    assert report.read_back == ("size", "hash")
    for name in NAMES:
        assert (destination.folder / name).stat().st_mtime >= start - 2


def test_without_temporary_names_each_file_goes_straight_to_its_name(
    destination: Destination, tmp_path: Path
) -> None:
    options = ORDERED.model_copy(update={"use_temp_names": False})
    seen: list[set[str]] = []

    def look(name: str, sent: int, total: int) -> None:
        seen.append({path.name for path in destination.folder.iterdir()})

    files = make_set(tmp_path)
    report = deliver_set(destination.connect, files, options, now=now, on_progress=look)

    assert destination.contents() == bytes_of(files)
    assert report.files[0].modified_at == NOW - dt.timedelta(seconds=180)
    assert not any(name.endswith(".part") for names in seen for name in names)


def test_with_temporary_names_no_real_name_shows_before_all_are_there(
    destination: Destination, tmp_path: Path
) -> None:
    seen: list[set[str]] = []

    def look(name: str, sent: int, total: int) -> None:
        seen.append({path.name for path in destination.folder.iterdir()})

    deliver_set(
        destination.connect, make_set(tmp_path), ORDERED, now=now, on_progress=look
    )

    assert seen[-1] == {f"{name}.part" for name in NAMES}
    assert not any(set(NAMES) & names for names in seen)


def test_times_of_the_server_rise_when_it_refuses_to_set_them(
    destination: Destination, tmp_path: Path
) -> None:
    options = DeliveryOptions(ordered_mtimes=True)
    files = make_set(tmp_path)[:2]
    gaps: list[float] = []

    def shorter_sleep(seconds: float) -> None:
        gaps.append(seconds)
        time.sleep(seconds - 0.95)

    report = deliver_set(
        destination.connect, files, options, now=now, sleep=shorter_sleep
    )

    assert gaps == [2.0]
    first, second = (file.modified_at for file in report.files)
    assert first is not None and second is not None and first < second


def test_times_that_do_not_rise_are_no_delivery(
    destination: Destination, tmp_path: Path
) -> None:
    options = DeliveryOptions(ordered_mtimes=True)
    future = time.time() + 3600

    def touch_first(name: str, sent: int, total: int) -> None:
        if name == NAMES[1]:
            os.utime(destination.folder / f"{NAMES[0]}.part", (future, future))

    with pytest.raises(DestinationError, match="not newer than P1") as caught:
        deliver_set(
            destination.connect,
            make_set(tmp_path),
            options,
            now=now,
            sleep=lambda seconds: None,
            on_progress=touch_first,
        )

    assert "All files were replaced, but not verified" in str(caught.value)


def test_without_verification_after_the_rename_the_temporary_file_counts(
    destination: Destination, tmp_path: Path
) -> None:
    options = ORDERED.model_copy(update={"verify_after_rename": False})

    report = deliver_set(destination.connect, make_set(tmp_path), options, now=now)

    assert report.read_back == ("size", "hash")
    assert report.files[0].modified_at is None


OFF = DeliveryOptions(confirm_size=False, confirm_hash=False, verify_after_rename=False)


@pytest.mark.parametrize(
    ("changed", "on"),
    [
        (b"cut short", OFF.model_copy(update={"confirm_size": True})),
        (b"x" * 2000, OFF.model_copy(update={"confirm_hash": True})),
    ],
    ids=["size", "hash"],
)
def test_file_that_changed_on_the_way_is_found_by_the_check_that_is_on(
    destination: Destination, tmp_path: Path, changed: bytes, on: DeliveryOptions
) -> None:
    files = make_set(tmp_path)

    def change_first(name: str, sent: int, total: int) -> None:
        if name == NAMES[1]:
            (destination.folder / f"{NAMES[0]}.part").write_bytes(changed)

    with pytest.raises(DestinationError, match="did not arrive as they were sent"):
        deliver_set(destination.connect, files, on, now=now, on_progress=change_first)
    assert not set(NAMES) & set(destination.contents())
    report = deliver_set(
        destination.connect, files, OFF, now=now, on_progress=change_first
    )

    assert report.read_back == ()
    assert destination.contents()[NAMES[0]] == changed


def test_progress_ends_with_all_bytes_of_every_file(
    destination: Destination, tmp_path: Path
) -> None:
    files = make_set(tmp_path, sizes=(0, 5, 3_000_000))
    last: dict[str, tuple[int, int]] = {}

    def note(name: str, sent: int, total: int) -> None:
        last[name] = (sent, total)

    deliver_set(destination.connect, files, ORDERED, now=now, on_progress=note)

    assert last == {NAMES[0]: (0, 0), NAMES[1]: (5, 5), NAMES[2]: (3_000_000,) * 2}
    assert destination.contents() == bytes_of(files)


@pytest.mark.parametrize("new_bytes", [b"shorter", b"x" * 2000, None])
def test_file_that_changed_since_it_was_checked_is_not_sent(
    destination: Destination, tmp_path: Path, new_bytes: bytes | None
) -> None:
    files = make_set(tmp_path)
    files[0].path.unlink()
    if new_bytes is not None:
        files[0].path.write_bytes(new_bytes)

    with pytest.raises(ExportError, match=r"P1ProfileBasic\.csv"):
        deliver_set(destination.connect, files, ORDERED, now=now)

    assert destination.contents() == {}


def test_set_without_files_is_refused(destination: Destination) -> None:
    with pytest.raises(ExportError, match="without files"):
        deliver_set(destination.connect, [], ORDERED, now=now)


def test_folder_in_the_way_stops_the_set_before_anything_is_replaced(
    destination: Destination, tmp_path: Path
) -> None:
    (destination.folder / NAMES[1]).mkdir()
    (destination.folder / NAMES[0]).write_bytes(b"old")

    with pytest.raises(DestinationError, match=r"W2SSO\.csv"):
        deliver_set(destination.connect, make_set(tmp_path), ORDERED, now=now)

    assert (destination.folder / NAMES[0]).read_bytes() == b"old"


def ticking(*seconds: float) -> Callable[[], dt.datetime]:
    """A clock that stands so many seconds after NOW, call by call, then at the last."""
    left = list(seconds)
    return lambda: NOW + dt.timedelta(seconds=left.pop(0) if len(left) > 1 else left[0])


@pytest.mark.parametrize("use_temp_names", [True, False])
def test_a_set_replaced_before_the_vendor_reads_is_delivered(
    destination: Destination, tmp_path: Path, use_temp_names: bool
) -> None:
    options = DeliveryOptions(settle_seconds=300, use_temp_names=use_temp_names)

    report = deliver_set(
        destination.connect, make_set(tmp_path), options, now=ticking(0, 300)
    )

    assert len(report.files) == len(NAMES)


@pytest.mark.parametrize("use_temp_names", [True, False])
def test_a_set_that_the_vendor_may_have_read_in_halves_is_no_delivery(
    destination: Destination, tmp_path: Path, use_temp_names: bool
) -> None:
    options = DeliveryOptions(settle_seconds=300, use_temp_names=use_temp_names)

    with pytest.raises(DestinationError, match="301 s to be replaced"):
        deliver_set(
            destination.connect, make_set(tmp_path), options, now=ticking(0, 301)
        )
