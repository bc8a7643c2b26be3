"""The schema: models and migrations agree, older ones are refused and migrated."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import d118_pipelines
from d118_pipelines.errors import ConfigurationError, FatalError
from d118_pipelines.roster.model import tables
from d118_pipelines.state.database import Database, metadata, upgrade
from d118_pipelines.state.schema import NEWEST, run_migrations
from d118_pipelines_tests.support.postgres import empty_database

Place = tuple[Path, str]
MIGRATIONS = Path(d118_pipelines.__file__).parent / "state/migrations"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Path and URL of a database without tables."""
    url = empty_database() if request.param == "postgresql" else ""
    yield tmp_path / "d118.sqlite", url


def engine(place: Place) -> sa.Engine:
    path, url = place
    return sa.create_engine(url or f"sqlite:///{path}", poolclass=sa.NullPool)


def made_before_revisions(place: Place) -> None:
    """A database as the first version of the project made it, with a row in it."""
    found = engine(place)
    with found.begin() as connection:
        run_migrations(connection, "", to="0001")
        connection.exec_driver_sql("DROP TABLE alembic_version")
        connection.exec_driver_sql(
            "INSERT INTO audit_log (at, actor, action, object, detail) "
            "VALUES ('2026-01-01 00:00:00', 'old', 'b', 'c', '')"
        )


def test_models_and_migrations_make_the_same_tables(place: Place) -> None:
    Database(*place)
    with engine(place).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
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
    inspector = sa.inspect(engine(place))

    def columns(name: str) -> set[str]:
        return {column["name"] for column in inspector.get_columns(name)}

    orgs = {column.name for column in tables.ENTITY_TABLES["orgs"].c}
    assert columns("schools") == columns("districts") == orgs
    assert columns("sync_jobs") >= {"id", "status", "started_at", "completed_at"}
    assert columns("sync_jobs") >= {"error", "is_manual", "triggered_by", "stats_json"}


def test_the_newest_revision_is_the_last_migration() -> None:
    script = ScriptDirectory(str(MIGRATIONS))

    assert script.get_heads() == [NEWEST]
    assert [r.revision for r in script.walk_revisions()] == ["0002", "0001"]


def test_a_database_without_revision_is_refused_then_migrated(place: Place) -> None:
    made_before_revisions(place)
    with pytest.raises(ConfigurationError) as caught:
        Database(*place)
    assert caught.value.exit_code == 2
    assert "run: d118 upgrade" in caught.value.next_step

    assert upgrade(*place) == ("0001", NEWEST)
    assert upgrade(*place) == (NEWEST, NEWEST)
    with Database(*place).reading() as connection:
        actors = connection.exec_driver_sql("SELECT actor FROM audit_log").scalars()
        assert list(actors) == ["old"]
    with engine(place).connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []


@pytest.mark.parametrize(
    ("revision", "step"), [("0001", "d118 upgrade"), ("9999", "Install the version")]
)
def test_another_revision_stops_every_command(
    place: Place, revision: str, step: str
) -> None:
    Database(*place)
    with engine(place).begin() as connection:
        connection.exec_driver_sql(
            f"UPDATE alembic_version SET version_num = '{revision}'"
        )
    with pytest.raises(ConfigurationError) as caught:
        Database(*place)
    assert step in caught.value.next_step


def test_a_migration_that_fails_leaves_the_database_as_it_was(place: Place) -> None:
    made_before_revisions(place)
    with engine(place).begin() as connection:
        connection.exec_driver_sql("CREATE TABLE roster_revision (x TEXT)")
    with pytest.raises(FatalError):
        upgrade(*place)
    names = set(sa.inspect(engine(place)).get_table_names())
    assert {"deliveries", "roster_revision"} <= names
    assert not names & {"users", "enrollments", "alembic_version"}


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
