"""What a real server refuses is final, says what to do, and loses nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from d118_pipelines.delivery.folder import FolderRemote
from d118_pipelines.delivery.sequence import deliver_set
from d118_pipelines.errors import DestinationError
from d118_pipelines_tests.delivery.destinations import (
    NAMES,
    ORDERED,
    Destination,
    bytes_of,
    make_set,
    now,
    sftp_destination,
)
from d118_pipelines_tests.support.sshd import (
    Sshd,
    SshKeys,
    require_isolation,
    running_sshd,
)

OLD = dict.fromkeys(NAMES, b"old bytes")
Started = Callable[..., Destination]


@pytest.fixture
def start(tmp_path: Path, ssh_keys: SshKeys) -> Iterator[Started]:
    """Start a server of the given kind that already has the three files."""
    (tmp_path / "sshd").mkdir()
    with ExitStack() as stack:

        def started(**options: Any) -> Destination:
            server = running_sshd(tmp_path / "sshd", ssh_keys, **options)
            destination = sftp_destination(stack.enter_context(server), tmp_path)
            for name, data in OLD.items():
                (destination.folder / name).write_bytes(data)
            return destination

        yield started


@pytest.mark.real
def test_missing_folder_names_the_folder(sshd: Sshd, tmp_path: Path) -> None:
    destination = sftp_destination(sshd, tmp_path, directory="./upload2")

    with pytest.raises(DestinationError, match="no such file or folder") as caught:
        deliver_set(destination.connect, make_set(tmp_path), ORDERED, now=now)

    assert "./upload2" in str(caught.value)
    assert "`directory`" in caught.value.next_step


@pytest.mark.real
def test_folder_that_is_a_file_is_refused(sshd: Sshd, tmp_path: Path) -> None:
    (sshd.folder.parent / "upload2").write_bytes(b"")
    destination = sftp_destination(sshd, tmp_path, directory="./upload2")

    with pytest.raises(DestinationError, match="open the folder"):
        deliver_set(destination.connect, make_set(tmp_path), ORDERED, now=now)


@pytest.mark.real
def test_refusal_is_not_tried_again(start: Started, tmp_path: Path) -> None:
    destination = start(sftp_options="-R")
    pauses: list[float] = []

    with pytest.raises(DestinationError):
        deliver_set(
            destination.connect,
            make_set(tmp_path),
            ORDERED,
            now=now,
            sleep=pauses.append,
        )

    assert pauses == []


@pytest.mark.real
@pytest.mark.parametrize("use_temp_names", [True, False])
def test_read_only_server_keeps_its_files(
    start: Started, tmp_path: Path, use_temp_names: bool
) -> None:
    destination = start(sftp_options="-R")
    options = ORDERED.model_copy(update={"use_temp_names": use_temp_names})

    with pytest.raises(DestinationError, match=r"upload P1.*permission denied"):
        deliver_set(destination.connect, make_set(tmp_path), options, now=now)

    assert destination.contents() == OLD


@pytest.mark.real
def test_server_without_overwriting_rename_gets_the_new_files(
    start: Started, tmp_path: Path
) -> None:
    destination = start(sftp_options="-P posix-rename")
    files = make_set(tmp_path)

    report = deliver_set(destination.connect, files, ORDERED, now=now)

    assert destination.contents() == bytes_of(files)
    assert report.attempts == 1


@pytest.mark.real
def test_server_without_any_rename_keeps_its_old_files(
    start: Started, tmp_path: Path
) -> None:
    destination = start(sftp_options="-P posix-rename,rename")

    with pytest.raises(DestinationError, match="rename P1") as caught:
        deliver_set(destination.connect, make_set(tmp_path), ORDERED, now=now)

    assert {name: destination.contents()[name] for name in NAMES} == OLD
    assert "use_temp_names: false" in caught.value.next_step


@pytest.mark.real
def test_server_without_any_rename_gets_files_under_their_real_names(
    start: Started, tmp_path: Path
) -> None:
    destination = start(sftp_options="-P posix-rename,rename")
    files = make_set(tmp_path)
    options = ORDERED.model_copy(update={"use_temp_names": False})

    deliver_set(destination.connect, files, options, now=now)

    assert destination.contents() == bytes_of(files)


@pytest.mark.real
def test_server_that_sets_no_times_needs_the_switch(
    start: Started, tmp_path: Path
) -> None:
    destination = start(sftp_options="-P setstat")
    files = make_set(tmp_path)

    with pytest.raises(DestinationError, match="set the time of P1") as caught:
        deliver_set(destination.connect, files, ORDERED, now=now)

    assert "set_mtime: false" in caught.value.next_step
    assert {name: destination.contents()[name] for name in NAMES} == OLD


@pytest.mark.real
def test_server_that_lets_nothing_be_read_needs_no_read_back(
    start: Started, tmp_path: Path
) -> None:
    destination = start(sftp_options="-P read")
    files = make_set(tmp_path)

    with pytest.raises(DestinationError, match=r"read P1.* back"):
        deliver_set(destination.connect, files, ORDERED, now=now)
    options = ORDERED.model_copy(update={"confirm_hash": False})
    report = deliver_set(destination.connect, files, options, now=now)

    assert report.read_back == ("size", "mtime")
    assert destination.contents() == bytes_of(files)


@pytest.mark.real
@pytest.mark.parametrize("confirm", [True, False])
def test_full_disk_is_noticed_and_keeps_the_old_files(
    start: Started, tmp_path: Path, confirm: bool
) -> None:
    require_isolation("a disk of 1 MB")
    destination = start(disk="1m")
    files = make_set(tmp_path, sizes=(400_000, 300_000, 600_000))
    options = ORDERED.model_copy(
        update={
            "confirm_size": confirm,
            "confirm_hash": False,
            "verify_after_rename": False,
        }
    )

    with pytest.raises(DestinationError, match="upload E1") as caught:
        deliver_set(destination.connect, files, options, now=now)

    assert {name: destination.contents()[name] for name in NAMES} == OLD
    assert "free space" in caught.value.next_step


def test_full_disk_under_a_local_folder_is_noticed(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("/dev/full is not there")
    folder = tmp_path / "outbox"
    folder.mkdir()
    (folder / f"{NAMES[1]}.part").symlink_to(full)
    (folder / NAMES[0]).write_bytes(b"old")

    with pytest.raises(DestinationError, match=r"write W2SSO.*No space left"):
        deliver_set(lambda: FolderRemote(folder), make_set(tmp_path), ORDERED, now=now)

    assert (folder / NAMES[0]).read_bytes() == b"old"
