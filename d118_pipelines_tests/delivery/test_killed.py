"""A delivery that was killed leaves whole files; the next one ends as if undisturbed."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from d118_pipelines.delivery.sequence import deliver_set
from d118_pipelines.ssh.settings import SftpSettings
from d118_pipelines_tests.delivery.destinations import (
    NAMES,
    NOW,
    ORDERED,
    Destination,
    bytes_of,
    folder_destination,
    make_set,
    now,
    sftp_destination,
    sftp_settings,
)
from d118_pipelines_tests.support.examples import some
from d118_pipelines_tests.support.killed_delivery import run_and_kill
from d118_pipelines_tests.support.sshd import Sshd

pytestmark = pytest.mark.real

OLD = dict.fromkeys(NAMES, b"old bytes")
CALLS = {
    "put 1": 0,
    "put 3": 0,
    "set_mtime 3": 0,
    "sha256 3": 0,
    "replace 1": 1,
    "replace 2": 2,
    "replace 3": 3,
}
"""Killed after this call, so many files are new."""


@pytest.mark.parametrize("call", some(CALLS, "set_mtime 3", "replace 2"))
def test_killed_delivery_to_a_folder_is_finished_by_the_next(
    tmp_path: Path, call: str
) -> None:
    destination = folder_destination(tmp_path / "outbox")

    check_kill(destination, destination.folder, tmp_path, call)


@pytest.mark.parametrize(
    "call", some(["put 3", "replace 1", "replace 2", "replace 3"], "replace 1")
)
def test_killed_delivery_to_a_server_is_finished_by_the_next(
    sshd: Sshd, tmp_path: Path, call: str
) -> None:
    destination = sftp_destination(sshd, tmp_path)

    check_kill(destination, sftp_settings(sshd, tmp_path), tmp_path, call)


def check_kill(
    destination: Destination, target: Path | SftpSettings, tmp_path: Path, call: str
) -> None:
    for name, data in OLD.items():
        (destination.folder / name).write_bytes(data)
    files = make_set(tmp_path)
    new = bytes_of(files)

    code = run_and_kill(tmp_path / "job.json", call, files, target)

    assert code == -signal.SIGKILL
    contents = destination.contents()
    count = CALLS[call]
    expected = {name: (new if i < count else OLD)[name] for i, name in enumerate(NAMES)}
    assert {name: contents[name] for name in NAMES} == expected
    deliver_set(destination.connect, files, ORDERED, now=now)
    assert destination.contents() == new
    times = [(destination.folder / name).stat().st_mtime for name in NAMES]
    assert times == [NOW.timestamp() - seconds for seconds in (180, 120, 60)]
