"""The baseline: what the roster database holds, as frames to compare with.

Belongs here: reading the roster into the schemas `base` and `base_values` of a DuckDB
session. Not here: comparing (`comparison.py`), writing (`apply.py`).
Schools and people are those of the whole district, all else is the provider's own.
Rule: docs/reference/roster_database.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from d118_pipelines.roster.model.entities import DUCKDB_TYPES, ENTITIES
from d118_pipelines.roster.model.tables import roster_revision
from d118_pipelines.roster.planning.record_views import (
    MATCHED,
    role_group_sql,
    roles_sql,
)
from d118_pipelines.state.bulk import append_frame, is_postgres, read_frame

if TYPE_CHECKING:
    import duckdb

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
_LINKS = "provider_id, entity, external_id, internal_id, active, rule"
_RESOLUTIONS = (
    "SELECT entity, external_id, state, record_id FROM identity_conflicts "
    "WHERE district_id = :district AND provider_id = :provider "
    "AND state NOT IN ('OPEN', 'INVESTIGATING')"
)
_ABSENT = (
    "SELECT entity, external_id FROM absent_once "
    "WHERE district_id = :district AND provider_id = :provider"
)


def load_baseline(
    connection: sa.Connection,
    duck: duckdb.DuckDBPyConnection,
    *,
    district: str,
    provider: str,
) -> None:
    """Make `base.<entity>`, `base.links`, `.user_roles`, `.absent_once`, `.priorities`.

    Also `.resolutions`: what a person decided about conflicts. Give it a `reading()`
    connection: it can take half a minute and must not hold up writers.
    """
    duck.execute("CREATE SCHEMA IF NOT EXISTS base")
    whose = {"district": district, "provider": provider}
    of_district = {"district": district}
    no_index = "" if is_postgres(connection) else "NOT INDEXED"
    for entity, names in _COLUMNS.items():
        # By an index SQLite would fetch each row on its own: five times slower.
        query = (
            f"SELECT {', '.join(names)} FROM {entity} {no_index} "
            "WHERE district_id = :district"
        )
        bound = of_district if entity in MATCHED else whose
        if bound is whose:
            query += " AND provider_id = :provider"
        columns = dict.fromkeys(names, "VARCHAR")
        read_frame(connection, duck, query, bound, f"base.{entity}", columns)
    links = f"SELECT {_LINKS} FROM external_ids WHERE district_id = :district"
    kinds = dict.fromkeys(_LINKS.split(", "), "VARCHAR") | {"active": "BOOLEAN"}
    read_frame(connection, duck, links, of_district, "base.links", kinds)
    _load_rest(connection, duck, whose)
    _spread_roles(duck)


def load_kept(
    connection: sa.Connection,
    duck: duckdb.DuckDBPyConnection,
    *,
    district: str,
    provider: str,
) -> None:
    """Make `kept.classes` and `kept.users`: values that other entities gave, by key.

    For a pull that lacks enrollments or demographics: what they gave stays.
    """
    duck.execute("CREATE SCHEMA IF NOT EXISTS kept")
    whose = {"district": district, "provider": provider}
    link = "x.entity = 'users' AND x.provider_id = :provider"
    classes = (
        "SELECT c.external_id, x.external_id AS primary_teacher_external_id "
        "FROM classes AS c JOIN external_ids AS x ON x.internal_id = "
        f"c.primary_teacher_id AND {link} AND x.district_id = c.district_id "
        "WHERE c.district_id = :district AND c.provider_id = :provider"
    )
    names = ("external_id", "primary_teacher_external_id")
    kinds = dict.fromkeys(names, "VARCHAR")
    read_frame(connection, duck, classes, whose, "kept.classes", kinds)
    people = (
        "SELECT x.external_id, u.birth_date, u.gender FROM users AS u "
        f"JOIN external_ids AS x ON x.internal_id = u.id AND {link} "
        "AND x.district_id = u.district_id WHERE u.district_id = :district "
        "AND (u.birth_date IS NOT NULL OR u.gender IS NOT NULL)"
    )
    kinds = {"external_id": "VARCHAR", "birth_date": "DATE", "gender": "VARCHAR"}
    read_frame(connection, duck, people, whose, "kept.users", kinds)


def _load_rest(
    connection: sa.Connection, duck: duckdb.DuckDBPyConnection, whose: dict[str, str]
) -> None:
    texts = {"entity": "VARCHAR", "external_id": "VARCHAR"}
    read_frame(connection, duck, _ABSENT, whose, "base.absent_once", texts)
    decided = texts | {"resolution": "VARCHAR", "internal_id": "VARCHAR"}
    read_frame(connection, duck, _RESOLUTIONS, whose, "base.resolutions", decided)
    priorities = "SELECT id, priority FROM sis_providers WHERE tenant_id = :district"
    read_frame(
        connection,
        duck,
        priorities,
        {"district": whose["district"]},
        "base.priorities",
        {"provider_id": "VARCHAR", "priority": "INTEGER"},
    )


def _spread_roles(duck: duckdb.DuckDBPyConnection) -> None:
    """`base.user_roles` and `role_group` from the people's roles."""
    duck.execute(
        "CREATE OR REPLACE TABLE base.user_roles AS SELECT id AS user_id, "
        "x.school_id, x.role FROM (SELECT id, unnest(from_json(roles, "
        '\'[{"school_id": "VARCHAR", "role": "VARCHAR"}]\')) AS x FROM base.users)'
    )
    duck.execute(
        "CREATE OR REPLACE TABLE base.users AS SELECT * EXCLUDE (roles), "
        f"{role_group_sql(roles_sql('roles'))} AS role_group FROM base.users"
    )


def load_values(
    connection: sa.Connection,
    duck: duckdb.DuckDBPyConnection,
    entity: str,
    ids_sql: str,
) -> None:
    """Make `base_values.<entity>`: all columns of the records with those internal ids.

    ids_sql: a DuckDB SELECT of one column. The types are those of `record.<entity>`.
    """
    duck.execute("CREATE SCHEMA IF NOT EXISTS base_values")
    kind = "UUID" if is_postgres(connection) else "TEXT"
    connection.exec_driver_sql("DROP TABLE IF EXISTS wanted_ids")
    connection.exec_driver_sql(f"CREATE TEMPORARY TABLE wanted_ids (id {kind})")
    append_frame(connection, duck, f"SELECT id FROM ({ids_sql}) AS t(id)", "wanted_ids")
    columns = dict.fromkeys(_RECORD, "VARCHAR")
    columns |= {f.column: DUCKDB_TYPES[f.kind] for f in ENTITIES[entity].fields}
    query = (
        f"SELECT {', '.join(f't.{name}' for name in columns)} "
        f"FROM wanted_ids AS w JOIN {entity} AS t ON t.id = w.id"
    )
    read_frame(connection, duck, query, {}, f"base_values.{entity}", columns)


def baseline_revision(connection: sa.Connection, district: str) -> int:
    """How often the district's roster has changed; 0 before the first time."""
    found = connection.execute(
        sa.select(roster_revision.c.revision).where(
            roster_revision.c.district_id == district
        )
    ).scalar()
    return int(found or 0)
