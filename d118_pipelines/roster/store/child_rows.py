"""The rows below a record: roles and guardians of people, terms of classes.

Called by `apply.py` and `undo_records.py`. They are made from the JSON lists that the
records carry, as copies for SQL; the lists are what is compared.
Rule: docs/reference/roster_database.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from d118_pipelines.roster.store.write_records import Writer, store_sql


@dataclass(frozen=True, slots=True)
class _Child:
    """One child table: its owner's column, the list, its other columns as SQL."""

    table: str
    owner: str
    source: str
    columns: str
    sqlite: str
    postgres: str


def _ids(table: str, owner: str, source: str, column: str) -> _Child:
    """A list of internal ids."""
    return _Child(
        table, owner, source, column, "e.value", "CAST(e.value #>> '{}' AS UUID)"
    )


# Further columns of `user_roles` and their types on PostgreSQL.
_OF_ROLES = {
    "school_id": "UUID",
    "role": "TEXT",
    "source_role": "TEXT",
    "is_primary": "BOOLEAN",
    "begin_date": "DATE",
    "end_date": "DATE",
}
_CHILDREN: dict[str, list[_Child]] = {
    "users": [
        _Child(
            "user_roles",
            "user_id",
            "roles",
            ", ".join(["position", *_OF_ROLES]),
            ", ".join(["e.key", *(f"e.value ->> '{n}'" for n in _OF_ROLES)]),
            ", ".join(
                ["e.key - 1"]
                + [f"CAST(e.value ->> '{n}' AS {t})" for n, t in _OF_ROLES.items()]
            ),
        ),
        _ids("user_agents", "user_id", "agent_ids", "agent_id"),
    ],
    "classes": [_ids("class_terms", "class_id", "term_ids", "term_id")],
}


def child_tables(entity: str) -> list[str]:
    """The names of the entity's child tables."""
    return [child.table for child in _CHILDREN.get(entity, [])]


def write_children(writer: Writer, entity: str, *, is_first_load: bool) -> None:
    """Make the child rows of all records of `incoming`, or of the whole table."""
    ids = "SELECT id FROM incoming"
    for child in _CHILDREN.get(entity, []):
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
        writer.run(
            store_sql(
                "write_children",
                entity=entity,
                table=child.table,
                owner=child.owner,
                columns=child.columns,
                source=child.source,
                values=values,
                each=each,
                wanted="1 = 1" if is_first_load else f"t.id IN ({ids})",
            )
        )
