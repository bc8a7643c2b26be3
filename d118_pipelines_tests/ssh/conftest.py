"""Key files of every kind, for the tests that read them and log in with them."""

from __future__ import annotations

import pytest

from d118_pipelines_tests.ssh.key_files import KeyFiles, write_key_files


@pytest.fixture(scope="session")
def key_files(tmp_path_factory: pytest.TempPathFactory) -> KeyFiles:
    return write_key_files(tmp_path_factory.mktemp("key_files"))
