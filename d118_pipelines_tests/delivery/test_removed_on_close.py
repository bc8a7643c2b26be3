"""A vendor that takes every file away as soon as it is there, in a folder with blanks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from d118_pipelines.config.delivery_options import DeliveryOptions
from d118_pipelines.delivery.folder import FolderRemote
from d118_pipelines.delivery.sequence import deliver_set
from d118_pipelines.delivery.sftp import SftpRemote
from d118_pipelines.errors import MixedSetError
from d118_pipelines_tests.delivery.destinations import (
    NAMES,
    bytes_of,
    make_set,
    now,
    sftp_settings,
)
from d118_pipelines_tests.support.pickup_server import PASSWORD, pickup_server
from d118_pipelines_tests.support.sshd import FOLDER, Sshd, SshKeys

BLANKS = "From D118/SIS files"
OPTIONS = DeliveryOptions(removed_on_close=True, ordered_mtimes=True)
# An open file that is moved away still gets its bytes: the harshest vendor of all.
REMOVER = """
import os, sys, time
source, inbox, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
while count:
    for name in os.listdir(source):
        os.rename(os.path.join(source, name), os.path.join(inbox, name))
        count -= 1
    time.sleep(0.002)
"""


@contextmanager
def remover(source: Path, inbox: Path) -> Iterator[None]:
    """A process that moves the files of a set away as soon as it sees them."""
    command = [sys.executable, "-I", "-c", REMOVER, str(source), str(inbox)]
    with subprocess.Popen(
        [*command, str(len(NAMES))], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.terminate()


@pytest.mark.real
def test_files_that_a_real_server_loses_at_once_are_verified_by_size(
    sshd: Sshd, tmp_path: Path
) -> None:
    folder, inbox = sshd.folder / BLANKS, sshd.folder / "taken"
    folder.mkdir(parents=True)
    inbox.mkdir()
    for path in (folder.parent, folder):
        path.chmod(0o777)
    settings = sftp_settings(sshd, tmp_path, directory=f"./{FOLDER}/{BLANKS}")
    files = make_set(tmp_path)
    waits: list[float] = []

    with remover(folder, inbox):
        report = deliver_set(
            lambda: SftpRemote(settings), files, OPTIONS, now=now, sleep=waits.append
        )

    assert {path.name: path.read_bytes() for path in inbox.iterdir()} == bytes_of(files)
    assert (report.read_back, report.attempts) == (("size",), 1)
    assert waits == [2.0, 2.0]


@pytest.mark.real
def test_a_server_that_tells_no_size_was_sent_to_and_not_read_back(
    ssh_keys: SshKeys, tmp_path: Path
) -> None:
    with pickup_server(tmp_path / "vendor", ssh_keys.private("host_ed25519")) as server:
        known = tmp_path / "known_hosts"
        key = ssh_keys.public("host_ed25519")
        known.write_text(f"[127.0.0.1]:{server.port} {key}\n", encoding="ascii")
        at = Sshd(server.port, "district", server.folder, known, ssh_keys, None)  # type: ignore[arg-type]
        login = {"password": PASSWORD, "key_file": None}
        settings = sftp_settings(at, tmp_path, directory="/upload1", **login)
        files = make_set(tmp_path)
        report = deliver_set(
            lambda: SftpRemote(settings),
            files,
            DeliveryOptions(removed_on_close=True),
            now=now,
        )

        assert server.taken() == bytes_of(files)
    assert report.read_back == ()


class _Shortened(FolderRemote):
    """A destination whose open file has a byte less than was sent."""

    def put(self, *args: object) -> int:
        return super().put(*args) - 1  # type: ignore[arg-type]


def test_an_open_file_of_another_size_fails(tmp_path: Path) -> None:
    files = make_set(tmp_path)

    with pytest.raises(MixedSetError, match="1999 bytes at the destination"):
        deliver_set(lambda: _Shortened(tmp_path / "there"), files, OPTIONS, now=now)
