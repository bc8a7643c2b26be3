"""The schema: models and the revision agree, older ones are refused and migrated."""

from __future__ import annotations

import datetime as dt
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from d118_pipelines.errors import ConfigurationError, FatalError
from d118_pipelines.roster.model import tables
from d118_pipelines.state import audit
from d118_pipelines.state.database import (
    Database,
    audit_log,
    metadata,
    upgrade,
)
from d118_pipelines.state.schema import MIGRATIONS, VERSION_TABLE, newest_revision
from d118_pipelines_tests.support.postgres import empty_database

Place = tuple[Path, str]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Path and URL of a database without tables."""
    url = empty_database() if request.param == "postgresql" else ""
    yield tmp_path / "d118.sqlite", url


def engine(place: Place) -> sa.Engine:
    path, url = place
    return sa.create_engine(url or f"sqlite:///{path}", poolclass=sa.NullPool)


def other_revision(name: str, down: str, sql: str) -> str:
    """A made-up migration."""
    return (
        f"from alembic import op\nrevision = {name!r}\ndown_revision = {down!r}\n"
        f"def upgrade() -> None:\n    op.get_bind().exec_driver_sql({sql!r})\n"
    )


@pytest.fixture
def next_version(tmp_path: Path) -> Path:
    """The migrations of a later version of d118, with one revision more."""
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder)
    newest = newest_revision(MIGRATIONS)
    text = other_revision("0999", newest, "ALTER TABLE findings ADD COLUMN seen TEXT")
    (folder / "versions/v0999_seen.py").write_text(text, encoding="utf-8")
    return folder


def write_down(place: Place, revision: str) -> None:
    """Give the database another revision."""
    with engine(place).begin() as connection:
        connection.exec_driver_sql(
            f"UPDATE {VERSION_TABLE} SET version_num = '{revision}'"
        )


def columns(place: Place, table: str) -> set[str]:
    found = sa.inspect(engine(place)).get_columns(table)
    return {column["name"] for column in found}


def test_models_and_migrations_make_the_same_tables(place: Place) -> None:
    Database(*place)
    options = {"compare_type": True, "version_table": VERSION_TABLE}
    with engine(place).connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def test_models_and_migrations_keep_the_same_sqlite_tables_without_rowid(
    tmp_path: Path,
) -> None:
    Database(tmp_path / "d118.sqlite")
    with engine((tmp_path / "d118.sqlite", "")).connect() as connection:
        made = connection.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE sql LIKE '%WITHOUT ROWID'"
        ).scalars()
        names = set(made)
    assert names == {
        table.name
        for table in metadata.sorted_tables
        if not table.dialect_options["sqlite"]["with_rowid"]
    }
    assert names >= {"enrollments", "users", "user_roles", "external_ids"}


def test_every_promised_view_has_its_columns(place: Place) -> None:
    Database(*place)
    orgs = {column.name for column in tables.ENTITY_TABLES["orgs"].c}
    assert columns(place, "schools") == columns(place, "districts") == orgs
    assert columns(place, "sync_jobs") >= {
        *("id", "status", "started_at", "completed_at"),
        *("error", "is_manual", "triggered_by", "stats_json"),
    }


def test_one_revision_describes_the_schema() -> None:
    script = ScriptDirectory(str(MIGRATIONS))

    assert script.get_heads() == [newest_revision(MIGRATIONS)]
    assert [r.revision for r in script.walk_revisions()] == ["0001"]


def test_the_revision_is_in_a_table_of_its_own(place: Place) -> None:
    Database(*place)

    names = set(sa.inspect(engine(place)).get_table_names())
    assert "d118_alembic_version" in names
    assert "alembic_version" not in names


def test_an_older_database_is_refused_then_migrated(
    place: Place, next_version: Path
) -> None:
    with Database(*place).transaction() as connection:
        now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
        audit.record(connection, now=now, actor="old", action="b", subject="c")
    with pytest.raises(ConfigurationError) as caught:
        Database(*place, migrations=next_version)
    assert caught.value.exit_code == 2
    assert "run: d118 upgrade" in caught.value.next_step
    assert "seen" not in columns(place, "findings")

    older = newest_revision(MIGRATIONS)
    assert upgrade(*place, migrations=next_version) == (older, "0999")
    assert upgrade(*place, migrations=next_version) == ("0999", "0999")
    assert "seen" in columns(place, "findings")
    database = Database(*place, migrations=next_version)
    with database.reading() as connection:
        actors = connection.execute(sa.select(audit_log.c.actor)).scalars()
        assert list(actors) == ["old"]


@pytest.mark.parametrize(
    ("revision", "step"), [("0000", "d118 upgrade"), ("9999", "Install the version")]
)
def test_another_revision_stops_every_command(
    place: Place, revision: str, step: str
) -> None:
    Database(*place)
    write_down(place, revision)
    with pytest.raises(ConfigurationError) as caught:
        Database(*place)
    assert step in caught.value.next_step


def test_an_upgrade_refuses_a_newer_database(place: Place) -> None:
    Database(*place)
    write_down(place, "9999")
    with pytest.raises(ConfigurationError, match="9999"):
        upgrade(*place)


def test_a_database_without_revision_is_refused(place: Place) -> None:
    Database(*place)
    with engine(place).begin() as connection:
        connection.exec_driver_sql(f"DROP TABLE {VERSION_TABLE}")
    for open_it in (Database, upgrade):
        with pytest.raises(ConfigurationError, match="trial version") as caught:
            open_it(*place)
        assert "DATABASE_URL" in caught.value.next_step


def test_a_migration_that_fails_leaves_the_database_as_it_was(
    place: Place, next_version: Path
) -> None:
    Database(*place)
    text = other_revision("1000", "0999", "CREATE TABLE users (x TEXT)")
    path = next_version / "versions/v1000_fails.py"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FatalError):
        upgrade(*place, migrations=next_version)
    assert "seen" not in columns(place, "findings")
    path.unlink()
    assert upgrade(*place, migrations=next_version)[1] == "0999"


def test_opening_a_finished_database_does_not_import_alembic(tmp_path: Path) -> None:
    path = tmp_path / "d118.sqlite"
    Database(path, "")
    code = (
        "import sys; from pathlib import Path; "
        "from d118_pipelines.state.database import Database; "
        f"Database(Path({str(path)!r}), ''); print('alembic' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_two_processes_create_a_schema_once(place: Place) -> None:
    code = (
        "import sys; from pathlib import Path; "
        "from d118_pipelines.state.database import Database; "
        "Database(Path(sys.argv[1]), sys.argv[2])"
    )
    command = [sys.executable, "-c", code, str(place[0]), place[1]]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(2)]
    assert [p.communicate()[1] for p in both] == [b"", b""]
    Database(*place)
