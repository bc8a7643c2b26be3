"""deploy/systemd: the units are sound, and none of them opens more than it needs."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from d118_pipelines.service.one_service import PARTS
from d118_pipelines_tests.support.project import REPOSITORY

UNITS = REPOSITORY / "deploy/systemd"
PROGRAM = "/opt/d118/.venv/bin/d118"


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string((UNITS / name).read_text())
    return parser


def test_there_is_a_unit_for_every_part_and_the_target_wants_them_all() -> None:
    wanted = unit("d118@.target")["Unit"]["Wants"].split()

    assert wanted == [f"d118-{part}@%i.service" for part in PARTS]
    for part in PARTS:
        start = unit(f"d118-{part}@.service")["Service"]["ExecStart"]
        assert start == f"{PROGRAM} --project /srv/d118/%i service {part}"


def test_no_unit_says_what_a_district_is() -> None:
    """Variables come from the folder's `.env` alone."""
    for path in UNITS.rglob("*.*"):
        if path.is_file():
            assert "Environment" not in path.read_text(), path


@pytest.mark.real
def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    shutil.copytree(UNITS, tmp_path / "units")
    for path in (tmp_path / "units").glob("*.service"):
        program = str(Path(sys.executable).with_name("d118"))
        path.write_text(path.read_text().replace(PROGRAM, program))
    names = [f"d118-{part}@north.service" for part in (*PARTS, "console")]
    names.append("d118@north.target")
    environment = {**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path / 'units'}:"}

    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *names],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert verified.returncode == 0, verified.stderr
    assert str(tmp_path) not in verified.stderr, verified.stderr
