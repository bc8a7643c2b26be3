"""The built wheel, installed where there is no repository: it has all that it needs."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from d118_pipelines_tests.support.project import REPOSITORY

SHIPPED = ("config", "mappings", "sql", "deploy")
SOURCE = ("d118_pipelines", *SHIPPED, "pyproject.toml", "setup.py", "MANIFEST.in")
FILES = ("README.md", "LICENSE", ".env.example", "dagster.yaml", "workspace.yaml")

pytestmark = [pytest.mark.long, pytest.mark.real]


def run(*words: str | Path, at: Path, code: int = 0) -> str:
    """Run a command without this project's variables; returns what it said."""
    finished = subprocess.run(
        list(map(str, words)),
        cwd=at,
        env={"PATH": "/usr/bin:/bin", "HOME": str(at), "LANG": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert finished.returncode == code, finished.stdout
    return finished.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the source, without network."""
    source = tmp_path_factory.mktemp("source")
    for name in (*SOURCE, *FILES):
        copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy2
        copy(REPOSITORY / name, source / name)
    build = ("pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index")
    run(sys.executable, "-m", *build, "-w", source / "made", source, at=source)
    [path] = (source / "made").glob("*.whl")
    return path


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the programs of an environment with the wheel and our dependencies are."""
    place = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", "--without-pip", "environment", at=place)
    [packages] = (place / "environment/lib").glob("python*/site-packages")
    # Not what .pth files there add: the repository itself is one of those.
    (packages / "locked.pth").write_text(sysconfig.get_path("purelib"))
    python = place / "environment/bin/python"
    install = ("install", "--quiet", "--no-deps", "--no-index", wheel)
    run(sys.executable, "-m", "pip", "--python", python, *install, at=place)
    return python.parent


def test_the_wheel_has_every_shipped_file(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())

    tracked = {
        path.relative_to(REPOSITORY).as_posix()
        for name in SHIPPED
        for path in (REPOSITORY / name).rglob("*")
        if path.is_file()
    }
    assert {f"d118_pipelines/shipped/{name}" for name in tracked} <= names
    assert "d118_pipelines/shipped/.env.example" in names
    assert not [name for name in names if name.startswith("d118_pipelines_tests")]
    package = {
        path.relative_to(REPOSITORY).as_posix()
        for path in (REPOSITORY / "d118_pipelines").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert package <= names, "package-data in pyproject.toml"


def test_the_wheel_runs_a_district_from_an_empty_folder(
    programs: Path, tmp_path: Path
) -> None:
    d118 = programs / "d118"

    assert "d118 init FOLDER" in run(d118, "doctor", at=tmp_path, code=2)
    assert "d118_pipelines" in run(d118, "--version", at=tmp_path)
    run(d118, "init", "north", at=tmp_path)
    north = tmp_path / "north"
    assert "Nothing is wrong." in run(d118, "doctor", at=north)
    run(d118, "run", "--all", at=north)

    outbox = {path.parent.name for path in (north / "var/outbox").glob("*/*")}
    assert outbox == {"hr_records", "smartfind", "oneroster", "clever_sftp", "scim"}
    assert list(tmp_path.iterdir()) == [north], "nothing beside the folder"


def test_dagsters_own_command_works_in_the_folder(
    programs: Path, tmp_path: Path
) -> None:
    run(programs / "d118", "init", "north", at=tmp_path)

    words = ("asset", "materialize", "-m", "d118_pipelines.definitions")
    dagster = (programs / "python", "-m", "dagster", *words)
    run(*dagster, "--select", "+group:hr_records", at=tmp_path / "north")

    assert (tmp_path / "north/var/outbox/hr_records/StaffData.txt").is_file()
