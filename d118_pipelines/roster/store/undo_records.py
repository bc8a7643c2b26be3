"""The SQL of an undo: what a run did to one entity, its reverse, putting it back.

Belongs here: reading the history of one entity as a plan, writing the old values. Not
here: which run, the guard, the run's row (`undo.py`).
Rule: docs/reference/roster_database.md.
"""

from __future__ import annotations

from pathlib import Path

from d118_pipelines.kernel.frames import parquet
from d118_pipelines.kernel.sql_text import literal
from d118_pipelines.roster.planning.baseline import load_values
from d118_pipelines.roster.planning.comparison import group_sql, school_sql
from d118_pipelines.roster.planning.record_views import MATCHED
from d118_pipelines.roster.store.child_rows import write_children
from d118_pipelines.roster.store.write_records import (
    OWNER,
    STATE,
    Writer,
    deactivate_records,
    field_columns,
    finish_entity,
    index_incoming,
    reactivate_records,
    start_entity,
    write_history,
    write_records,
)
from d118_pipelines.state.bulk import append_frame, read_frame

_HISTORY = {
    "id": "VARCHAR",
    "external_id": "VARCHAR",
    "action": "VARCHAR",
    "fields": "VARCHAR",
    "old_status": "VARCHAR",
    "old_reason": "VARCHAR",
    "old_hash": "VARCHAR",
    "row_hash": "VARCHAR",
    "last_run": "VARCHAR",
}
# A record that somebody else reports as active stays active; only the link goes.
_REVERSE = """
SELECT h.*, CASE
    WHEN action = 'create' OR action = 'reactivate' AND old_status <> 'active'
      THEN if(is_elsewhere, 'unlink', 'deactivate')
    WHEN action = 'deactivate' THEN 'reactivate'
    WHEN action IN ('update', 'link', 'reactivate') AND old_hash IS NOT NULL
      THEN 'update'
    WHEN action = 'unlink' THEN 'link' ELSE 'unlink' END AS reverse,
  old_hash IS NOT NULL AND NOT (action = 'reactivate' AND is_elsewhere) AS writes,
  CASE
    WHEN old_status IS NULL AND (action IN ('update', 'deactivate', 'reactivate')
      OR fields <> '[]') THEN 'undo.values_erased'
    WHEN (old_status IS NOT NULL OR action = 'create') AND last_run <> {run}
      THEN 'undo.changed_since' END AS finding
FROM (SELECT *, id IN (SELECT internal_id FROM base.links WHERE entity = {entity}
    AND provider_id <> {provider} AND active) AS is_elsewhere FROM undo.history) AS h
"""


def find_changes(writer: Writer, entity: str, undone: str, path: Path) -> None:
    """Write the reverse of a run as the plan of one entity; makes `changes.<entity>`.

    Also `undo.<entity>`, with the column `finding` for what cannot be put back.
    """
    duck, run = writer.duck, writer.duck.execute
    values = {
        "district": writer.district,
        "provider": writer.provider,
        "undone": undone,
    }
    read_frame(
        writer.connection,
        duck,
        _history_query(writer, entity),
        {**values, "entity": entity},
        "undo.history",
        _HISTORY,
    )
    names = map(literal, (undone, entity, writer.provider))
    reverse = _REVERSE.format(
        **dict(zip(("run", "entity", "provider"), names, strict=True))
    )
    run(f"CREATE OR REPLACE TABLE undo.{entity} AS {reverse}")
    load_values(
        writer.connection, duck, entity, f"SELECT DISTINCT id FROM undo.{entity}"
    )
    shown = f"{school_sql(entity)} AS school, {group_sql(entity)} AS group_name"
    run(
        "COPY (SELECT reverse AS action, u.external_id, u.id, CASE reverse "
        "WHEN 'deactivate' THEN coalesce(old_reason, 'undone') END AS reason, "
        "'undo' AS rule, json_extract_string(fields, '$[*]') AS fields, "
        "u.old_hash AS row_hash, u.row_hash AS old_hash, v.school AS school_id, "
        f"v.group_name, NOT writes AS keeps_fields FROM undo.{entity} AS u "
        f"LEFT JOIN (SELECT id, {shown} FROM base_values.{entity}) AS v USING (id) "
        f"WHERE finding IS NULL) TO {literal(str(path))} "
        "(FORMAT parquet, COMPRESSION zstd)"
    )
    path.chmod(0o600)
    run(f"CREATE OR REPLACE VIEW changes.{entity} AS SELECT * FROM {parquet(path)}")


