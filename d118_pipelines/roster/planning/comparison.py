"""The comparison of a staged roster with the baseline, one entity at a time.

Belongs here: what happens to each record and which of its fields change. Not here: who
is who (`matching.py`), counts (`plan_counts.py`), the stored plan (`plan.py`).
Every statement works on whole sets; unchanged rows leave no trace but their number.
Rule: docs/reference/matching_and_guard.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from d118_pipelines.kernel.sql_text import literal
from d118_pipelines.roster.model.entities import DUCKDB_TYPES, ENTITIES
from d118_pipelines.roster.planning.record_views import (
    MATCHED,
    RecordSource,
    parquet,
    record_select,
    role_group_sql,
    roles_sql,
)

if TYPE_CHECKING:
    import duckdb

# session, entity, SELECT of internal ids: makes `base_values.<entity>` with their values.
LoadValues = Callable[["duckdb.DuckDBPyConnection", str, str], None]
# What becomes of records that are no longer sent.
Absent = Literal["deactivate", "second_time", "withheld", "nothing"]
LEAVING = "('deactivate', 'unlink', 'absent_once', 'withheld')"
_COMPARED = "('update', 'reactivate', 'link')"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One provider's staged roster in a session with baseline, views and matches."""

    duck: duckdb.DuckDBPyConnection
    source: RecordSource
    rejected: str
    """Relation with entity and external_id of rows that could not be used."""
    load_values: LoadValues
    folder: Path

    def run(self, entity: str, absent: Absent) -> None:
        """Write `<entity>.parquet` and make the view `changes.<entity>` over it."""
        self.duck.execute("CREATE SCHEMA IF NOT EXISTS changes")
        rows = _all_new(self, entity) or _changed(self, entity, absent)
        path = self.folder / f"{entity}.parquet"
        self.duck.execute(
            f"COPY ({rows}) TO {literal(str(path))} (FORMAT parquet, COMPRESSION zstd)"
        )
        path.chmod(0o600)
        self.duck.execute(
            f"CREATE OR REPLACE VIEW changes.{entity} AS SELECT * FROM {parquet(path)}"
        )


def _changed(compared: Comparison, entity: str, absent: Absent) -> str:
    """SQL for the stored plan of one entity: first the keys, then their values."""
    decide = _decide_matched if entity in MATCHED else _decide_owned
    keys = decide(compared, entity, _absent_action(compared, entity, absent))
    compared.duck.execute(f"CREATE OR REPLACE TABLE changes.keys AS {keys}")
    _find_fields(compared, entity)
    return _rows(compared, entity)


def _all_new(compared: Comparison, entity: str) -> str | None:
    """The same for an entity of which the provider has nothing yet, else None.

    A first import makes every id and hash once, and carries them through no join.
    """
    known = compared.duck.execute(f"SELECT 1 FROM base.{entity} LIMIT 1").fetchall()
    if known or entity in MATCHED:
        return None
    return (
        "SELECT if(lost IS NULL, 'create', 'conflict') AS action, external_id, id, "
        "CASE WHEN lost IS NOT NULL THEN 'UNRESOLVED_REFERENCE' END AS reason, "
        "coalesce(lost, 'created') AS rule, CAST([] AS VARCHAR[]) AS fields, row_hash, "
        "NULL::VARCHAR AS old_hash, school AS school_id, group_name, "
        "false AS keeps_fields FROM (SELECT id, external_id, row_hash, "
        f"{school_sql(entity)} AS school, {group_sql(entity)} AS group_name, "
        f"{_unresolved(compared, entity)} AS lost "
        f"FROM record.{entity} WHERE status = 'active')"
    )


def _absent_action(compared: Comparison, entity: str, absent: Absent) -> str:
    """SQL for the action of a record that is active, known and not staged."""
    if absent == "nothing":
        return "NULL"
    action = f"'{absent}'"
    if absent == "second_time":
        action = (
            "CASE WHEN external_id IN (SELECT external_id FROM base.absent_once "
            f"WHERE entity = '{entity}') THEN 'deactivate' ELSE 'absent_once' END"
        )
    return (
        "CASE WHEN external_id NOT IN (SELECT external_id FROM "
        f"{compared.rejected} WHERE entity = '{entity}' AND external_id IS NOT NULL) "
        f"THEN {action} END"
    )


