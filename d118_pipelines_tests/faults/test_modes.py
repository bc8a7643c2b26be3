"""What is kept of people is for the owner alone, whatever the account's usual mode is."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from d118_pipelines_tests.support.district import Person
from d118_pipelines_tests.support.project import ProjectFolder


@pytest.fixture(autouse=True)
def usual_mode() -> Iterator[None]:
    """Files that say nothing else are readable by everybody."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def open_to_others(home: Path) -> dict[str, str]:
    """Mode of everything that is not 0700 (folders) or 0600 (files)."""
    return {
        str(path.relative_to(home)): oct(stat.S_IMODE(path.stat().st_mode))
        for path in [home, *home.rglob("*")]
        if stat.S_IMODE(path.stat().st_mode) != (0o700 if path.is_dir() else 0o600)
    }


@pytest.mark.long
def test_runs_of_both_targets_write_for_the_owner_only(tmp_path: Path) -> None:
    project = ProjectFolder(tmp_path / "project", [Person(4001), Person(4002)])

    project.d118("ledger", "seed", "smartfind", "--newest-dcid", "4002")
    codes = [project.d118("run", name).code for name in ("hr_records", "smartfind")]

    assert codes == [0, 0]
    assert len(list((project.home / "outbox").rglob("*.*"))) == 5
    assert open_to_others(project.home) == {}


@pytest.mark.long
def test_demonstration_writes_for_the_owner_only(tmp_path: Path) -> None:
    project = ProjectFolder(tmp_path / "project")

    assert project.d118("run", "hr_records").code == 0

    assert (project.home / "demo/powerschool/users.csv").is_file()
    assert open_to_others(project.home) == {}
