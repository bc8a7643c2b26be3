"""The roster model: entities, their fields, and what a field may refer to.

Read by all of `roster/` and by `workflows/`; the fields are in `entities.yaml`, words
in `vocabulary.py`, tables in `tables.py`. Staged frames carry the fields under these
names, references as `*_external_id`; the roster tables carry the same fields, with
references as internal ids (`school_external_id` becomes `school_id`). Lists are JSON
text in both. Rule: docs/reference/roster_model.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from d118_pipelines.config.yaml_files import shipped_yaml

Kind = Literal["text", "integer", "number", "boolean", "date", "list"]

# The columns that every staged frame begins with, and their DuckDB types.
COMMON_COLUMNS: dict[str, str] = {
    "external_id": "VARCHAR",  # key of the frame: unique, never null
    "status": "VARCHAR",  # active, inactive
    "inactive_reason": "VARCHAR",  # tobedeleted, disabled; null while active
    "source_modified_at": "TIMESTAMP",
    "source_file": "VARCHAR",  # the file or collection that the record came in
    "source_line": "BIGINT",  # its line there, or its number in the collection from 1
    "raw_collection": "VARCHAR",  # the raw extract that holds the record
    "raw_row": "BIGINT",  # its row there, from 0
}

DUCKDB_TYPES: dict[Kind, str] = {
    "text": "VARCHAR",
    "integer": "INTEGER",
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "list": "VARCHAR",  # JSON text, null when empty
}


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an entity; `refers_to` names the entity of a reference."""

    name: str
    kind: Kind = "text"
    refers_to: str | None = None
    required: bool = False

    @property
    def is_reference(self) -> bool:
        """Whether its column holds one internal id."""
        return self.refers_to is not None and self.kind != "list"

    @property
    def column(self) -> str:
        """The column of the roster table: an internal id where the field refers."""
        if not self.is_reference:
            return self.name.replace("_external_ids", "_ids")
        return self.name.removesuffix("_external_id") + "_id"


@dataclass(frozen=True, slots=True)
class Entity:
    """One kind of record; `name` is its staged frame and its roster table."""

    name: str
    fields: tuple[Field, ...]

    def field(self, name: str) -> Field:
        """The field of that name. Raises: KeyError."""
        return {f.name: f for f in self.fields}[name]

    def staged_columns(self) -> dict[str, str]:
        """All columns of the staged frame with their DuckDB types, in order."""
        own = {f.name: DUCKDB_TYPES[f.kind] for f in self.fields}
        return {**COMMON_COLUMNS, **own}


def _field(name: str, text: str) -> Field:
    """A field as `entities.yaml` writes it: `list -> terms`, `text!`."""
    kind, _, refers_to = text.partition(" -> ")
    plain = cast("Kind", kind.removesuffix("!"))
    return Field(name, plain, refers_to or None, kind != plain)


_FILE = Path(__file__).with_name("entities.yaml")
# In the order in which records may refer to each other.
ENTITIES: dict[str, Entity] = {
    name: Entity(name, tuple(_field(*field) for field in fields.items()))
    for name, fields in shipped_yaml(_FILE).items()
}

USER_ROLES = [
    "student",
    "teacher",
    "aide",
    "staff",
    "admin",
    "district_admin",
    "parent",
    "guardian",
    "proctor",
    "relative",
]
ENROLLMENT_ROLES = ["student", "teacher", "aide", "administrator", "proctor"]
CONTACT_ROLES = ["parent", "guardian", "relative"]
