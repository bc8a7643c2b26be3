"""Writing the changes of one entity: a fixed number of statements, however many rows.

Belongs here: the SQL that creates, updates, reactivates and deactivates records with
their history and child rows. Not here: links (`record_links.py`), what is to change
(`comparison.py`, `undo.py`), the order of entities (`apply.py`).
Two temporary tables hold an entity's changes: `plan_rows`, the rows of its plan, and
`incoming`, the values of the records to be written. Rule:
docs/reference/roster_database.md.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from d118_pipelines.roster.model.entities import ENTITIES
from d118_pipelines.roster.model.tables import ENTITY_TABLES
from d118_pipelines.roster.planning.record_views import MATCHED
from d118_pipelines.state.bulk import append_frame, fill_table, is_postgres
from d118_pipelines.state.database import UtcDateTime

if TYPE_CHECKING:
    import duckdb

STATE = ("status", "inactive_reason", "deactivated_at", "deactivated_by_run")
OWNER = ("provider_id", "external_id", "row_hash")
_NEW = ("created_at", "updated_at", "created_by_run", "last_changed_run")


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


def field_columns(entity: str) -> list[str]:
    """The columns of the entity's own fields."""
    return [field.column for field in ENTITIES[entity].fields]


def start_entity(writer: Writer, entity: str) -> None:
    """Make both temporary tables, empty."""
    kind = "UUID" if writer.is_postgres else "TEXT"
    writer.run("DROP TABLE IF EXISTS plan_rows")
    writer.run("DROP TABLE IF EXISTS incoming")
    writer.run(
        f"CREATE TEMPORARY TABLE plan_rows (id {kind}, external_id TEXT, "
        "action TEXT, reason TEXT, rule TEXT, fields TEXT, writes BOOLEAN)"
    )
    names = ", ".join(("id", *OWNER, *STATE, *field_columns(entity)))
    writer.run(
        f"CREATE TEMPORARY TABLE incoming AS SELECT {names}, "
        f"metadata AS action FROM {entity} WHERE 1 = 0"
    )


def finish_entity(writer: Writer) -> None:
    """Drop both temporary tables."""
    writer.run("DROP TABLE plan_rows")
    writer.run("DROP TABLE incoming")


def index_incoming(writer: Writer) -> None:
    """Let the engine find the values by id, and know how many there are."""
    writer.run("CREATE INDEX incoming_ids ON incoming (id)")
    writer.run("CREATE INDEX plan_row_ids ON plan_rows (id)")
    if writer.is_postgres:
        writer.run("ANALYZE incoming")
        writer.run("ANALYZE plan_rows")


def refresh_statistics(writer: Writer, *tables: str) -> None:
    """After many new rows: without it PostgreSQL plans as if there were none."""
    if writer.is_postgres:
        writer.run(f"ANALYZE {', '.join(tables)}")


def is_empty(writer: Writer, entity: str) -> bool:
    """Whether the table has no row at all, of any provider."""
    query = f"SELECT 1 FROM {entity} LIMIT 1"
    return writer.connection.exec_driver_sql(query).first() is None


def fill_entity(writer: Writer, entity: str, records: str) -> None:
    """First load of an empty table. records: DuckDB SELECT of id, external_id, ..."""
    times = (writer.time_text(), writer.time_text(), writer.run_id, writer.run_id)
    fill_table(
        writer.connection,
        writer.duck,
        f"SELECT id, external_id, status, row_hash, {', '.join(field_columns(entity))} "
        f"FROM ({records}) ORDER BY id",
        ENTITY_TABLES[entity],
        {
            "district_id": writer.district,
            "provider_id": writer.provider,
            **dict(zip(_NEW, times, strict=True)),
        },
    )


def load_incoming(writer: Writer, entity: str, records: str) -> None:
    """Put values into `incoming`. records: DuckDB SELECT with the column `action`."""
    fields = ", ".join(field_columns(entity))
    append_frame(
        writer.connection,
        writer.duck,
        f"SELECT id, external_id, status, row_hash, {fields}, action FROM ({records})",
        "incoming",
    )


