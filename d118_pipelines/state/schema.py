"""The schema of the state database: its revision, its creation, its migration.

Called by `database.py`; what a migration does is in `migrations/versions/`. The newest
revision is the last file there. Rule: docs/reference/roster_database.md.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import sqlalchemy as sa

from d118_pipelines.errors import ConfigurationError

# Dagster's tables can be in the same database; `alembic_version` is theirs.
VERSION_TABLE = "d118_alembic_version"
MIGRATIONS = Path(__file__).parent / "migrations"
Opened = Callable[[], AbstractContextManager[sa.Connection]]


def newest_revision(migrations: Path) -> str:
    """The revision that this version of d118 works with, for example `0001`."""
    return max(path.stem[1:5] for path in migrations.glob("versions/v[0-9]*.py"))


def prepare_schema(transaction: Opened, reading: Opened, migrations: Path) -> None:
    """Create the schema in an empty database; refuse any but the newest revision.

    Alembic is imported only to create. Raises: ConfigurationError naming `d118
    upgrade`.
    """
    newest = newest_revision(migrations)
    with reading() as connection:
        if found_revision(connection) == newest:
            return
    with transaction() as connection:
        # Read again: another process may have been quicker.
        revision = found_revision(connection)
        if revision == newest:
            return
        if revision:
            raise _wrong_revision(revision, newest)
        _run_migrations(connection, migrations)


def migrate_schema(transaction: Opened, migrations: Path) -> str:
    """Bring a schema to the newest revision in one transaction; the one it had.

    Raises: ConfigurationError if it is newer than this version of d118.
    """
    newest = newest_revision(migrations)
    with transaction() as connection:
        revision = found_revision(connection)
        if revision > newest:
            raise _wrong_revision(revision, newest)
        if revision != newest:
            _run_migrations(connection, migrations)
    return revision


def found_revision(connection: sa.Connection) -> str:
    """The revision of a database, empty where nothing was made yet."""
    tables = sa.inspect(connection)
    if tables.has_table(VERSION_TABLE):
        query = f"SELECT version_num FROM {VERSION_TABLE}"
        return str(connection.exec_driver_sql(query).scalar() or "")
    if tables.has_table("delivery_ledger"):
        raise ConfigurationError(
            "The state database was made by a trial version of d118.",
            rule=f"Its revision is in the table {VERSION_TABLE}, which is missing.",
            not_done="Nothing was read or written.",
            next_step="Move it away (d118.sqlite in D118_HOME), or name an empty "
            "database in DATABASE_URL.",
        )
    return ""


def _wrong_revision(revision: str, newest: str) -> ConfigurationError:
    return ConfigurationError(
        f"The state database has schema {revision}, this version of d118 needs {newest}.",
        rule="Only d118 upgrade changes a schema, no other command does.",
        not_done="Nothing was read or written.",
        next_step="Install the version of d118 that made it."
        if revision > newest
        else "Stop all runs, make a backup, then run: d118 upgrade",
    )


def _run_migrations(connection: sa.Connection, migrations: Path) -> None:
    from alembic import command  # heavy: only to create or migrate
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations))
    config.attributes["settings"] = {
        "connection": connection,
        "version_table": VERSION_TABLE,
    }
    command.upgrade(config, "head")
