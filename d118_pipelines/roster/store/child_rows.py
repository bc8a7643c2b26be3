"""The rows below a record: roles and guardians of people, terms of classes.

Belongs here: making `user_roles`, `user_agents` and `class_terms` from the JSON lists
that the records carry. They are copies for SQL; the lists are what is compared.
Rule: docs/reference/roster_database.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from d118_pipelines.roster.store.write_records import Writer


@dataclass(frozen=True, slots=True)
class _Child:
    """One child table: its owner's column, the list, its other columns as SQL."""

    table: str
    owner: str
    source: str
    columns: str
    sqlite: str
    postgres: str


_ROLE_COLUMNS = (
    "position, school_id, role, source_role, is_primary, begin_date, end_date"
)
_CHILDREN: dict[str, list[_Child]] = {
    "users": [
        _Child(
            "user_roles",
            "user_id",
            "roles",
            _ROLE_COLUMNS,
            "e.key, e.value ->> 'school_id', e.value ->> 'role', "
            "e.value ->> 'source_role', e.value ->> 'is_primary', "
            "e.value ->> 'begin_date', e.value ->> 'end_date'",
            "e.key - 1, CAST(e.value ->> 'school_id' AS UUID), e.value ->> 'role', "
            "e.value ->> 'source_role', CAST(e.value ->> 'is_primary' AS BOOLEAN), "
            "CAST(e.value ->> 'begin_date' AS DATE), "
            "CAST(e.value ->> 'end_date' AS DATE)",
        ),
        _Child(
            "user_agents",
            "user_id",
            "agent_ids",
            "agent_id",
            "e.value",
            "CAST(e.value #>> '{}' AS UUID)",
        ),
    ],
    "classes": [
        _Child(
            "class_terms",
            "class_id",
            "term_ids",
            "term_id",
            "e.value",
            "CAST(e.value #>> '{}' AS UUID)",
        ),
    ],
}


def child_tables(entity: str) -> list[str]:
    """The names of the entity's child tables."""
    return [child.table for child in _CHILDREN.get(entity, [])]


def write_children(writer: Writer, entity: str, *, is_first_load: bool) -> None:
    """Make the child rows of all records of `incoming`, or of the whole table."""
    for child in _CHILDREN.get(entity, []):
        ids = "SELECT id FROM incoming"
        if not is_first_load:
            writer.run(f"DELETE FROM {child.table} WHERE {child.owner} IN ({ids})")
        values, each = child.sqlite, f"json_each(t.{child.source}) AS e"
        if writer.is_postgres:
            values = child.postgres
            # A list is text; `key` counts from 1.
            each = (
                f"json_array_elements(CAST(t.{child.source} AS JSON)) "
                "WITH ORDINALITY AS e(value, key)"
            )
        where = "1 = 1" if is_first_load else f"t.id IN ({ids})"
        writer.run(
            f"INSERT INTO {child.table} ({child.owner}, district_id, {child.columns}) "
            f"SELECT DISTINCT t.id, t.district_id, {values} FROM {entity} AS t, {each} "
            f"WHERE t.{child.source} IS NOT NULL AND {where}"
        )
