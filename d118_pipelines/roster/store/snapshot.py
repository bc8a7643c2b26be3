"""The roster of record as Parquet files, for the SQL of targets.

Called by `workflows/targets/export_inputs.py`: which rows and columns
`roster.<relation>` has; what an export makes of them is in sql/exports/. Only live
records are in it: active ones, and users whose access is switched off. Rule:
docs/reference/roster_model.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from d118_pipelines.errors import ConfigurationError
from d118_pipelines.roster.model.entities import DUCKDB_TYPES, ENTITIES

if TYPE_CHECKING:
    import duckdb

    from d118_pipelines.state.arrow import ArrowReader

_FIRST = {
    "id": "UUID",
    "provider_id": "VARCHAR",
    "external_id": "VARCHAR",
    "status": "VARCHAR",
    "inactive_reason": "VARCHAR",
    "updated_at": "TIMESTAMP",
}
_LINKS: dict[str, dict[str, str]] = {
    "class_terms": {"class_id": "UUID", "term_id": "UUID"},
    "user_agents": {"user_id": "UUID", "agent_id": "UUID"},
    "user_roles": {
        "user_id": "UUID",
        "position": "INTEGER",
        "school_id": "UUID",
        "role": "VARCHAR",
        "source_role": "VARCHAR",
        "is_primary": "BOOLEAN",
        "begin_date": "DATE",
        "end_date": "DATE",
    },
}
# Every relation that the roster has, by name.
RELATIONS = (*ENTITIES, *_LINKS)


def relation_columns(relation: str) -> dict[str, str]:
    """The columns of `roster.<relation>` with their DuckDB types.

    Raises: ConfigurationError for a relation that the roster does not have.
    """
    if relation in _LINKS:
        return _LINKS[relation]
    if relation not in ENTITIES:
        known = ", ".join(RELATIONS)
        raise ConfigurationError(
            f"The roster has no relation roster.{relation}.",
            rule=f"It has: {known}.",
            not_done="Nothing was exported.",
        )
    columns = dict(_FIRST)
    for field in ENTITIES[relation].fields:
        kind = "UUID" if field.is_reference else DUCKDB_TYPES[field.kind]
        columns[field.column] = kind
    return columns | ({"user_id": "UUID"} if relation == "demographics" else {})


def write_snapshot(
    reader: ArrowReader,
    duck: duckdb.DuckDBPyConnection,
    relations: Iterable[str],
    *,
    district: str,
    folder: Path,
) -> dict[str, Path]:
    """Write each relation to `folder`; relation -> its file (mode 0600).

    All files are of one moment.
    """
    written = {}
    for relation in relations:
        columns = relation_columns(relation)
        path = folder / f"{relation}.parquet"
        reader.parquet(
            duck,
            f"SELECT {', '.join(columns)} FROM {relation} "
            f"WHERE district_id = :district{_live(relation)}",
            {"district": district},
            path,
            columns,
        )
        path.chmod(0o600)
        written[relation] = path
    return written


def _live(relation: str) -> str:
    if relation in _LINKS:
        return ""
    disabled = " OR inactive_reason = 'disabled'" if relation == "users" else ""
    return f" AND (status = 'active'{disabled})"
