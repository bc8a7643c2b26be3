"""The views `record.<entity>`: a staged roster in the columns of the roster tables.

Called by the planning and by `store/apply.py`; fixed parts are in
sql/roster/record_views.sql. Two folders are enough for a view, the staged roster's and
the plan's, so that apply reads in a fresh session what the plan has compared. Rule:
docs/reference/matching_and_guard.md.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from d118_pipelines.kernel.frames import parquet
from d118_pipelines.kernel.sql_text import literal, statement
from d118_pipelines.roster.model.entities import (
    CONTACT_ROLES,
    DUCKDB_TYPES,
    ENTITIES,
    Entity,
    Field,
)

if TYPE_CHECKING:
    import duckdb

MATCH_FILE = "match.parquet"
# Their ids are looked up: a record that another provider made keeps its id.
MATCHED = ("orgs", "users")
_ROLES = "json_extract_string(roles, '$[*].role')"
_CONTACTS = ", ".join(literal(role) for role in CONTACT_ROLES)
# SQL for the role group of a person's column `roles`: students if any role is student,
# else staff if any is not of a contact.
ROLE_GROUP = (
    f"CASE WHEN list_contains({_ROLES}, 'student') THEN 'students' "
    f"WHEN list_has_all([{_CONTACTS}], {_ROLES}) THEN 'contacts' ELSE 'staff' END"
)


@dataclass(frozen=True, slots=True)
class RecordSource:
    """Where the views of one provider read: both are relations in SQL text.

    staged: entity -> relation with the staged columns. found: relation with entity,
    external_id, internal_id for orgs and users.
    """

    district: str
    provider: str
    staged: dict[str, str]
    found: str

    def with_rows(self, entity: str, relation: str) -> RecordSource:
        """The same source with another relation for one entity."""
        staged = {**self.staged, entity: relation}
        return RecordSource(self.district, self.provider, staged, self.found)


def record_id(district: str, provider: str, entity: str, external_id: str) -> str:
    """The internal id of a record that this provider creates, as text of a UUID."""
    text = "\n".join((district, provider, entity, external_id))
    return str(uuid.UUID(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()))


def record_id_sql(district: str, provider: str, entity: str, column: str) -> str:
    """`record_id` as an SQL expression; null for a null key."""
    parts = " || chr(10) || ".join(literal(p) for p in (district, provider, entity))
    return f"md5({parts} || chr(10) || {column})::UUID::VARCHAR"


def record_source(
    staged_folder: Path,
    *,
    district: str,
    provider: str,
    plan_folder: Path | None = None,
) -> RecordSource:
    """Where the views read; ids from the plan's match.parquet, else `match.found`."""
    files = {name: staged_folder / f"{name}.parquet" for name in ENTITIES}
    staged = {name: parquet(path) for name, path in files.items() if path.is_file()}
    found = parquet(plan_folder / MATCH_FILE) if plan_folder else "match.found"
    return RecordSource(district, provider, staged, found)


def make_record_views(duck: duckdb.DuckDBPyConnection, source: RecordSource) -> None:
    """Make the views `record.<entity>` of every staged entity.

    Columns: id, external_id, status, inactive_reason, `Field.column` of each field,
    row_hash (md5 of all before it but the keys).
    """
    duck.execute("DROP SCHEMA IF EXISTS record CASCADE")
    duck.execute("CREATE SCHEMA record")
    for entity in source.staged:
        duck.execute(f"CREATE VIEW record.{entity} AS {record_select(source, entity)}")


def record_select(source: RecordSource, entity: str) -> str:
    """The SELECT behind `record.<entity>`."""
    model, rows = ENTITIES[entity], source.staged[entity]
    joins = [_join(source, rows, field) for field in model.fields if field.is_reference]
    own_id = _new_id(source, entity, "s.external_id")
    if entity in MATCHED:
        own_id = "own.internal_id"
        joins.append(f"LEFT JOIN {_found(source, entity, 'own', 's.external_id')}")
    if entity == "users":
        orgs = _found(source, "orgs", "o", "x.school_external_id")
        joins.append(statement("roster/record_views.roles", rows=rows, orgs=orgs))
        users = _found(source, "users", "g", "k.agent")
        joins.append(statement("roster/record_views.agents", rows=rows, users=users))
    columns = ", ".join(f"{_value(source, f)} AS {f.column}" for f in model.fields)
    return (
        f"SELECT *, {_row_hash(model)} AS row_hash FROM (SELECT {own_id} AS id, "
        f"s.external_id, s.status, s.inactive_reason, {columns} "
        f"FROM {rows} AS s {' '.join(joins)})"
    )


def _new_id(source: RecordSource, entity: str, column: str) -> str:
    return record_id_sql(source.district, source.provider, entity, column)


def _join(source: RecordSource, rows: str, field: Field) -> str:
    """The relation that knows the internal id of what a field refers to."""
    target = str(field.refers_to)
    alias, key = f"to_{field.column}", f"s.{field.name}"
    if target in MATCHED:
        return f"LEFT JOIN {_found(source, target, alias, key)}"
    new_id = _new_id(source, target, "external_id")
    return statement(
        "roster/record_views.made",
        name=field.name,
        rows=rows,
        new_id=new_id,
        alias=alias,
        key=key,
    )


def _found(source: RecordSource, entity: str, alias: str, key: str) -> str:
    return statement(
        "roster/record_views.found",
        found=source.found,
        entity=entity,
        alias=alias,
        key=key,
    )


def _value(source: RecordSource, field: Field) -> str:
    """SQL for one column of the roster table."""
    if field.name == "roles":
        return "r.resolved"
    if field.name == "agent_external_ids":
        return "a.agent_ids"
    if field.refers_to is None:
        return f"s.{field.name}"
    if field.kind != "list":
        return f"to_{field.column}.internal_id"
    each = f"lambda x: {_new_id(source, field.refers_to, 'x')}"
    keys = f"json_extract_string(s.{field.name}, '$[*]')"
    return f"CAST(to_json(list_sort(list_transform({keys}, {each}))) AS VARCHAR)"


def _row_hash(model: Entity) -> str:
    """md5 over all values; lengths before free text, so that no two rows give the same text."""
    free = ["status", "inactive_reason"]
    fixed: list[str] = []
    for field in model.fields:
        is_id = field.refers_to is not None
        is_free = DUCKDB_TYPES[field.kind] == "VARCHAR" and not is_id
        (free if is_free else fixed).append(field.column)
    parts = [f"coalesce(length({c}) || ':' || {c}, '-')" for c in free]
    parts += [f"coalesce(CAST({c} AS VARCHAR), '-')" for c in fixed]
    return f"md5(concat_ws('|', {', '.join(parts)}))"
