"""Writing the changes of one entity: a fixed number of statements, however many rows.

Called by `apply.py` and `undo_records.py`; the SQL is in sql/roster/store.sql. Two
temporary tables hold an entity's changes: `plan_rows`, the rows of its plan, and
`incoming`, the values of the records to be written. Rule:
docs/reference/roster_database.md.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from d118_pipelines.kernel.sql_text import statement
from d118_pipelines.roster.model.entities import ENTITIES
from d118_pipelines.roster.model.tables import ENTITY_TABLES
from d118_pipelines.roster.planning.record_views import MATCHED
from d118_pipelines.state.bulk import fill_table, is_postgres
from d118_pipelines.state.database import UtcDateTime

if TYPE_CHECKING:
    import duckdb

STATE = ("status", "inactive_reason", "deactivated_at", "deactivated_by_run")
OWNER = ("provider_id", "external_id", "row_hash")


@dataclass(frozen=True, slots=True)
class Writer:
    """One provider's change of the roster, in the caller's transaction."""

    connection: sa.Connection
    duck: duckdb.DuckDBPyConnection
    district: str
    provider: str
    run_id: str
    now: dt.datetime

    @property
    def is_postgres(self) -> bool:
        """Whether the SQL is for PostgreSQL."""
        return is_postgres(self.connection)

    @property
    def id_type(self) -> str:
        """The type of internal ids in temporary tables."""
        return "UUID" if self.is_postgres else "TEXT"

    @property
    def typed_now(self) -> str:
        """The bound :now as a value of its own, where no column tells its type."""
        return "CAST(:now AS TIMESTAMPTZ)" if self.is_postgres else ":now"

    def run(self, sql: str, **more: object) -> int:
        """Run a statement; how many rows it touched.

        It may name :district, :provider, :run and :now beside the keys of `more`.
        """
        known = {"district": self.district, "provider": self.provider}
        values = {**known, "run": self.run_id, "now": self.now, **more}
        text = sa.text(sql)
        named = set(text.compile().params)
        if "now" in named:
            text = text.bindparams(sa.bindparam("now", type_=UtcDateTime))
        used = {name: value for name, value in values.items() if name in named}
        return int(self.connection.execute(text, used).rowcount)

    def time_text(self) -> str:
        """`now` as the engine keeps it."""
        text = self.now.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        return f"{text}+00" if self.is_postgres else text


def store_sql(name: str, **values: str) -> str:
    """A statement of sql/roster/store.sql."""
    return statement(f"roster/store.{name}", **values)


def field_columns(entity: str) -> list[str]:
    """The columns of the entity's own fields."""
    return [field.column for field in ENTITIES[entity].fields]


def start_entity(writer: Writer, entity: str) -> None:
    """Make both temporary tables, empty."""
    writer.run("DROP TABLE IF EXISTS plan_rows")
    writer.run("DROP TABLE IF EXISTS incoming")
    writer.run(store_sql("make_plan_rows", id=writer.id_type))
    names = ", ".join(("id", *OWNER, *STATE, *field_columns(entity)))
    writer.run(store_sql("make_incoming", entity=entity, columns=names))


def finish_entity(writer: Writer) -> None:
    """Drop both temporary tables."""
    writer.run("DROP TABLE plan_rows")
    writer.run("DROP TABLE incoming")


def index_incoming(writer: Writer) -> None:
    """Let the engine find the values by id, and know how many there are."""
    writer.run("CREATE INDEX incoming_ids ON incoming (id)")
    writer.run("CREATE INDEX plan_row_ids ON plan_rows (id)")
    refresh_statistics(writer, "incoming", "plan_rows")


def refresh_statistics(writer: Writer, *tables: str) -> None:
    """After many new rows: without this PostgreSQL plans as if there were none."""
    if writer.is_postgres:
        writer.run(f"ANALYZE {', '.join(tables)}")


def is_empty(writer: Writer, entity: str) -> bool:
    """Whether the table has no row at all, of any provider."""
    query = f"SELECT 1 FROM {entity} LIMIT 1"
    return writer.connection.exec_driver_sql(query).first() is None


def fill_entity(writer: Writer, entity: str, records: str) -> None:
    """First load of an empty table. records: DuckDB SELECT of id, external_id, ..."""
    constants = {"district_id": writer.district, "provider_id": writer.provider}
    constants |= dict.fromkeys(["created_at", "updated_at"], writer.time_text())
    constants |= dict.fromkeys(["created_by_run", "last_changed_run"], writer.run_id)
    fill_table(
        writer.connection,
        writer.duck,
        f"SELECT {_new_columns(entity)} FROM ({records}) ORDER BY id",
        ENTITY_TABLES[entity],
        constants,
    )


def _new_columns(entity: str) -> str:
    return ", ".join(
        ["id", "external_id", "status", "row_hash", *field_columns(entity)]
    )


def create_records(writer: Writer, entity: str) -> int:
    """Insert the new records of `incoming`; returns how many."""
    columns, now = _new_columns(entity), writer.typed_now
    return writer.run(
        store_sql("create_records", entity=entity, columns=columns, now=now)
    )


def write_records(writer: Writer, entity: str) -> int:
    """Give the records of `incoming` their values; suspended ones stay suspended."""
    values = [f"{name} = c.{name}" for name in (*OWNER, *field_columns(entity))]
    values += [
        f"{name} = CASE WHEN t.status = 'suspended' THEN t.{name} ELSE c.{name} END"
        for name in STATE
    ]
    return writer.run(
        store_sql("write_records", entity=entity, values=", ".join(values))
    )


def write_history(writer: Writer, entity: str) -> int:
    """Keep what every row of `plan_rows` is about to change; returns how many rows."""
    return writer.run(
        store_sql(
            "write_history",
            entity=entity,
            now=writer.typed_now,
            whole=_json(writer, (*OWNER, *STATE, *field_columns(entity))),
            state=_json(writer, STATE),
            was_linked=store_sql("was_linked") if entity in MATCHED else "NULL",
        ),
        entity=entity,
    )


def _json(writer: Writer, names: tuple[str, ...]) -> str:
    pairs = ", ".join(f"'{name}', t.{name}" for name in names)
    if writer.is_postgres:
        return f"CAST(json_build_object({pairs}) AS TEXT)"
    return f"json_object({pairs})"
