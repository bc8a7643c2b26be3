"""A real OpenSSH server for the tests that fetch a set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from d118_pipelines_tests.support.sshd import Sshd, SshKeys, require_sshd, running_sshd


@pytest.fixture(scope="session")
def ssh_keys(tmp_path_factory: pytest.TempPathFactory) -> SshKeys:
    require_sshd()
    return SshKeys.generate(tmp_path_factory.mktemp("ssh_keys"))


@pytest.fixture
def sshd(tmp_path: Path, ssh_keys: SshKeys) -> Iterator[Sshd]:
    (tmp_path / "sshd").mkdir()
    with running_sshd(tmp_path / "sshd", ssh_keys) as server:
        yield server
