"""A backup of databases on a PostgreSQL server, and its way into empty ones."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
import sqlalchemy as sa

from d118_pipelines.errors import ConfigurationError
from d118_pipelines.state import database as db
from d118_pipelines.state.dumps import dump, is_sound_dump
from d118_pipelines.state.pauses import RESTORED
from d118_pipelines_tests.conftest import PEOPLE
from d118_pipelines_tests.support.postgres import empty_database, new_database
from d118_pipelines_tests.support.project import REPOSITORY, ProjectFolder

pytestmark = [pytest.mark.real, pytest.mark.long]
SECRET = "canary-password"
STATE, HISTORY = "state/d118.dump", "dagster/history.dump"
COMPARED = (db.deliveries, db.delivery_ledger, db.plans, db.findings)


def query(url: str, text: str) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(text)
            return list(cursor.fetchall()) if cursor.description else []
    finally:
        connection.close()


def on_server(folder: Path, state: str, history: str) -> ProjectFolder:
    """A district whose state and run history are in these databases."""
    project = ProjectFolder(folder, PEOPLE)
    home = project.root / "deploy/postgres"
    home.mkdir(parents=True)
    text = (REPOSITORY / "deploy/postgres/dagster.yaml").read_text(encoding="utf-8")
    (home / "dagster.yaml").write_text(text, encoding="utf-8")
    project.environment |= {
        "DAGSTER_HOME": str(home),
        "DATABASE_URL": state.replace("postgres@", f"postgres:{SECRET}@"),
        "DAGSTER_PG_URL": history,
    }
    return project


def rows(project: ProjectFolder, table: sa.Table) -> list[object]:
    """All rows of a table of the project's own database."""
    with project.entered():
        return list(project.rows(table))


@pytest.fixture(scope="module")
def state() -> Iterator[str]:
    """The database of the state."""
    yield from new_database()


@pytest.fixture(scope="module")
def before(state: str, tmp_path_factory: pytest.TempPathFactory) -> ProjectFolder:
    """A district that has delivered; its run history is in another database."""
    history = empty_database()
    query(history, "CREATE TABLE runs AS SELECT 'r1' AS id")
    folder = tmp_path_factory.mktemp("before") / "project"
    project = on_server(folder, state, history)
    project.deliver("hr_records")
    return project


@pytest.fixture(scope="module")
def archive(before: ProjectFolder) -> Path:
    """Its backup."""
    path = before.root.parent / "backup.tar.gz"
    made = before.d118("backup", str(path))
    assert made.code == 0, made.err
    assert "run history" not in made.err
    return path


def test_both_databases_come_back_from_their_dumps(
    before: ProjectFolder, archive: Path, tmp_path: Path
) -> None:
    with tarfile.open(archive) as tar:
        names = set(tar.getnames())
    state, history = empty_database(), empty_database()
    after = on_server(tmp_path / "after", state, history)

    checked = after.d118("restore", str(archive), "--check")
    done = after.d118("restore", str(archive))

    assert {STATE, HISTORY} <= names
    assert not any(name.endswith(".sqlite") for name in names)
    assert (checked.code, done.code) == (0, 0), done.err
    assert rows(before, db.deliveries)
    for table in COMPARED:
        assert rows(after, table) == rows(before, table)
    assert query(history, "SELECT id FROM runs") == [("r1",)]
    assert query(state, "SELECT name FROM pauses") == [(RESTORED,)]
    # The audit goes on with the next number, and is still append-only.
    told = query(state, "SELECT action FROM audit_log ORDER BY id DESC LIMIT 1")
    assert told == [("restored",)]
    with pytest.raises(psycopg2.Error, match="append"):
        query(state, "DELETE FROM audit_log")


def test_one_database_with_both_comes_back_as_one(
    state: str, before: ProjectFolder, tmp_path: Path
) -> None:
    query(state, "CREATE TABLE IF NOT EXISTS runs AS SELECT 'r2' AS id")
    before.environment, kept = (
        {
            **before.environment,
            "DAGSTER_PG_URL": state,
        },
        before.environment,
    )
    file = tmp_path / "shared.tar.gz"
    made = before.d118("backup", str(file))
    before.environment = kept
    assert made.code == 0, made.err
    one, other = empty_database(), empty_database()
    apart = on_server(tmp_path / "apart", one, other)
    together = on_server(tmp_path / "together", one, one)

    refused, done = (p.d118("restore", str(file)) for p in (apart, together))

    assert refused.code == 2
    assert "one empty database" in refused.err
    assert done.code == 0, done.err
    assert query(one, "SELECT id FROM runs") == [("r2",)]
    assert rows(together, db.deliveries) == rows(before, db.deliveries)


@pytest.mark.parametrize("change", ["not empty", "no server", "no program"])
def test_what_cannot_take_a_dump_is_told_and_nothing_is_restored(
    archive: Path, tmp_path: Path, change: str
) -> None:
    state, history = empty_database(), empty_database()
    after = on_server(tmp_path / "after", state, history)
    if change == "not empty":
        query(history, "CREATE TABLE mine (id TEXT)")
    elif change == "no server":
        after.environment["DATABASE_URL"] = ""
    else:
        after.environment["POSTGRES_BIN_DIR"] = str(tmp_path)

    told = after.d118("restore", str(archive))

    assert told.code == 2
    assert "Nothing was restored" in told.err or "not installed" in told.err
    assert SECRET not in told.err
    assert not (after.home / "exports").exists()
    assert query(state, "SELECT 1 FROM pg_tables WHERE schemaname = 'public'") == []


def test_without_pg_dump_the_state_is_copied_and_what_is_missing_is_told(
    before: ProjectFolder, tmp_path: Path
) -> None:
    file = tmp_path / "copied.tar.gz"
    before.environment["POSTGRES_BIN_DIR"] = str(tmp_path)

    made = before.d118("backup", str(file))

    del before.environment["POSTGRES_BIN_DIR"]
    assert made.code == 0, made.err
    assert "run history" in made.err
    after = ProjectFolder(tmp_path / "after", PEOPLE)
    done = after.d118("restore", str(file))
    assert done.code == 0, done.err
    assert rows(after, db.deliveries) == rows(before, db.deliveries)


def test_a_dump_that_was_cut_is_unsound(state: str, tmp_path: Path) -> None:
    file = tmp_path / "state.dump"
    dump(state, "DATABASE_URL", file)
    assert is_sound_dump(file)

    file.write_bytes(file.read_bytes()[:-2000])

    assert not is_sound_dump(file)


def test_a_server_that_refuses_the_dump_is_named_without_a_password(
    tmp_path: Path,
) -> None:
    url = empty_database().replace("postgres@", f"nobody:{SECRET}@")

    with pytest.raises(ConfigurationError, match="pg_dump ended with code 1") as told:
        dump(url, "DATABASE_URL", tmp_path / "state.dump")

    assert SECRET not in str(told.value)
