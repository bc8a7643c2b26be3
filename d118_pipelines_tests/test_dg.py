"""Dagster's newer command line, `dg`, knows the project as well."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from d118_pipelines_tests.support.project import REPOSITORY

pytestmark = pytest.mark.real


def dg(home: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """`dg ARGS` in the repository, as a person in it would type it."""
    program = Path(sys.executable).with_name("dg")
    return subprocess.run(
        [program, *args],
        cwd=REPOSITORY,
        env={
            "PATH": f"{program.parent}:/usr/bin:/bin",
            "HOME": str(home),
            "D118_HOME": str(home / "var"),
            "LANG": "C.UTF-8",
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.long
def test_dg_check_defs_passes(tmp_path: Path) -> None:
    answer = dg(tmp_path, "check", "defs")

    assert answer.returncode == 0, answer.stderr
    assert "All definitions loaded successfully." in answer.stdout + answer.stderr
    assert not (tmp_path / "var").exists(), "loading writes nothing"


@pytest.mark.long
def test_dg_list_defs_has_the_assets_and_jobs(tmp_path: Path) -> None:
    answer = dg(tmp_path, "list", "defs", "--json")

    assert answer.returncode == 0, answer.stderr
    listed = json.loads(answer.stdout)
    keys = {asset["asset_key"] for asset in listed["assets"]}
    assert {"raw/powerschool/staff", "deliveries/hr_records"} <= keys
    assert {"hr_records", "sync_powerschool"} <= {job["name"] for job in listed["jobs"]}
