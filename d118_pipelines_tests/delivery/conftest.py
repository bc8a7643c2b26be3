"""What the delivery tests share: keys, a server, and destinations of both kinds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from d118_pipelines_tests.delivery.destinations import (
    Destination,
    folder_destination,
    sftp_destination,
)
from d118_pipelines_tests.ssh.key_files import KeyFiles, write_key_files
from d118_pipelines_tests.support.sshd import Sshd, SshKeys, require_sshd, running_sshd


@pytest.fixture(scope="session")
def ssh_keys(tmp_path_factory: pytest.TempPathFactory) -> SshKeys:
    require_sshd()
    return SshKeys.generate(tmp_path_factory.mktemp("ssh_keys"))


@pytest.fixture(scope="session")
def key_files(tmp_path_factory: pytest.TempPathFactory) -> KeyFiles:
    return write_key_files(tmp_path_factory.mktemp("key_files"))


@pytest.fixture
def sshd(tmp_path: Path, ssh_keys: SshKeys) -> Iterator[Sshd]:
    """A server with the usual configuration."""
    (tmp_path / "sshd").mkdir()
    with running_sshd(tmp_path / "sshd", ssh_keys) as server:
        yield server


@pytest.fixture(
    params=["folder", pytest.param("sftp", marks=pytest.mark.real)],
)
def destination(request: pytest.FixtureRequest, tmp_path: Path) -> Destination:
    """The same test on a local folder and on a real server."""
    if request.param == "folder":
        return folder_destination(tmp_path / "outbox")
    return sftp_destination(request.getfixturevalue("sshd"), tmp_path)