def _decide_owned(compared: Comparison, entity: str, missing: str) -> str:
    """Records that belong to this provider alone: joined by its id, narrow rows only.

    The md5 texts are compared by a number of 64 bits, which a join carries cheaply.
    """
    unresolved = _unresolved(compared, entity)
    return f"""
SELECT * FROM (
  SELECT external_id, NULL::VARCHAR AS id,
    CASE WHEN is_on THEN CASE
        WHEN unresolved IS NOT NULL THEN 'conflict'
        WHEN old_status IS NULL THEN 'create'
        WHEN old_status IN ('inactive', 'deleted') THEN 'reactivate'
        WHEN hash IS DISTINCT FROM old_hash THEN 'update' END
      WHEN old_status <> 'active' OR old_status IS NULL THEN NULL
      WHEN is_on IS NOT NULL THEN 'deactivate'
      ELSE {missing} END AS action,
    CASE WHEN is_on AND unresolved IS NOT NULL THEN 'UNRESOLVED_REFERENCE'
      WHEN is_on THEN NULL WHEN is_on IS NULL THEN 'missing'
      ELSE inactive_reason END AS reason,
    CASE WHEN is_on AND unresolved IS NOT NULL THEN unresolved
      WHEN is_on AND old_status IS NULL THEN 'created'
      ELSE 'external_id' END AS rule,
    false AS keeps_fields
  FROM (
    SELECT external_id, hash(row_hash) AS hash, status = 'active' AS is_on,
      inactive_reason, {unresolved} AS unresolved FROM record.{entity}) AS r
  FULL JOIN (
    SELECT external_id, hash(row_hash) AS old_hash, status AS old_status
    FROM base.{entity}) AS b USING (external_id)
) WHERE action IS NOT NULL"""


def _unresolved(compared: Comparison, entity: str) -> str:
    """SQL for the name of a required reference that leads nowhere, else null."""
    if entity == "classes":
        return "CASE WHEN school_id IS NULL THEN 'school_external_id' END"
    if entity == "demographics":
        return (
            "CASE WHEN external_id IN (SELECT external_id FROM match.found WHERE "
            "entity = 'users' AND internal_id IS NULL) THEN 'external_id' END"
        )
    if entity != "enrollments":
        return "NULL::VARCHAR"
    lost = "CASE WHEN user_id IS NULL "
    if "users" in compared.source.staged:
        lost += f"OR user_id IN ({_never_stored(compared, 'users')}) "
    lost += "THEN 'user_external_id' "
    if "classes" in compared.source.staged:
        lost += (
            "WHEN class_id IN (SELECT id FROM changes.classes WHERE "
            "action = 'conflict' AND old_hash IS NULL) "
            f"OR class_id IN ({_never_stored(compared, 'classes')}) "
            "THEN 'class_external_id' "
        )
    return lost + "END"


def _never_stored(compared: Comparison, entity: str) -> str:
    """Ids of records that are inactive at the source and unknown here: none is made."""
    staged = compared.source.staged[entity]
    return (
        f"SELECT r.id FROM record.{entity} AS r WHERE r.external_id IN (SELECT "
        f"external_id FROM {staged} WHERE status <> 'active') "
        f"AND r.id NOT IN (SELECT id FROM base.{entity})"
    )


