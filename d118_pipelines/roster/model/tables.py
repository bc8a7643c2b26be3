"""The roster's tables in the state database.

Columns, keys and indexes; the modules of `roster/store/` write them. The tables of the
entities carry the model's fields under `Field.column`; `state/migrations/` creates all
of it, with the views `districts`, `schools` and `sync_jobs`. No foreign keys: a
reference can be ahead of the record it names, when two providers bring them. Rule:
docs/reference/roster_database.md.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from d118_pipelines.roster.model.entities import ENTITIES, Entity
from d118_pipelines.state import accounts  # noqa: F401  its tables are of the schema
from d118_pipelines.state.database import UtcDateTime, columns, metadata, numbered

# Internal ids: 16 bytes on PostgreSQL, their usual text on SQLite.
Id = sa.Text().with_variant(sa.UUID(as_uuid=False), "postgresql")
BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Time = UtcDateTime

FIRST_COLUMNS = (
    "id",
    "district_id",
    "provider_id",
    "external_id",
    "status",  # active, inactive, suspended (by hand), deleted (by retention)
    "inactive_reason",  # missing, tobedeleted, disabled, undone; null while active
)
_KINDS: dict[str, sa.types.TypeEngine[Any]] = {
    "text": sa.Text(),
    "integer": sa.Integer(),
    "number": sa.Float(),
    "boolean": sa.Boolean(),
    "date": sa.Date(),
    "list": sa.Text(),  # JSON
}


def _columns(entity: Entity) -> list[sa.Column[Any]]:
    first = [
        *columns("id", Id, primary_key=True),
        *columns(" ".join(FIRST_COLUMNS[1:5])),
        *columns("inactive_reason deactivated_by_run metadata", nullable=True),
        # row_hash: '' once it went missing.
        *columns("row_hash created_by_run last_changed_run"),
        *columns("created_at updated_at", Time),
        *columns("deactivated_at", Time, nullable=True),
    ]
    for field in entity.fields:
        kind = Id if field.is_reference else _KINDS[field.kind]
        first += columns(field.column, kind, nullable=not field.required)
    return first


# Without a rowid, here and below: SQLite keeps rows of many in the tree of their key,
# so that each is written once.
def _entity_table(entity: Entity, *more: sa.schema.SchemaItem) -> sa.Table:
    return sa.Table(
        entity.name, metadata, *_columns(entity), *more, sqlite_with_rowid=False
    )


def _external_key(name: str) -> sa.Index:
    key = ("district_id", "provider_id", "external_id")
    return sa.Index(f"{name}_external", *key, unique=True)


_MORE: dict[str, list[sa.schema.SchemaItem]] = {
    "users": [
        # PENDING, PROVISIONED, FAILED, UPDATED, DELETED
        *columns("scim_status scim_id scim_error", nullable=True),
        *columns("scim_last_sync", Time, nullable=True),
        _external_key("users"),
    ],
    # Millions of rows: their id is made of provider and external id, so that its
    # uniqueness is that of both. An index would cost every first load a tenth.
    "enrollments": [],
    "demographics": [sa.Column("user_id", Id), _external_key("demographics")],
}

# In the order of the model: orgs, terms, courses, classes, users, ...
ENTITY_TABLES: dict[str, sa.Table] = {
    name: _entity_table(
        entity, *_MORE[name] if name in _MORE else [_external_key(name)]
    )
    for name, entity in ENTITIES.items()
}

class_terms = sa.Table(
    "class_terms",
    metadata,
    *columns("class_id term_id", Id, primary_key=True),
    *columns("district_id"),
    sqlite_with_rowid=False,
)

user_roles = sa.Table(
    "user_roles",
    metadata,
    *columns("user_id", Id, primary_key=True),
    *columns("position", sa.Integer, primary_key=True, autoincrement=False),  # from 0
    *columns("district_id role"),
    *columns("school_id", Id, nullable=True),  # an org: the school, or the district
    *columns("source_role", nullable=True),
    *columns("is_primary", sa.Boolean, nullable=True),
    *columns("begin_date end_date", sa.Date, nullable=True),
    sqlite_with_rowid=False,
)

user_agents = sa.Table(
    "user_agents",
    metadata,
    *columns("user_id agent_id", Id, primary_key=True),
    *columns("district_id"),
    sqlite_with_rowid=False,
)

# Which record a provider means by its id; for orgs and users, which several can know.
external_ids = sa.Table(
    "external_ids",
    metadata,
    *columns("district_id provider_id entity external_id", primary_key=True),
    *columns("internal_id", Id, index=True),
    *columns("active", sa.Boolean),
    *columns("rule first_seen_run"),  # rule: created, email, student_number, ...
    sqlite_with_rowid=False,
)

sis_providers = sa.Table(
    "sis_providers",
    metadata,
    *columns("id", primary_key=True),
    # tenant_id: the district. entry_hash: SHA-256 of the entry in YAML.
    *columns("tenant_id provider_type name entry_hash"),
    *columns("enabled", sa.Boolean),
    *columns("sync_schedule", nullable=True),
    *columns("priority", sa.Integer),
    *columns("last_sync_at", Time, nullable=True),
)

sis_sync_runs = sa.Table(
    "sis_sync_runs",
    metadata,
    *numbered(),
    # run_id: Dagster's. kind: sync, undo.
    *columns("district_id provider_id run_id kind status triggered_by"),
    *columns("started_at", Time),
    *columns("completed_at", Time, nullable=True),
    *columns("stats_json error_message plan_hash undoes_run", nullable=True),
    *columns("is_manual", sa.Boolean),
    *columns("changed", sa.Integer),  # records and links
    sa.Index("sis_sync_runs_of_provider", "provider_id", "number"),
)

sync_logs = sa.Table(
    "sync_logs",
    metadata,
    *columns("id", BigId, primary_key=True, autoincrement=True),
    *columns("sync_job_id", index=True),
    *columns("district_id level message"),  # level: INFO, WARNING, ERROR
    # details: JSON of rule code, file, line.
    *columns("details record_type record_id external_id", nullable=True),
    *columns("timestamp", Time),
)

# What a run did to a record that was there before; a new one bears created_by_run.
roster_history = sa.Table(
    "roster_history",
    metadata,
    *columns("id", BigId, primary_key=True, autoincrement=True),
    # external_id: the provider's. fields: JSON list of names.
    *columns("district_id provider_id run_id entity external_id action fields"),
    *columns("at", Time),
    *columns("record_id", Id),
    # before: JSON; null if only the link changed, or once erased.
    *columns("reason before", nullable=True),
    *columns("link_before", sa.Boolean, nullable=True),  # null: there was no link
    sa.Index("roster_history_run", "provider_id", "run_id", "entity"),
)

absent_once = sa.Table(
    "absent_once",
    metadata,
    *columns("district_id provider_id entity external_id", primary_key=True),
    *columns("run_id"),
)

identity_conflicts = sa.Table(
    "identity_conflicts",
    metadata,
    *columns("id", primary_key=True),  # hash of the case and its evidence
    *columns(
        "district_id provider_id entity external_id type severity state rule run_id"
    ),
    *columns("record_id", Id, nullable=True),  # the record it collided with, if one
    *columns("opened_at", Time),
    *columns("resolved_at", Time, nullable=True),
    *columns("resolved_by reason", nullable=True),
)

roster_revision = sa.Table(
    "roster_revision",
    metadata,
    *columns("district_id", primary_key=True),
    *columns("revision", sa.Integer),
    *columns("run_id"),
    *columns("changed_at", Time),
)
