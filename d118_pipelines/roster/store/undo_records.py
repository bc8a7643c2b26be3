"""The SQL of an undo: what a run did to one entity, its reverse, putting it back.

Called by `undo.py`, which knows which run, the guard and the run's row; the SQL is in
sql/roster/undo.sql, the writing of records in `write_records.py`.
Rule: docs/reference/roster_database.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from d118_pipelines.kernel.frames import count_of
from d118_pipelines.kernel.sql_text import statement
from d118_pipelines.roster.planning.baseline import load_values
from d118_pipelines.roster.planning.comparison import (
    group_sql,
    school_sql,
    store_changes,
)
from d118_pipelines.roster.planning.record_views import MATCHED
from d118_pipelines.roster.store.child_rows import write_children
from d118_pipelines.roster.store.write_records import (
    OWNER,
    STATE,
    Writer,
    field_columns,
    finish_entity,
    index_incoming,
    start_entity,
    store_sql,
    write_history,
    write_records,
)
from d118_pipelines.state.bulk import append_frame

if TYPE_CHECKING:
    import duckdb

    from d118_pipelines.state.arrow import ArrowReader

_HISTORY = dict.fromkeys(
    (
        *("id", "external_id", "action", "fields", "old_status", "old_reason"),
        *("old_hash", "row_hash", "last_run"),
    ),
    "VARCHAR",
)


def find_changes(
    reader: ArrowReader,
    duck: duckdb.DuckDBPyConnection,
    entity: str,
    undone: str,
    path: Path,
    *,
    district: str,
    provider: str,
) -> None:
    """Write the reverse of a run as the plan of one entity; makes `changes.<entity>`.

    Also `undo.<entity>`, with the column `finding` for what cannot be reverted.
    """
    values = {
        **{"district": district, "provider": provider},
        **{"undone": undone, "entity": entity},
    }
    reader.table(duck, _history_query(reader, entity), values, "undo.history", _HISTORY)
    reverse = _sql("reverse", entity=entity, undone=undone, provider=provider)
    duck.execute(reverse)
    ids = f"SELECT DISTINCT id FROM undo.{entity}"
    load_values(reader, duck, entity, ids)
    school, group = school_sql(entity), group_sql(entity)
    plan = _sql("plan", entity=entity, school=school, role_group=group)
    store_changes(duck, entity, plan, path)


def _sql(name: str, **values: str) -> str:
    return statement(f"roster/undo.{name}", **values)


def _history_query(reader: ArrowReader, entity: str) -> str:
    """What the run did to records that were there, and the records that it made."""
    return _sql(
        "history",
        entity=entity,
        old_status=_old(reader, "status"),
        old_reason=_old(reader, "inactive_reason"),
        old_hash=_old(reader, "row_hash"),
    )


def _old(reader: ArrowReader, name: str) -> str:
    if reader.is_postgres:
        return f"CAST(h.before AS JSON) ->> '{name}'"
    return f"json_extract(h.before, '$.{name}')"


def findings_of(duck: duckdb.DuckDBPyConnection, entity: str) -> list[tuple[str, str]]:
    """Code and external id of every record that stays as it is."""
    return duck.execute(
        f"SELECT finding, external_id FROM undo.{entity} WHERE finding IS NOT NULL "
        "ORDER BY ALL"
    ).fetchall()


def put_back(writer: Writer, entity: str, undone: str, changes: str) -> int:
    """Apply the undo of one entity; returns how many records and links changed."""
    total = count_of(writer.duck, changes)
    if not total:
        return 0
    start_entity(writer, entity)
    plan_rows = _sql("plan_rows", changes=changes)
    append_frame(writer.connection, writer.duck, plan_rows, "plan_rows")
    _load_old_values(writer, entity, undone)
    index_incoming(writer)
    write_history(writer, entity)
    write_records(writer, entity)
    writer.run(store_sql("deactivate_records", entity=entity))
    writer.run(store_sql("reactivate_records", entity=entity))
    if entity in MATCHED:
        _put_back_links(writer, entity, undone)
    write_children(writer, entity, is_first_load=False)
    finish_entity(writer)
    return total


def _load_old_values(writer: Writer, entity: str, undone: str) -> None:
    names = [*OWNER, *STATE, *field_columns(entity)]
    values = ", ".join(f"json_extract(h.before, '$.{name}')" for name in names)
    each = ""
    if writer.is_postgres:
        values = ", ".join(f"o.{name}" for name in names)
        each = (
            f", LATERAL json_populate_record(CAST(NULL AS {entity}), "
            "CAST(h.before AS JSON)) AS o"
        )
    columns = ", ".join(names)
    writer.run(
        _sql("old_values", columns=columns, values=values, unpacked=each),
        undone=undone,
        entity=entity,
    )


def _put_back_links(writer: Writer, entity: str, undone: str) -> None:
    """Links are as they were; one that the run made goes, unless it made the record."""
    writer.run(_sql("drop_links"), undone=undone, entity=entity)
    writer.run(_sql("set_links"), undone=undone, entity=entity)
