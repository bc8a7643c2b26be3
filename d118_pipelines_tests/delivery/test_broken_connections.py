"""A connection that breaks anywhere costs another attempt, never a partial file."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from d118_pipelines.delivery.files import FileToSend
from d118_pipelines.delivery.remote import Remote
from d118_pipelines.delivery.sequence import deliver_set
from d118_pipelines.delivery.sftp import SftpRemote
from d118_pipelines.errors import (
    ConnectionLostError,
    MixedSetError,
)
from d118_pipelines_tests.delivery.destinations import (
    NAMES,
    NOW,
    ORDERED,
    bytes_of,
    make_set,
    now,
    sftp_settings,
)
from d118_pipelines_tests.support.relay import Relay
from d118_pipelines_tests.support.sshd import Sshd, SshKeys, running_sshd
from d118_pipelines_tests.support.watched_remote import WatchedRemote

pytestmark = pytest.mark.real

OLD = dict.fromkeys(NAMES, b"old bytes")
SIZES = (40_000, 300, 150_000)
Mark = Callable[[dict[str, int]], int]
CUTS: dict[str, Mark] = {
    "at once": lambda seen: 0,
    "in the banner": lambda seen: 5,
    "in the key exchange": lambda seen: 600,
    "in the login": lambda seen: seen["enter"] - 500,
    "in the first upload": lambda seen: (seen["enter"] + seen["put 1"]) // 2,
    "in the last upload": lambda seen: (seen["put 2"] + seen["put 3"]) // 2,
    "after the data, before the close": lambda seen: seen["put 3"] - 1,
    "after the close": lambda seen: seen["put 3"],
    "before the first rename": lambda seen: seen["sha256 3"] + 1,
    "with the first rename": lambda seen: seen["replace 1"],
    "between the renames": lambda seen: seen["replace 1"] + 1,
    "with the last rename": lambda seen: seen["replace 3"],
    "in the last look": lambda seen: seen["replace 3"] + 1,
}


@dataclass(frozen=True, slots=True)
class Line:
    """A server with three old files, and a way to it through a relay."""

    server: Sshd
    base: Path
    files: list[FileToSend]

    def connect(self, relay: Relay) -> Remote:
        return SftpRemote(sftp_settings(self.server, self.base, port=relay.port))

    def reset(self) -> None:
        for path in self.server.folder.iterdir():
            path.unlink()
        for name, data in OLD.items():
            (self.server.folder / name).write_bytes(data)

    def contents(self) -> dict[str, bytes]:
        folder = self.server.folder
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    def new_names(self) -> list[str]:
        """Which files are new; fails if one is neither wholly new nor wholly old."""
        contents, new = self.contents(), bytes_of(self.files)
        for name in NAMES:
            assert contents[name] in (OLD[name], new[name])
        return [name for name in NAMES if contents[name] == new[name]]


@pytest.fixture(scope="module")
def module_line(
    tmp_path_factory: pytest.TempPathFactory, ssh_keys: SshKeys
) -> Iterator[Line]:
    base = tmp_path_factory.mktemp("broken")
    (base / "sshd").mkdir()
    with running_sshd(base / "sshd", ssh_keys) as server:
        yield Line(server, base, make_set(base, sizes=SIZES))


@pytest.fixture
def line(module_line: Line) -> Line:
    module_line.reset()
    return module_line


@pytest.fixture(scope="module")
def seen(module_line: Line) -> dict[str, int]:
    """Bytes from the client after each call of an undisturbed delivery."""
    counts: dict[str, int] = {}
    module_line.reset()
    with Relay(module_line.server.port) as relay:

        def note(call: str) -> None:
            counts[call] = relay.bytes_from_client

        deliver_set(
            lambda: WatchedRemote(module_line.connect(relay), after=note),
            module_line.files,
            ORDERED,
            now=now,
        )
    return counts


@pytest.mark.parametrize("cut", CUTS)
def test_one_cut_costs_one_attempt(line: Line, seen: dict[str, int], cut: str) -> None:
    with Relay(line.server.port, [CUTS[cut](seen)]) as relay:
        report = deliver_set(
            lambda: line.connect(relay), line.files, ORDERED, now=now, sleep=no_pause
        )

    assert report.attempts == 2
    assert line.contents() == bytes_of(line.files)
    times = [(line.server.folder / name).stat().st_mtime for name in NAMES]
    assert times == [NOW.timestamp() - seconds for seconds in (180, 120, 60)]


@pytest.mark.parametrize("cut", list(CUTS)[3:])  # from the login on
def test_cut_for_good_leaves_whole_files_and_the_next_run_finishes(
    line: Line, seen: dict[str, int], cut: str
) -> None:
    limits = itertools.chain([CUTS[cut](seen)], itertools.repeat(0))
    with (
        Relay(line.server.port, limits) as relay,
        pytest.raises((ConnectionLostError, MixedSetError)) as caught,
    ):
        deliver_set(
            lambda: line.connect(relay), line.files, ORDERED, now=now, sleep=no_pause
        )

    new = line.new_names()
    assert relay.connections == 3
    assert new == list(NAMES[: len(new)])  # in order
    if 0 < len(new) < 3:
        assert isinstance(caught.value, MixedSetError)
    with Relay(line.server.port) as relay:
        deliver_set(lambda: line.connect(relay), line.files, ORDERED, now=now)
    assert line.contents() == bytes_of(line.files)


def test_set_that_stays_mixed_is_reported_file_by_file(line: Line) -> None:
    with Relay(line.server.port) as relay:

        def cut(call: str) -> None:
            if call == "replace 1":
                relay.cut_for_good()

        with pytest.raises(MixedSetError) as caught:
            deliver_set(
                lambda: WatchedRemote(line.connect(relay), after=cut),
                line.files,
                ORDERED,
                now=now,
                sleep=no_pause,
            )

    assert line.new_names() == [NAMES[0]]
    where = caught.value.where
    assert f"new: {NAMES[0]};" in where
    assert f"uncertain: {NAMES[1]};" in where
    assert where.endswith(f"as before: {NAMES[2]}")


def test_files_that_are_there_are_not_uploaded_again(line: Line) -> None:
    calls: list[str] = []
    with Relay(line.server.port) as relay:

        def cut_once(call: str) -> None:
            calls.append(call)
            if call == "replace 1" and relay.connections == 1:
                relay.cut()

        report = deliver_set(
            lambda: WatchedRemote(line.connect(relay), after=cut_once),
            line.files,
            ORDERED,
            now=now,
            sleep=no_pause,
        )

    second = calls[calls.index("enter", 1) :]
    assert report.attempts == 2
    assert line.contents() == bytes_of(line.files)
    assert [call for call in second if call.startswith("put")] == []
    assert len([call for call in second if call.startswith("replace")]) == 2


def test_unverified_files_after_the_last_cut_are_said_to_be_there(line: Line) -> None:
    with Relay(line.server.port) as relay:

        def cut(call: str) -> None:
            if call == "replace 3":
                relay.cut_for_good()

        with pytest.raises(ConnectionLostError, match="All files were replaced"):
            deliver_set(
                lambda: WatchedRemote(line.connect(relay), after=cut),
                line.files,
                ORDERED,
                now=now,
                sleep=no_pause,
            )

    assert line.new_names() == list(NAMES)


@pytest.mark.parametrize("use_temp_names", [True, False])
def test_direct_upload_that_broke_off_is_in_doubt(
    line: Line, seen: dict[str, int], use_temp_names: bool
) -> None:
    options = ORDERED.model_copy(update={"use_temp_names": use_temp_names})
    error = ConnectionLostError if use_temp_names else MixedSetError
    limits = itertools.chain([CUTS["in the first upload"](seen)], itertools.repeat(0))

    with Relay(line.server.port, limits) as relay, pytest.raises(error) as caught:
        deliver_set(
            lambda: line.connect(relay), line.files, options, now=now, sleep=no_pause
        )

    in_doubt = f"uncertain: {NAMES[0]}; as before: "
    assert (in_doubt in str(caught.value)) != use_temp_names


@pytest.mark.parametrize("cut", ["in the first upload", "in the last upload"])
def test_direct_upload_goes_on_after_one_cut(
    line: Line, seen: dict[str, int], cut: str
) -> None:
    options = ORDERED.model_copy(update={"use_temp_names": False})

    with Relay(line.server.port, [CUTS[cut](seen)]) as relay:
        report = deliver_set(
            lambda: line.connect(relay), line.files, options, now=now, sleep=no_pause
        )

    assert report.attempts == 2
    assert line.contents() == bytes_of(line.files)


def no_pause(seconds: float) -> None:
    pass