def create_records(writer: Writer, entity: str) -> int:
    """Insert the new records of `incoming`; returns how many."""
    names = ", ".join(
        ("id", "external_id", "status", "row_hash", *field_columns(entity))
    )
    return writer.run(
        f"INSERT INTO {entity} (district_id, provider_id, {', '.join(_NEW)}, {names}) "
        f"SELECT :district, :provider, {_typed_now(writer)}, {_typed_now(writer)}, "
        f":run, :run, {names} FROM incoming WHERE action = 'create' ORDER BY id"
    )


def _typed_now(writer: Writer) -> str:
    return "CAST(:now AS TIMESTAMPTZ)" if writer.is_postgres else ":now"


def write_records(writer: Writer, entity: str) -> int:
    """Give the records of `incoming` their values; suspended ones stay suspended."""
    names = (*OWNER, *field_columns(entity))
    values = ", ".join(f"{name} = c.{name}" for name in names)
    kept = ", ".join(
        f"{name} = CASE WHEN t.status = 'suspended' THEN t.{name} ELSE c.{name} END"
        for name in STATE
    )
    return writer.run(
        f"UPDATE {entity} AS t SET {values}, {kept}, updated_at = :now, "
        "last_changed_run = :run FROM incoming AS c "
        "WHERE t.id = c.id AND c.action = 'write'"
    )


def reactivate_records(writer: Writer, entity: str) -> int:
    """Turn records active whose values are kept; returns how many."""
    return writer.run(
        f"UPDATE {entity} AS t SET status = 'active', inactive_reason = NULL, "
        "deactivated_at = NULL, deactivated_by_run = NULL, updated_at = :now, "
        "last_changed_run = :run FROM plan_rows AS p WHERE t.id = p.id "
        "AND p.action = 'reactivate' AND NOT p.writes "
        "AND t.status IN ('inactive', 'deleted')"
    )


def deactivate_records(writer: Writer, entity: str) -> int:
    """Turn active records inactive; returns how many."""
    return writer.run(
        f"UPDATE {entity} AS t SET status = 'inactive', inactive_reason = p.reason, "
        "deactivated_at = :now, deactivated_by_run = :run, updated_at = :now, "
        "last_changed_run = :run FROM plan_rows AS p WHERE t.id = p.id "
        "AND p.action = 'deactivate' AND NOT p.writes AND t.status = 'active'"
    )


def write_history(writer: Writer, entity: str) -> int:
    """Keep what every row of `plan_rows` is about to change; returns how many rows.

    Values only of records that are overwritten; of others their state.
    """
    link, join = "NULL", ""
    if entity in MATCHED:
        link = "x.active"
        join = (
            "LEFT JOIN external_ids AS x ON x.district_id = :district "
            "AND x.provider_id = :provider AND x.entity = :entity "
            "AND x.external_id = p.external_id"
        )
    whole = _json(writer, [*OWNER, *STATE, *field_columns(entity)])
    state = _json(writer, STATE)
    return writer.run(
        "INSERT INTO roster_history (district_id, provider_id, run_id, at, entity, "
        "record_id, external_id, action, reason, fields, before, link_before) "
        f"SELECT :district, :provider, :run, {_typed_now(writer)}, :entity, p.id, "
        "p.external_id, p.action, p.reason, p.fields, "
        f"CASE WHEN p.writes THEN {whole} "
        f"WHEN p.action IN ('deactivate', 'reactivate') THEN {state} END, {link} "
        f"FROM plan_rows AS p JOIN {entity} AS t ON t.id = p.id {join}",
        entity=entity,
    )


def _json(writer: Writer, names: list[str] | tuple[str, ...]) -> str:
    pairs = ", ".join(f"'{name}', t.{name}" for name in names)
    if writer.is_postgres:
        return f"CAST(json_build_object({pairs}) AS TEXT)"
    return f"json_object({pairs})"