def _decide_matched(compared: Comparison, entity: str, missing: str) -> str:
    """Schools and people: several providers may report one record, one owns it."""
    provider = literal(compared.source.provider)
    own = f"entity = '{entity}' AND l.provider_id = {provider}"
    return f"""
WITH own AS (
  SELECT external_id, internal_id, active FROM base.links AS l WHERE {own}),
priorities AS (
  SELECT provider_id, min(priority) AS priority FROM base.priorities GROUP BY ALL),
mine AS (SELECT min(priority) AS own FROM priorities WHERE provider_id = {provider}),
others AS (
  SELECT internal_id, min(p.priority) AS priority FROM base.links AS l
  JOIN priorities AS p USING (provider_id)
  WHERE entity = '{entity}' AND l.provider_id <> {provider} AND active GROUP BY ALL),
here AS (
  SELECT r.*, m.rule, m.conflict, l.active AS was_linked, b.id AS old_id,
    b.status AS old_status, o.internal_id IS NOT NULL AS is_elsewhere,
    o.priority IS NOT NULL AND (mine.own IS NULL OR o.priority < mine.own
      OR o.priority = mine.own AND b.provider_id <> {provider}) AS keeps_fields,
    r.row_hash IS DISTINCT FROM b.row_hash OR b.provider_id <> {provider}
      OR b.external_id <> r.external_id AS is_changed
  FROM (SELECT id, external_id, status, inactive_reason, row_hash
    FROM record.{entity}) AS r
  JOIN match.found AS m ON m.entity = '{entity}' AND m.external_id = r.external_id
  LEFT JOIN own AS l ON l.external_id = r.external_id AND l.internal_id = r.id
  LEFT JOIN base.{entity} AS b ON b.id = r.id
  LEFT JOIN others AS o ON o.internal_id = r.id CROSS JOIN mine),
gone AS (
  SELECT l.external_id, l.internal_id AS id, o.internal_id IS NOT NULL
    OR l.internal_id IN (SELECT id FROM here WHERE id IS NOT NULL) AS is_elsewhere
  FROM own AS l JOIN base.{entity} AS b ON b.id = l.internal_id
  LEFT JOIN others AS o ON o.internal_id = l.internal_id
  WHERE l.active AND b.status = 'active'
    AND l.external_id NOT IN (SELECT external_id FROM here))
SELECT external_id, id, action, reason, rule, keeps_fields FROM (
  SELECT external_id, id,
    CASE WHEN status = 'active' THEN CASE
        WHEN conflict IS NOT NULL THEN 'conflict'
        WHEN old_id IS NULL THEN 'create'
        WHEN old_status IN ('inactive', 'deleted') THEN 'reactivate'
        WHEN was_linked IS NOT TRUE THEN 'link'
        WHEN is_changed AND NOT keeps_fields THEN 'update' END
      WHEN was_linked AND old_status = 'active'
      THEN CASE WHEN is_elsewhere THEN 'unlink' ELSE 'deactivate' END END AS action,
    CASE WHEN status <> 'active' THEN inactive_reason ELSE conflict END AS reason,
    rule, keeps_fields AND status = 'active' AND conflict IS NULL AS keeps_fields
  FROM here
  UNION ALL
  SELECT external_id, id, CASE WHEN action = 'deactivate' AND is_elsewhere
    THEN 'unlink' ELSE action END, 'missing', 'external_id', false
  FROM (SELECT *, {missing} AS action FROM gone)
) WHERE action IS NOT NULL"""


def _of_keys(compared: Comparison, entity: str, keys: str) -> str:
    """The records of some keys; the filter comes before ids and hashes are made.

    A first import needs them all, and then the filter is what costs.
    """
    staged = compared.source.staged[entity]
    [[wanted, whole]] = compared.duck.execute(
        f"SELECT (SELECT count(*) FROM ({keys})), (SELECT count(*) FROM {staged})"
    ).fetchall()
    if wanted * 2 > whole:
        return record_select(compared.source, entity)
    rows = f"(SELECT * FROM {staged} WHERE external_id IN ({keys}))"
    return record_select(compared.source.with_rows(entity, rows), entity)


def _base_join(entity: str) -> str:
    """The record that a key means in the baseline."""
    key = "id" if entity in MATCHED else "external_id"
    return f"LEFT JOIN base.{entity} AS b ON b.{key} = k.{key}"


