"""The first commands on a fresh folder, all at once: Dagster makes its databases once."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from d118_pipelines_tests.support.project import ProjectFolder

PROGRAM = """
import sys, time
from pathlib import Path
import dagster
from d118_pipelines.config.project import Project
from d118_pipelines.instance import dagster_instance
project = Project.here()
Path(sys.argv[1]).touch()
while not Path("go").exists():
    time.sleep(0.001)
with dagster_instance(project) as instance:
    instance.get_runs()
"""
PROCESSES = 3


@pytest.mark.long
@pytest.mark.real
def test_first_commands_at_once_open_one_instance(tmp_path: Path) -> None:
    project = ProjectFolder(tmp_path / "project")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, f"ready{number}"],
            cwd=project.root,
            env=project.variables({}),
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    end = time.monotonic() + 300
    while len(list(project.root.glob("ready*"))) < PROCESSES:
        assert time.monotonic() < end
        time.sleep(0.01)

    (project.root / "go").touch()
    ended = [process.communicate(timeout=300)[1] for process in processes]

    assert [process.returncode for process in processes] == [0] * PROCESSES, ended
