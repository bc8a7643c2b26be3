"""docs/postgresql.md in a project: run history and roster on a PostgreSQL server."""

from __future__ import annotations

import sys
from pathlib import Path

import psycopg2
import pytest
import yaml

from d118_pipelines_tests.docs.test_commands import commands, outcome
from d118_pipelines_tests.support.district import Person
from d118_pipelines_tests.support.postgres import empty_database, server
from d118_pipelines_tests.support.project import REPOSITORY
from d118_pipelines_tests.support.roster_sync import RosterProject
from d118_pipelines_tests.support.small_sets import PROVIDER, put_set

PAGE = "docs/postgresql.md"
SELECTION = ("--select", "+group:files")
SECRET = "canary-password"


def with_login(url: str) -> str:
    """The URL with a driver and a password, which the server does not ask for."""
    return url.replace(
        "postgresql://postgres@", f"postgresql+psycopg2://postgres:{SECRET}@"
    )


def query(url: str, text: str) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(url)
    try:
        cursor = connection.cursor()
        cursor.execute(text)
        return list(cursor.fetchall())
    finally:
        connection.close()


def on_postgresql(folder: Path, history: str, roster: str) -> RosterProject:
    """A project with a set of files to sync, its databases on the server."""
    project = RosterProject(folder, PROVIDER, url=with_login(roster))
    put_set(project.root, 12)
    home = project.root / "deploy/postgres"
    home.mkdir(parents=True)
    text = (REPOSITORY / "deploy/postgres/dagster.yaml").read_text(encoding="utf-8")
    (home / "dagster.yaml").write_text(text, encoding="utf-8")
    project.environment["DAGSTER_HOME"] = str(home)
    project.environment["DAGSTER_PG_URL"] = with_login(history)
    return project


def test_the_settings_are_those_of_every_day_but_for_the_storage() -> None:
    usual, ours = (
        yaml.safe_load((REPOSITORY / name).read_text(encoding="utf-8"))
        for name in ("dagster.yaml", "deploy/postgres/dagster.yaml")
    )

    assert usual.pop("storage") == {"sqlite": {"base_dir": ".dagster/storage"}}
    assert ours.pop("storage") == {
        "postgres": {"postgres_url": {"env": "DAGSTER_PG_URL"}}
    }
    assert ours == usual


@pytest.mark.long
@pytest.mark.real
@pytest.mark.parametrize("databases", ["one", "two"])
def test_history_and_roster_are_on_the_server(tmp_path: Path, databases: str) -> None:
    history = empty_database()
    roster = history if databases == "one" else empty_database()
    project = on_postgresql(tmp_path / "project", history, roster)

    arguments = ("-m", "d118_pipelines.definitions", *SELECTION)
    answer = project.run_dagster("asset", "materialize", *arguments)

    assert answer.code == 0, answer.err
    assert query(history, "SELECT status FROM runs") == [("SUCCESS",)]
    assert query(roster, "SELECT count(*) FROM users") == [(13,)]
    assert query(roster, "SELECT count(*) FROM d118_alembic_version") == [(1,)]
    assert query(history, "SELECT count(*) FROM alembic_version") == [(1,)]
    assert not (project.home / "d118.sqlite").exists()
    assert not (project.root / ".dagster/storage").exists()
    again = project.d118("run", "files")
    assert again.code == 0, again.err
    listed = project.d118("runs", "--json").json()
    assert [run["outcome"] for run in listed["runs"]] == ["applied", "applied"]


@pytest.mark.long
@pytest.mark.real
def test_every_command_of_the_page_succeeds(tmp_path: Path) -> None:
    url = empty_database()
    project = on_postgresql(tmp_path / "project", url, url)
    project.set_people([Person(dcid) for dcid in range(4000, 4005)])
    (project.root / ".venv").symlink_to(Path(sys.prefix))
    lines = commands(PAGE)
    assert len(lines) >= 4

    for line in lines:
        code, output = outcome(project, line)

        assert code == 0, f"{line}\n{output}"
        assert SECRET not in output


@pytest.mark.long
@pytest.mark.real
def test_doctor_names_both_databases_without_their_login(tmp_path: Path) -> None:
    history, roster = empty_database(), empty_database()
    project = on_postgresql(tmp_path / "project", history, roster)

    answer = project.d118("doctor", "--json")

    found = {c["check"]: f"{c['result']}: {c['found']}" for c in answer.json()}
    folder = server().folder
    one, two = (url.partition("@/")[2].partition("?")[0] for url in (history, roster))
    assert found["run history"] == f"ok: DAGSTER_PG_URL ({folder}/{one})"
    assert found["state database"] == (
        f"ok: DATABASE_URL ({folder}/{two}), opened for writing"
    )
    assert SECRET not in answer.out


@pytest.mark.long
@pytest.mark.real
@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("DAGSTER_PG_URL", "", "DAGSTER_PG_URL is not set"),
        (
            "DAGSTER_PG_URL",
            f"postgresql://who:{SECRET}@127.0.0.1:9/x",
            "cannot be reached",
        ),
        (
            "DAGSTER_PG_URL",
            f"mysql://who:{SECRET}@127.0.0.1/x",
            "DAGSTER_PG_URL does not",
        ),
        ("DAGSTER_HOME", "/nowhere", "no /nowhere/dagster.yaml"),
    ],
)
def test_doctor_says_what_is_wrong_with_the_run_history(
    tmp_path: Path, variable: str, value: str, told: str
) -> None:
    url = empty_database()
    project = on_postgresql(tmp_path / "project", url, url)

    answer = project.d118("doctor", "--json", **{variable: value})

    assert answer.code == 1
    check = next(c for c in answer.json() if c["check"] == "run history")
    assert check["result"] == "wrong"
    assert told in check["found"]
    assert SECRET not in answer.out