def _history_query(writer: Writer, entity: str) -> str:
    """What the run did to records that were there, and the records that it made."""
    old = ", ".join(
        f"{_old(writer, name)} AS old_{name}"
        for name in ("status", "inactive_reason", "row_hash")
    )
    return (
        f"SELECT h.record_id, h.external_id, h.action, h.fields, {old}, t.row_hash, "
        f"t.last_changed_run FROM roster_history AS h JOIN {entity} AS t "
        "ON t.id = h.record_id WHERE h.district_id = :district "
        "AND h.provider_id = :provider AND h.run_id = :undone AND h.entity = :entity "
        "UNION ALL SELECT id, external_id, 'create', '[]', NULL, NULL, NULL, row_hash, "
        f"last_changed_run FROM {entity} WHERE district_id = :district "
        "AND provider_id = :provider AND created_by_run = :undone"
    )


def _old(writer: Writer, name: str) -> str:
    if writer.is_postgres:
        return f"CAST(h.before AS JSON) ->> '{name}'"
    return f"json_extract(h.before, '$.{name}')"


def findings_of(writer: Writer, entity: str) -> list[tuple[str, str]]:
    """Code and external id of every record that stays as it is."""
    return writer.duck.execute(
        f"SELECT finding, external_id FROM undo.{entity} WHERE finding IS NOT NULL "
        "ORDER BY ALL"
    ).fetchall()


def put_back(writer: Writer, entity: str, undone: str, changes: str) -> int:
    """Apply the undo of one entity; returns how many records and links changed."""
    [[total]] = writer.duck.execute(f"SELECT count(*) FROM {changes}").fetchall()
    if not total:
        return 0
    start_entity(writer, entity)
    append_frame(
        writer.connection,
        writer.duck,
        "SELECT id, external_id, action, reason, rule, "
        "CAST(to_json(fields) AS VARCHAR) AS fields, NOT keeps_fields AS writes "
        f"FROM {changes}",
        "plan_rows",
    )
    _load_old_values(writer, entity, undone)
    index_incoming(writer)
    write_history(writer, entity)
    write_records(writer, entity)
    deactivate_records(writer, entity)
    reactivate_records(writer, entity)
    if entity in MATCHED:
        _put_back_links(writer, entity, undone)
    write_children(writer, entity, is_first_load=False)
    finish_entity(writer)
    return int(total)


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
    writer.run(
        f"INSERT INTO incoming (id, {', '.join(names)}, action) "
        f"SELECT h.record_id, {values}, 'write' FROM roster_history AS h {each} "
        f"WHERE {_OF_RUN} AND h.before IS NOT NULL AND EXISTS (SELECT 1 FROM plan_rows "
        "AS p WHERE p.id = h.record_id AND p.external_id = h.external_id AND p.writes)",
        undone=undone,
        entity=entity,
    )


_OF_RUN = (
    "h.district_id = :district AND h.provider_id = :provider "
    "AND h.run_id = :undone AND h.entity = :entity"
)
_PLANNED = (
    "EXISTS (SELECT 1 FROM plan_rows AS p "
    "WHERE p.id = x.internal_id AND p.external_id = x.external_id)"
)
_MINE = "x.district_id = :district AND x.provider_id = :provider AND x.entity = :entity"


def _put_back_links(writer: Writer, entity: str, undone: str) -> None:
    """Links are as they were; one that the run made goes, unless it made the record."""
    old = (
        f"SELECT h.link_before FROM roster_history AS h WHERE {_OF_RUN} "
        "AND h.external_id = x.external_id AND h.record_id = x.internal_id"
    )
    values = {"undone": undone, "entity": entity}
    writer.run(
        f"DELETE FROM external_ids AS x WHERE {_MINE} AND {_PLANNED} "
        f"AND EXISTS ({old} AND h.link_before IS NULL)",
        **values,
    )
    writer.run(
        f"UPDATE external_ids AS x SET active = coalesce(({old}), FALSE) "
        f"WHERE {_MINE} AND {_PLANNED}",
        **values,
    )
