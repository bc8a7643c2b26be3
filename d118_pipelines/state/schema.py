"""The schema of the state database: its revision, its creation, its migration.

Belongs here: comparing the revision and running the migrations. Not here: what a
migration does (`migrations/versions/`). Rule: docs/reference/roster_database.md.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import sqlalchemy as sa

from d118_pipelines.errors import ConfigurationError

NEWEST = "0002"
# The schema of a database that was made before revisions were written down.
UNMARKED = "0001"
Opened = Callable[[], AbstractContextManager[sa.Connection]]


def prepare_schema(transaction: Opened, reading: Opened) -> None:
    """Create the schema in an empty database; refuse any but the newest revision.

    Alembic is imported only to create. Raises: ConfigurationError naming `d118 upgrade`.
    """
    if _stored(reading) == NEWEST:
        return
    with transaction() as connection:
        # Read again: another process may have been quicker.
        revision = _found(connection)
        if revision == NEWEST:
            return
        if revision:
            raise _wrong_revision(revision)
        run_migrations(connection, revision)


def migrate_schema(transaction: Opened) -> str:
    """Bring a schema to the newest revision in one transaction; the one it had.

    Raises: ConfigurationError if it is newer than this version of d118.
    """
    with transaction() as connection:
        revision = _found(connection)
        if revision > NEWEST:
            raise _wrong_revision(revision)
        if revision != NEWEST:
            run_migrations(connection, revision)
    return revision


def _found(connection: sa.Connection) -> str:
    """The revision of a database, empty where nothing was made yet."""
    tables = sa.inspect(connection)
    if tables.has_table("alembic_version"):
        return _read(connection)
    return UNMARKED if tables.has_table("deliveries") else ""


def _stored(reading: Opened) -> str:
    try:
        with reading() as connection:
            return _read(connection)
    except (sa.exc.OperationalError, sa.exc.ProgrammingError) as exc:
        # SQLite and PostgreSQL name a missing table differently.
        if "alembic_version" not in str(exc.orig):
            raise
        return ""


def _read(connection: sa.Connection) -> str:
    query = "SELECT version_num FROM alembic_version"
    return str(connection.exec_driver_sql(query).scalar() or "")


def _wrong_revision(revision: str) -> ConfigurationError:
    newer = revision > NEWEST
    return ConfigurationError(
        f"The state database has schema {revision}, this version of d118 needs {NEWEST}.",
        rule="A schema is migrated by one command only, never by the way.",
        not_done="Nothing was read or written.",
        next_step="Install the version of d118 that made it."
        if newer
        else "Stop all runs, make a backup, then run: d118 upgrade",
    )


def run_migrations(connection: sa.Connection, revision: str, to: str = NEWEST) -> None:
    """Run the migrations after `revision` up to and including `to`."""
    from alembic import command  # heavy: only to create or migrate
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    if revision == UNMARKED and not sa.inspect(connection).has_table("alembic_version"):
        command.stamp(config, UNMARKED)
    command.upgrade(config, to)
