"""The comparison of a staged roster with the baseline, one entity at a time.

Called by `plan.py`; `store/undo.py` gives a Comparison of its own to the counts. The
SQL is in sql/roster/comparison.sql, who is who in `matching.py`, the counts in
`plan_counts.py`. Rule: docs/reference/matching_and_guard.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from d118_pipelines.kernel.frames import count_of, parquet, write_parquet
from d118_pipelines.kernel.sql_text import statement
from d118_pipelines.roster.model.entities import DUCKDB_TYPES, ENTITIES
from d118_pipelines.roster.planning.record_views import (
    MATCHED,
    ROLE_GROUP,
    RecordSource,
    record_select,
)

if TYPE_CHECKING:
    import duckdb

# session, entity, SELECT of internal ids: makes `base_values.<entity>` with their values.
LoadValues = Callable[["duckdb.DuckDBPyConnection", str, str], None]
# What becomes of records that are no longer sent.
Absent = Literal["deactivate", "second_time", "withheld", "nothing"]
_NULL = "NULL::VARCHAR"
_CHECKED = ("classes", "demographics", "enrollments")  # for references without a target
_OLD_SCHOOLS = {
    "orgs": "b.id",
    "users": "(SELECT min(school_id) FROM base.user_roles WHERE user_id = b.id)",
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """One provider's staged roster in a session with baseline, views and matches."""

    duck: duckdb.DuckDBPyConnection
    source: RecordSource
    rejected: str
    """Relation with entity and external_id of rows that could not be used."""
    load_values: LoadValues
    folder: Path

    def run(self, entity: str, absent: Absent, *, keeps_active: bool = False) -> None:
        """Write `<entity>.parquet` and make the view `changes.<entity>` over it.

        keeps_active: what the source marks as gone stays active for now.
        """
        self.duck.execute("CREATE SCHEMA IF NOT EXISTS changes")
        if entity == "enrollments":
            _find_never_stored(self)
        retired = "withheld" if keeps_active else "deactivate"
        rows = _all_new(self, entity) or _changed(self, entity, absent, retired)
        store_changes(self.duck, entity, rows, self.folder / f"{entity}.parquet")


def store_changes(
    duck: duckdb.DuckDBPyConnection, entity: str, rows: str, path: Path
) -> None:
    """Write the plan of one entity and make the view `changes.<entity>` over it."""
    write_parquet(duck, rows, path)
    duck.execute(
        f"CREATE OR REPLACE VIEW changes.{entity} AS SELECT * FROM {parquet(path)}"
    )


def _changed(compared: Comparison, entity: str, absent: Absent, retired: str) -> str:
    """SQL for the stored plan of one entity: first the keys, then their values."""
    missing = _missing(compared, entity, absent)
    if entity in MATCHED:
        provider = compared.source.provider
        keys = _sql(
            "matched_keys",
            entity=entity,
            provider=provider,
            missing=missing,
            retired=retired,
        )
    else:
        keys = _sql(
            "owned_keys",
            entity=entity,
            unresolved=_unresolved(entity),
            idle=_idle(entity),
            missing=missing,
            retired=retired,
        )
    compared.duck.execute(keys)
    _find_fields(compared, entity)
    return _sql(
        "rows",
        entity=entity,
        key=_key(entity),
        is_matched=str(entity in MATCHED),
        school=school_sql(entity),
        role_group=group_sql(entity),
        old_school=_OLD_SCHOOLS.get(
            entity, "b.school_id" if school_sql(entity) == "school_id" else _NULL
        ),
        old_group=old_group_sql(entity),
        records=_of_keys(compared, entity, "SELECT external_id FROM changes.keys"),
    )


def _sql(name: str, **values: str) -> str:
    return statement(f"roster/comparison.{name}", **values)


def _key(entity: str) -> str:
    """The key by which staged rows find their record in the baseline."""
    return "id" if entity in MATCHED else "external_id"


