"""The baseline: what the roster database holds, as frames to compare with.

Called by `workflows/` and `store/undo.py`; the fixed SQL is in sql/roster/baseline.sql,
comparing in `comparison.py`. Schools and people are those of the whole district,
everything else is the provider's own. Rule: docs/reference/roster_database.md.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import sqlalchemy as sa

from d118_pipelines.kernel.sql_text import statement
from d118_pipelines.roster.model.entities import DUCKDB_TYPES, ENTITIES
from d118_pipelines.roster.planning.record_views import MATCHED, ROLE_GROUP

if TYPE_CHECKING:
    import duckdb

    from d118_pipelines.state.arrow import ArrowReader

_RECORD = ("id", "external_id", "status", "inactive_reason", "row_hash")
_OWNER = ("id", "provider_id", *_RECORD[1:])
# Few columns: millions of rows are read at each sync.
_COLUMNS: dict[str, tuple[str, ...]] = {
    "orgs": (*_OWNER, "org_type", "name", "sis_id", "state_id", "nces_id"),
    "users": (
        *_OWNER,
        *("email", "student_number", "staff_id", "first_name", "last_name", "roles"),
    ),
    "terms": (*_RECORD, "school_id", "name"),
    "courses": (*_RECORD, "school_id", "course_code", "name"),
    "classes": (*_RECORD, "school_id", "course_id", "section_number", "term_ids"),
    "enrollments": (*_RECORD, "school_id", "role"),
    "demographics": _RECORD,
}
# Further frames -> their columns; sql/roster/baseline.sql has a statement for each.
_TEXTS = dict.fromkeys(["entity", "external_id"], "VARCHAR")
_FRAMES: dict[str, dict[str, str]] = {
    "links": {
        "provider_id": "VARCHAR",
        **_TEXTS,
        "internal_id": "VARCHAR",
        "active": "BOOLEAN",
        "rule": "VARCHAR",
    },
    "absent_once": _TEXTS,
    "resolutions": {**_TEXTS, "resolution": "VARCHAR", "internal_id": "VARCHAR"},
    "priorities": {"provider_id": "VARCHAR", "priority": "INTEGER"},
}
_KEPT: dict[str, dict[str, str]] = {
    "classes": dict.fromkeys(["external_id", "primary_teacher_external_id"], "VARCHAR"),
    "users": {"external_id": "VARCHAR", "birth_date": "DATE", "gender": "VARCHAR"},
}


def load_baseline(
    reader: ArrowReader,
    duck: duckdb.DuckDBPyConnection,
    *,
    district: str,
    provider: str,
) -> None:
    """Make `base.<entity>`, `base.links`, `.user_roles`, `.absent_once`, `.priorities`.

    Also `.resolutions`: what a person decided about conflicts.
    """
    duck.execute("CREATE SCHEMA IF NOT EXISTS base")
    whose = {"district": district, "provider": provider}
    no_index = "" if reader.is_postgres else "NOT INDEXED"
    for entity, names in _COLUMNS.items():
        # By an index SQLite would fetch each row on its own: five times slower.
        query = (
            f"SELECT {', '.join(names)} FROM {entity} {no_index} "
            "WHERE district_id = :district"
        )
        if entity not in MATCHED:
            query += " AND provider_id = :provider"
        columns = dict.fromkeys(names, "VARCHAR")
        reader.table(duck, query, whose, f"base.{entity}", columns)
    for name, columns in _FRAMES.items():
        query = statement(f"roster/baseline.{name}")
        reader.table(duck, query, whose, f"base.{name}", columns)
    duck.execute(statement("roster/baseline.spread_roles", role_group=ROLE_GROUP))


def with_kept(
    connection: sa.Connection,
    entities: Collection[str],
    *,
    district: str,
    provider: str,
) -> set[str]:
    """Those of the entities for which `load_kept` would find anything."""
    whose = {"district": district, "provider": provider}
    found = set()
    for entity in entities:
        asked = sa.text(statement(f"roster/baseline.has_kept_{entity}"))
        if connection.scalar(asked, whose):
            found.add(entity)
    return found


def load_kept(
    reader: ArrowReader,
    duck: duckdb.DuckDBPyConnection,
    entities: Collection[str],
    *,
    district: str,
    provider: str,
) -> None:
    """Make `kept.<entity>` of classes and users: values that others gave, by key.

    For a pull that lacks enrollments or demographics: what they gave stays.
    """
    duck.execute("CREATE SCHEMA IF NOT EXISTS kept")
    whose = {"district": district, "provider": provider}
    for entity in entities:
        query = statement(f"roster/baseline.kept_{entity}")
        reader.table(duck, query, whose, f"kept.{entity}", _KEPT[entity])


def load_values(
    reader: ArrowReader,
    duck: duckdb.DuckDBPyConnection,
    entity: str,
    ids_sql: str,
) -> None:
    """Make `base_values.<entity>`: all columns of the records with those internal ids.

    ids_sql: a DuckDB SELECT of one column. The types are those of `record.<entity>`.
    """
    duck.execute("CREATE SCHEMA IF NOT EXISTS base_values")
    reader.keep_ids(duck, ids_sql, "wanted_ids")
    wanted = "CAST(w.id AS UUID)" if reader.is_postgres else "w.id"
    columns = dict.fromkeys(_RECORD, "VARCHAR")
    columns |= {f.column: DUCKDB_TYPES[f.kind] for f in ENTITIES[entity].fields}
    query = (
        f"SELECT {', '.join(f't.{name}' for name in columns)} "
        f"FROM wanted_ids AS w JOIN {entity} AS t ON t.id = {wanted}"
    )
    reader.table(duck, query, {}, f"base_values.{entity}", columns)


def read_revision(reader: ArrowReader, district: str) -> int:
    """How often the district's roster has changed; 0 before the first time."""
    query = "SELECT revision FROM roster_revision WHERE district_id = :district"
    return reader.number(query, {"district": district})