def _find_fields(compared: Comparison, entity: str) -> None:
    """Make `changes.fields`: external_id and the names of its changed columns."""
    run = compared.duck.execute
    run(
        "CREATE OR REPLACE TABLE changes.compared AS SELECT k.external_id, b.id "
        f"FROM changes.keys AS k {_base_join(entity)} "
        f"WHERE k.action IN {_COMPARED} AND NOT k.keeps_fields AND b.id IS NOT NULL"
    )
    [[count]] = run("SELECT count(*) FROM changes.compared").fetchall()
    if not count:
        run("CREATE OR REPLACE TABLE changes.fields (external_id VARCHAR, f VARCHAR[])")
        return
    run("CREATE SCHEMA IF NOT EXISTS base_values")
    compared.load_values(compared.duck, entity, "SELECT id FROM changes.compared")
    tests = ", ".join(
        f"CASE WHEN TRY_CAST(v.{f.column} AS {DUCKDB_TYPES[f.kind]}) "
        f"IS DISTINCT FROM r.{f.column} THEN '{f.column}' END"
        for f in ENTITIES[entity].fields
    )
    records = _of_keys(compared, entity, "SELECT external_id FROM changes.compared")
    run(
        "CREATE OR REPLACE TABLE changes.fields AS SELECT c.external_id, "
        f"list_filter([{tests}], lambda x: x IS NOT NULL) AS f "
        f"FROM changes.compared AS c JOIN ({records}) AS r USING (external_id) "
        f"JOIN base_values.{entity} AS v ON v.id = c.id"
    )


def _rows(compared: Comparison, entity: str) -> str:
    """The stored plan of one entity, as the columns of its Parquet file."""
    keys = "SELECT external_id FROM changes.keys"
    school, group = school_sql(entity), group_sql(entity)
    old_school, old_group = _old_school(entity), _old_group(entity)
    fields = "coalesce(f.f, [])"
    if entity in MATCHED:  # another provider's record becomes this one's
        fields = (
            f"CASE WHEN k.action = 'update' AND len({fields}) = 0 "
            f"THEN ['provider_id'] ELSE {fields} END"
        )
    return (
        "SELECT k.action, k.external_id, coalesce(k.id, b.id, r.id) AS id, k.reason, "
        f"k.rule, {fields} AS fields, r.row_hash, b.row_hash AS old_hash, "
        f"CASE WHEN k.action IN {LEAVING} THEN {old_school} ELSE r.school END "
        f"AS school_id, coalesce(r.group_name, {old_group}) AS group_name, "
        "k.keeps_fields FROM changes.keys AS k LEFT JOIN (SELECT id, external_id, "
        f"row_hash, {school} AS school, {group} AS group_name FROM "
        f"({_of_keys(compared, entity, keys)})) AS r USING (external_id) "
        f"{_base_join(entity)} LEFT JOIN changes.fields AS f USING (external_id)"
    )


def school_sql(entity: str) -> str:
    """SQL for the school that a record of `record.<entity>` belongs to."""
    if entity == "users":
        first_role = "json_extract_string(roles, '$[0].school_id')"
        return f"coalesce(primary_school_id, {first_role})"
    if entity == "orgs":
        return "id"
    names = [field.column for field in ENTITIES[entity].fields]
    return "school_id" if "school_id" in names else "NULL::VARCHAR"


def group_sql(entity: str) -> str:
    """SQL for the role group of a staged row or a record."""
    if entity == "users":
        return role_group_sql(roles_sql("roles"))
    return "role" if entity == "enrollments" else "NULL::VARCHAR"


def _old_school(entity: str) -> str:
    if entity == "users":
        return "(SELECT min(school_id) FROM base.user_roles WHERE user_id = b.id)"
    if entity == "orgs":
        return "b.id"
    return "b.school_id" if school_sql(entity) == "school_id" else "NULL::VARCHAR"


def _old_group(entity: str) -> str:
    names = {"users": "b.role_group", "enrollments": "b.role"}
    return names.get(entity, "NULL::VARCHAR")
