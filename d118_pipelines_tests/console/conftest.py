"""One console for the tests of this folder; a test that changes files has its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from d118_pipelines_tests.support.console import RunningConsole, running_console
from d118_pipelines_tests.support.project import ProjectFolder


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    """A console over the repository's own configuration, nothing run yet."""
    project = ProjectFolder(tmp_path_factory.mktemp("console") / "project")
    with running_console(project) as running:
        yield running


@pytest.fixture
def own_console(tmp_path: Path) -> Iterator[RunningConsole]:
    """A console for one test, whose files may change; secrets can be encrypted."""
    from cryptography.fernet import Fernet

    project = ProjectFolder(tmp_path / "project")
    project.environment["ENCRYPTION_KEY"] = Fernet.generate_key().decode()
    project.environment["WEBHOOK_SECRET"] = "a secret of the tests"
    hosts = frozenset({"sis.example", "sftp.example.com", "api.school.edu"})
    with running_console(project, test_hosts=hosts) as running:
        yield running
