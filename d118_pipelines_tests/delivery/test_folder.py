"""A local folder: its modes, its errors."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from d118_pipelines.delivery.folder import FolderRemote
from d118_pipelines.errors import DestinationError, ExportError


def nothing(sent: int) -> None:
    pass


def test_folder_and_files_are_for_the_owner_only(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"data")
    folder = tmp_path / "outbox" / "smartfind"

    with FolderRemote(folder) as remote:
        remote.put(source, "P1.csv", nothing)

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "P1.csv").stat().st_mode) == 0o600


def test_folder_under_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_bytes(b"")

    with (
        pytest.raises(DestinationError, match="create the folder"),
        FolderRemote(tmp_path / "outbox"),
    ):
        pass


def test_file_that_is_not_there_cannot_be_sent(tmp_path: Path) -> None:
    with (
        FolderRemote(tmp_path / "outbox") as remote,
        pytest.raises(ExportError, match="cannot be read"),
    ):
        remote.put(tmp_path / "absent", "P1.csv", nothing)
