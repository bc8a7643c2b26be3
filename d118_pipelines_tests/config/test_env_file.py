"""`.env` is followed by what runs for long; the real environment wins everywhere.

Belongs here: the file and the variables. Not here: a run of `make ui`
(`console/test_services.py`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import dagster as dg
import pytest

from d118_pipelines.config.env_file import (
    follow_env_file,
    read_env_file,
    renew_env_file,
)
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.sensors import configuration_sensor
from d118_pipelines_tests.conftest import PEOPLE
from d118_pipelines_tests.support.project import ProjectFolder


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A folder, and an environment that the test may change."""
    with patch.dict(os.environ, {"REAL": "environment"}, clear=True):
        yield tmp_path


def write(root: Path, *lines: str) -> None:
    (root / ".env").touch(mode=0o600)
    (root / ".env").write_text("".join(f"{line}\n" for line in lines), "utf-8")


def own() -> dict[str, str]:
    foreign = ("D118_FROM_ENV_FILE", "PYTEST_CURRENT_TEST")
    return {n: v for n, v in os.environ.items() if n not in foreign}


def test_the_environment_wins_over_the_file(root: Path) -> None:
    write(root, "REAL=file", "OTHER=file", "NAME_ALONE")

    assert read_env_file(root) == ["OTHER"]
    assert own() == {"REAL": "environment", "OTHER": "file"}


def test_changed_new_and_removed_lines_count_from_the_next_look(root: Path) -> None:
    write(root, "CHANGED=1", "REMOVED=1", "REAL=file")
    follow_env_file(root)
    write(root, "CHANGED=2", "NEW=2", "REAL=file")
    renew_env_file(root)

    assert own() == {"REAL": "environment", "CHANGED": "2", "NEW": "2"}
    write(root, "REMOVED=3")
    renew_env_file(root)
    assert own() == {"REAL": "environment", "REMOVED": "3"}
    (root / ".env").unlink()
    renew_env_file(root)
    assert own() == {"REAL": "environment"}


def test_folders_and_ports_stay_until_the_next_start(root: Path) -> None:
    write(root, "D118_HOME=one")
    follow_env_file(root)
    write(root, "D118_HOME=two", "DAGSTER_HOME=three")
    renew_env_file(root)
    assert own() == {"REAL": "environment", "D118_HOME": "one"}
    write(root)
    renew_env_file(root)

    assert own() == {"REAL": "environment", "D118_HOME": "one"}


def test_without_a_launcher_nothing_is_followed(root: Path) -> None:
    write(root, "NEW=1")
    renew_env_file(root)

    assert own() == {"REAL": "environment"}


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    project = ProjectFolder(tmp_path / "project", PEOPLE)
    (project.root / ".env").touch(mode=0o600)
    (project.root / ".env").write_bytes(b"A=\xff\n")

    answer = project.d118("status")

    assert (answer.code, answer.out) == (2, "")
    assert ".env cannot be read as text" in answer.err
    with project.entered(), pytest.raises(ConfigurationError):
        follow_env_file(project.root)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o622])
def test_a_file_that_others_can_read_is_refused_with_the_command_to_type(
    tmp_path: Path, mode: int
) -> None:
    """Also for root, whom no mode keeps out."""
    project = ProjectFolder(tmp_path / "project")
    (project.root / ".env").write_text("POWERSCHOOL_DB_PASSWORD=canary\n", "utf-8")
    (project.root / ".env").chmod(mode)

    told = project.d118("targets", "list")

    assert told.code == 2
    assert f".env can be read by others (mode {mode:o})" in told.err
    assert "chmod 600 " in told.err
    assert "canary" not in told.err
    (project.root / ".env").chmod(0o600)
    assert project.d118("targets", "list").code == 0


def test_a_sensor_reads_the_file_when_it_starts(tmp_path: Path) -> None:
    project = ProjectFolder(tmp_path / "project", PEOPLE)
    with project.entered():
        follow_env_file(project.root)
        write(project.root, "ALERT_WEBHOOK_URL=https://chat.example")
        context = dg.build_sensor_context(resources={"project": project.project})
        configuration_sensor(context)

        assert os.environ["ALERT_WEBHOOK_URL"] == "https://chat.example"


@pytest.mark.long
def test_a_run_says_which_source_it_read_and_how_old_it_is(
    project: ProjectFolder,
) -> None:
    answer = project.run_d118("run", "hr_records")

    assert answer.code == 0, answer.err
    tables = "the CSV files in tables"
    assert f" s from {tables}" in answer.err
    assert f"hr_records: made from {tables}, as of 20" in answer.err
