"""pandas is for people who read and compare; no run pays for its import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from d118_pipelines_tests.support.oneroster_data import district
from d118_pipelines_tests.support.oneroster_server import OneRosterServer, TokenGate
from d118_pipelines_tests.support.project import REPOSITORY
from d118_pipelines_tests.support.roster_sync import (
    RosterProject,
    oneroster,
    spreadsheets,
)
from d118_pipelines_tests.support.small_sets import PROVIDER, put_set, student

# Each run as the command line does it, all in one process.
RUNS = """
import sys
from d118_pipelines.cli.app import main
for name in sys.argv[1:]:
    sys.argv = ["d118", "run", name]
    try:
        main()
    except SystemExit as end:
        print("run", name, end.code, "pandas" in sys.modules)
"""


@pytest.mark.long
@pytest.mark.real
def test_no_pull_sync_export_or_delivery_imports_pandas(tmp_path: Path) -> None:
    names = ["sis", "oneroster", "files", "sheets", "hr_records"]
    with OneRosterServer(district(), gate=TokenGate()) as server:
        sheets = spreadsheets(REPOSITORY / "examples/csv")
        folder = tmp_path / "project"
        project = RosterProject(folder, oneroster(server), PROVIDER, sheets)
        # A record that the fast way through a file cannot read.
        quoted = student(99).replace("Given99", '" Given, 99 "')
        put_set(project.root, 5, more_users=quoted)

        finished = subprocess.run(
            [sys.executable, "-c", RUNS, *names],
            cwd=project.root,
            env=project.variables({}),
            capture_output=True,
            text=True,
            check=False,
        )

    ended = [line for line in finished.stdout.splitlines() if line.startswith("run ")]
    assert ended == [f"run {name} 0 False" for name in names], finished.stderr
