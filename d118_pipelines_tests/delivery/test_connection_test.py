"""A test of the connection tells what is there and changes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from d118_pipelines.delivery import connection_test
from d118_pipelines.delivery.folder import FolderRemote
from d118_pipelines.delivery.sftp import SftpRemote
from d118_pipelines_tests.delivery.destinations import (
    NAMES,
    Destination,
    sftp_settings,
)
from d118_pipelines_tests.support.sshd import Sshd, require_isolation


def test_reachable_destination_tells_which_files_are_there(
    destination: Destination,
) -> None:
    (destination.folder / NAMES[2]).write_bytes(b"3")
    (destination.folder / NAMES[0]).write_bytes(b"1")
    (destination.folder / "other.txt").write_bytes(b"")
    before = destination.contents(), destination.folder.stat().st_mtime_ns

    report = connection_test.test_destination(destination.connect, NAMES)

    assert report.success
    assert report.present == (NAMES[0], NAMES[2])
    assert "2 of 3 files" in report.message
    assert 0 < report.latency_seconds < 30
    assert (destination.contents(), destination.folder.stat().st_mtime_ns) == before


def test_folder_that_cannot_be_made_is_a_report_not_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    report = connection_test.test_destination(
        lambda: FolderRemote(tmp_path / "file" / "outbox"), NAMES
    )

    assert not report.success
    assert "create the folder" in report.message
    assert report.present == ()


@pytest.mark.real
def test_refused_login_is_a_report_without_secrets(sshd: Sshd, tmp_path: Path) -> None:
    require_isolation("a login with a password")
    settings = replace(
        sftp_settings(sshd, tmp_path), key_file=None, password="canary-wrong"
    )

    report = connection_test.test_destination(lambda: SftpRemote(settings), NAMES)

    assert not report.success
    assert "refused the user name and password" in report.message
    assert "canary" not in report.message
