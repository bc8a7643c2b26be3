"""`d118_pipelines.read`: the newest complete rows, with the types that it promises."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from d118_pipelines import read
from d118_pipelines.errors import ConfigurationError
from d118_pipelines_tests.support.postgres import new_database
from d118_pipelines_tests.support.project import REPOSITORY, ProjectFolder
from d118_pipelines_tests.support.roster_sync import RosterProject, entry
from d118_pipelines_tests.support.small_sets import PROVIDER, put_set

DTYPES = {"string", "Int64", "boolean", "float64", "datetime64[us]"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> RosterProject:
    """The demonstration district in the roster, a file of it, and a set of files."""
    root = tmp_path_factory.mktemp("read") / "project"
    project = RosterProject(root, entry("powerschool", "POWERSCHOOL", {}), PROVIDER)
    put_set(project.root, 5)
    project.sync("powerschool")
    project.pull("files")
    project.export("hr_records")
    return project


@pytest.fixture
def here(folder: RosterProject, monkeypatch: pytest.MonkeyPatch) -> RosterProject:
    """The project as the working directory."""
    monkeypatch.chdir(folder.root)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delenv("D118_HOME", raising=False)
    return folder


def dtypes(frame: pd.DataFrame) -> dict[str, str]:
    return {str(name): str(kind) for name, kind in frame.dtypes.items()}


@pytest.mark.long
def test_an_extract_of_powerschool(here: RosterProject) -> None:
    staff = read.extract("staff")

    assert len(staff) > 500
    assert dtypes(staff)["users_dcid"] == "Int64"
    assert dtypes(staff)["last_name"] == "string"
    assert read.extract("powerschool/staff").equals(staff)


@pytest.mark.long
def test_a_collection_of_another_provider(here: RosterProject) -> None:
    users = read.extract("files/users")

    assert "S-0" in set(users["sourcedId"])
    assert set(dtypes(users).values()) == {"string", "Int64"}


@pytest.mark.long
def test_a_staged_roster(here: RosterProject) -> None:
    rows = read.staged("powerschool", "enrollments")

    assert rows["external_id"].is_unique
    kinds = dtypes(rows)
    assert (kinds["begin_date"], kinds["is_primary"]) == ("datetime64[us]", "boolean")
    assert set(kinds.values()) <= DTYPES


def test_the_roster(here: RosterProject) -> None:
    users, roles = read.roster("users"), read.roster("user_roles")

    active = here.sql("SELECT count(*) FROM users WHERE status = 'active'")
    assert [(len(users),)] == active
    assert users["id"].is_unique
    assert set(roles["user_id"]) <= set(users["id"])
    kinds = dtypes(users)
    assert (kinds["id"], kinds["birth_date"]) == ("string", "datetime64[us]")
    assert (kinds["graduation_year"], kinds["enabled"]) == ("Int64", "boolean")
    assert set(kinds.values()) <= DTYPES


@pytest.mark.parametrize("name", ["StaffData.txt", "staff_data"])
def test_an_export(here: RosterProject, name: str) -> None:
    rows = read.export("hr_records", name)

    sent = next((here.home / "exports/hr_records").glob("*/StaffData.txt"))
    lines = sent.read_text(encoding="utf-8").splitlines()
    assert len(rows) in (len(lines), len(lines) - 1)  # with a header or without
    assert rows.columns[0] == "Global Identifier"
    assert set(dtypes(rows).values()) == {"string"}


@pytest.mark.parametrize("place", [str, Path])
def test_a_project_somewhere_else(
    folder: RosterProject, place: Callable[[Path], str | Path]
) -> None:
    found = read.extract("schools", project=place(folder.root))

    assert found.equals(read.extract("schools", project=folder.project))


def test_the_newest_complete_one(folder: RosterProject, tmp_path: Path) -> None:
    project = folder.copied(tmp_path / "project")
    old = read.extract("files/users", project=project.root)
    put_set(project.root, 7)
    project.pull("files")

    assert len(read.extract("files/users", project=project.root)) == len(old) + 2


@pytest.mark.parametrize(
    ("ask", "told", "command"),
    [
        (lambda p: read.extract("none", project=p), "staff", "raw/powerschool/none"),
        (lambda p: read.extract("clever/users", project=p), "", "d118 run clever"),
        (lambda p: read.extract("files/none", project=p), "users", "d118 run files"),
        (lambda p: read.staged("none", "users", project=p), "", "d118 run none"),
        (
            lambda p: read.staged("powerschool", "x", project=p),
            "enrollments",
            "d118 run powerschool",
        ),
        (lambda p: read.roster("none", project=p), "users", ""),
        (
            lambda p: read.export("hr_records", "x", project=p),
            "StaffData.txt",
            "d118 run hr_records",
        ),
        (
            lambda p: read.export("smartfind", "W2SSO.csv", project=p),
            "",
            "d118 run smartfind",
        ),
        (lambda p: read.export("x", "x", project=p), "hr_records", "d118 targets list"),
    ],
)
def test_what_is_missing_is_named_with_the_command(
    folder: RosterProject, ask: Callable[[Path], object], told: str, command: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ask(folder.root)

    assert told in caught.value.rule
    assert command in caught.value.next_step


def test_a_project_that_never_ran_has_no_roster(tmp_path: Path) -> None:
    fresh = ProjectFolder(tmp_path / "project")

    with pytest.raises(ConfigurationError, match="no roster"):
        read.roster("users", project=fresh.root)

    assert not (fresh.home / "d118.sqlite").exists()


@pytest.mark.long
@pytest.mark.real
def test_the_roster_on_postgresql_is_found_by_the_projects_env(
    tmp_path: Path,
) -> None:
    for url in new_database():
        project = RosterProject(tmp_path / "project", PROVIDER, url=url)
        put_set(project.root, 5)
        project.sync("files")
        (project.root / ".env").touch(mode=0o600)
        (project.root / ".env").write_text(f"DATABASE_URL={url}\n", encoding="utf-8")
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                "from d118_pipelines import read; u = read.roster('users'); "
                "print(len(u), u.dtypes['birth_date'], u.dtypes['enabled'])",
            ],
            cwd=project.root,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout == "6 datetime64[us] boolean\n", done.stderr


@pytest.mark.long
def test_the_example_of_the_page_runs(here: RosterProject) -> None:
    page = (REPOSITORY / "docs/read_with_pandas.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S)

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", example],
        cwd=here.root,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "in PowerSchool" in done.stdout
