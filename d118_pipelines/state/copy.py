"""The whole state from one database to another, for the move to PostgreSQL.

Called by `cli/upgrade.py`. Both have the newest schema by then (`schema.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from d118_pipelines.errors import BusyError, ConfigurationError, FatalError
from d118_pipelines.state.database import Database, sync_leases
from d118_pipelines.state.leases import is_held

CHUNK_ROWS = 10_000


def copy_state(
    source: Database,
    target: Database,
    tables: Sequence[sa.Table],
    *,
    is_idle: bool = True,
) -> dict[str, int]:
    """Copy all rows of the tables in one transaction; table -> rows.

    is_idle: no run may be at work, since the source is given up.

    The source's writers wait meanwhile. Numbered rows keep their numbers, and the next
    number follows them. Raises: ConfigurationError if the target has rows; BusyError
    while a run is at work; FatalError if the target refuses a row or does not count as
    many. In any case nothing is copied then.
    """
    with source.transaction() as old, target.transaction() as new:
        if is_idle:
            _require_idle(old)
        _require_empty(new, tables, target)
        try:
            return {table.name: _copied(old, new, table) for table in tables}
        except sa.exc.DatabaseError as exc:
            if exc.connection_invalidated:
                raise  # told by the target
            # The driver's text can quote the row.
            raise _not_copied(f"refused a row ({type(exc.orig).__name__})") from None
        except ValueError:  # the driver sends no text with a NUL in it
            raise _not_copied("cannot keep a text with a NUL character") from None


def _require_idle(connection: sa.Connection) -> None:
    for name in connection.scalars(sa.select(sync_leases.c.name)).all():
        if is_held(connection, name):
            raise BusyError(
                f"BUSY  {name}: a run is at work.",
                not_done="Nothing was copied.",
                next_step="Stop the schedules and wait for the run to end (d118 status), "
                "then start again.",
            )


def _require_empty(
    connection: sa.Connection, tables: Sequence[sa.Table], target: Database
) -> None:
    for table in tables:
        if _count(connection, table):
            raise ConfigurationError(
                f"The target database has rows already: table {table.name}.",
                where=target.place,
                rule="A state is copied into an empty database only.",
                not_done="Nothing was copied.",
                next_step="Name an empty database.",
            )


def _copied(old: sa.Connection, new: sa.Connection, table: sa.Table) -> int:
    rows: Any = old.execute(sa.select(table)).mappings()
    while chunk := rows.fetchmany(CHUNK_ROWS):
        new.execute(table.insert(), [dict(row) for row in chunk])
    sent, kept = _count(old, table), _count(new, table)
    if sent != kept:
        raise _not_copied(f"has {kept:,} of {sent:,} rows in {table.name}")
    number = table.autoincrement_column
    if kept and number is not None and new.dialect.name == "postgresql":
        sequence = sa.func.pg_get_serial_sequence(table.name, number.name)
        newest = sa.select(sa.func.max(number)).scalar_subquery()
        new.execute(sa.select(sa.func.setval(sequence, newest)))
    return kept


def _count(connection: sa.Connection, table: sa.Table) -> int:
    count = sa.select(sa.func.count()).select_from(table)
    return int(connection.execute(count).scalar_one())


def _not_copied(what: str) -> FatalError:
    return FatalError(
        f"The target database {what}.",
        rule="All tables are copied, or none.",
        not_done="Nothing was copied; the old database is as it was.",
        next_step="Report this fault; go on with the old database meanwhile.",
    )