def _all_new(compared: Comparison, entity: str) -> str | None:
    """The same for an entity of which the provider has nothing yet, else None."""
    known = compared.duck.execute(f"SELECT 1 FROM base.{entity} LIMIT 1").fetchall()
    if known or entity in MATCHED:
        return None
    return _sql(
        "all_new",
        entity=entity,
        school=school_sql(entity),
        role_group=group_sql(entity),
        unresolved=_unresolved(entity),
        idle=_idle(entity),
    )


def _missing(compared: Comparison, entity: str, absent: Absent) -> str:
    """SQL for the action of a record that is active, known and not staged."""
    if absent == "nothing":
        return "NULL"
    action = f"'{absent}'"
    if absent == "second_time":
        action = _sql("second_time", entity=entity)
    return _sql("missing", entity=entity, rejected=compared.rejected, action=action)


def _unresolved(entity: str) -> str:
    """SQL for the name of a required reference that leads nowhere, else null."""
    return _sql(f"unresolved_{entity}") if entity in _CHECKED else _NULL


def _idle(entity: str) -> str:
    """SQL that is true of a row that needs neither a record nor a conflict."""
    return _sql("idle_enrollments") if entity == "enrollments" else "false"


def _find_never_stored(compared: Comparison) -> None:
    """Make `changes.never_stored`: entity and id of users and classes."""
    run, staged = compared.duck.execute, compared.source.staged
    run(
        "CREATE OR REPLACE TABLE changes.never_stored "
        "(entity VARCHAR, id VARCHAR, is_off BOOLEAN)"
    )
    for entity in {"users", "classes"} & set(staged):
        run(_sql("never_stored", entity=entity, staged=staged[entity]))


def _of_keys(compared: Comparison, entity: str, keys: str) -> str:
    """The records of some keys; the filter comes before ids and hashes are made.

    A first import needs them all, and then the filter is what costs.
    """
    staged = compared.source.staged[entity]
    wanted = count_of(compared.duck, f"({keys})")
    if wanted * 2 > count_of(compared.duck, staged):
        return record_select(compared.source, entity)
    rows = f"(SELECT * FROM {staged} WHERE external_id IN ({keys}))"
    return record_select(compared.source.with_rows(entity, rows), entity)


def _find_fields(compared: Comparison, entity: str) -> None:
    """Make `changes.fields`: external_id and the names of its changed columns."""
    run = compared.duck.execute
    run(_sql("compared", entity=entity, key=_key(entity)))
    if not count_of(compared.duck, "changes.compared"):
        run(_sql("no_fields"))
        return
    run("CREATE SCHEMA IF NOT EXISTS base_values")
    compared.load_values(compared.duck, entity, "SELECT id FROM changes.compared")
    differences = ", ".join(
        f"CASE WHEN TRY_CAST(v.{f.column} AS {DUCKDB_TYPES[f.kind]}) "
        f"IS DISTINCT FROM r.{f.column} THEN '{f.column}' END"
        for f in ENTITIES[entity].fields
    )
    records = _of_keys(compared, entity, "SELECT external_id FROM changes.compared")
    run(_sql("fields", entity=entity, differences=differences, records=records))


def school_sql(entity: str) -> str:
    """SQL for the school that a record of `record.<entity>` belongs to."""
    if entity == "users":
        first_role = "json_extract_string(roles, '$[0].school_id')"
        return f"coalesce(primary_school_id, {first_role})"
    if entity == "orgs":
        return "id"
    names = [field.column for field in ENTITIES[entity].fields]
    return "school_id" if "school_id" in names else _NULL


def group_sql(entity: str) -> str:
    """SQL for the role group of a staged row or a record."""
    if entity == "users":
        return ROLE_GROUP
    return "role" if entity == "enrollments" else _NULL


def old_group_sql(entity: str) -> str:
    """SQL for the role group of a record `b` of the baseline."""
    return {"users": "b.role_group", "enrollments": "b.role"}.get(entity, _NULL)
