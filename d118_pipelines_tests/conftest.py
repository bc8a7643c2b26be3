"""Projects and servers that many tests begin with, where tests keep their files, and their order.

Each session makes a shared project once, whichever process needs it first.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

if "PYTEST_XDIST_WORKER" in os.environ:
    # Its models search all loaded modules for their docstrings: four times as long later.
    import scim2_client  # noqa: F401

from d118_pipelines_tests.support.demonstrated import demonstrate
from d118_pipelines_tests.support.district import Person
from d118_pipelines_tests.support.examples import LONG
from d118_pipelines_tests.support.project import ProjectFolder
from d118_pipelines_tests.support.shared import made_once
from d118_pipelines_tests.support.sshd import Sshd, SshKeys, require_sshd, running_sshd

TARGETS = ("hr_records", "smartfind")
LEFT = 4019
"""Delivered once, gone from PowerSchool since."""
NO_PERSON = 4100
"""Skipped by the rule bad_name in both targets."""
STAFF = [Person(dcid) for dcid in range(4000, 4019)]
HALF = STAFF[:10]
PEOPLE = [*STAFF, Person(NO_PERSON, first_name="Test")]

TESTS = Path(__file__).parent
MEMORY = Path("/dev/shm")
MEMORY_BYTES = 4 * 2**30


def _keep_files_in_memory() -> None:
    """Databases are written through to the disk hundreds of times in most tests."""
    if "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK):
        return
    if shutil.disk_usage(MEMORY).free >= MEMORY_BYTES:
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None


def _hear_control_c() -> None:
    """A background shell has SIGINT ignored, and every child would inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


_keep_files_in_memory()
_hear_control_c()
settings.register_profile(LONG)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A file goes to one process as a whole; the browser's files go together."""
    from d118_pipelines_tests.support.scheduling import FileScheduling

    return FileScheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slowest files come first, so that no process ends long after the others."""
    from d118_pipelines_tests.support.scheduling import place
    from d118_pipelines_tests.support.widest import mark_the_rest

    mark_the_rest(items)

    items.sort(key=lambda item: place(item.path.relative_to(TESTS).as_posix()))


def _deliver_twice(folder: Path) -> None:
    project = ProjectFolder(folder, [*PEOPLE, Person(LEFT)])
    assert project.d118("ledger", "seed", "smartfind", "--newest-dcid", "0").code == 0
    for target in TARGETS:
        project.deliver(target)
    project.set_people(PEOPLE)
    for target in TARGETS:
        answer = project.d118("run", target)
        assert answer.code == 0, answer.err


@pytest.fixture(scope="session")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> ProjectFolder:
    """Both targets delivered, and again by `d118 run` without LEFT; read it only."""
    return ProjectFolder.at(made_once(tmp_path_factory, "delivered", _deliver_twice))


@pytest.fixture(scope="session")
def demonstrated(tmp_path_factory: pytest.TempPathFactory) -> ProjectFolder:
    """The demonstration district after `make demo`; read it only."""
    return ProjectFolder.at(made_once(tmp_path_factory, "demonstrated", demonstrate))


@pytest.fixture(scope="session")
def ssh_keys(tmp_path_factory: pytest.TempPathFactory) -> SshKeys:
    """Host keys and a login key, made once."""
    require_sshd()
    return SshKeys(made_once(tmp_path_factory, "ssh_keys", SshKeys.generate))


@pytest.fixture
def sshd(tmp_path: Path, ssh_keys: SshKeys) -> Iterator[Sshd]:
    """A server with the usual configuration."""
    (tmp_path / "sshd").mkdir()
    with running_sshd(tmp_path / "sshd", ssh_keys) as server:
        yield server


@pytest.fixture
def project(delivered: ProjectFolder, tmp_path: Path) -> ProjectFolder:
    """A copy of `delivered` for this test alone."""
    return delivered.copied(tmp_path / "project")


@pytest.fixture
def held(project: ProjectFolder) -> ProjectFolder:
    """A copy in which half of the people are gone and hr_records is held."""
    project.set_people(HALF)
    assert project.export("hr_records").plan.verdict == "held"
    return project
