"""The roster's tables in the state database.

Columns, keys and indexes; the modules of `roster/store/` write them. The tables of the entities carry the model's fields under
`Field.column`; `state/migrations/` creates all of it, with the views `districts`, `schools`
and `sync_jobs`. No foreign keys: a reference can be ahead of the record it names, when
two providers bring them. Rule: docs/reference/roster_database.md.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from d118_pipelines.roster.model.entities import ENTITIES, Entity, Field
from d118_pipelines.state.database import UtcDateTime, metadata

# Internal ids: 16 bytes on PostgreSQL, their usual text on SQLite.
Id = sa.Text().with_variant(postgresql.UUID(as_uuid=False), "postgresql")
BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Text, Time = sa.Text, UtcDateTime

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


def _column(field: Field) -> sa.Column[Any]:
    kind = Id if field.is_reference else _KINDS[field.kind]
    return sa.Column(field.column, kind, nullable=not field.required)


def _columns(entity: Entity) -> list[sa.Column[Any]]:
    first: list[sa.Column[Any]] = [
        sa.Column("id", Id, primary_key=True),
        *(sa.Column(n, Text, nullable=False) for n in FIRST_COLUMNS[1:5]),
        sa.Column("inactive_reason", Text),
        sa.Column("deactivated_at", Time),
        sa.Column("deactivated_by_run", Text),
        sa.Column("row_hash", Text, nullable=False),  # '' once it went missing
        sa.Column("metadata", Text),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("updated_at", Time, nullable=False),
        sa.Column("created_by_run", Text, nullable=False),
        sa.Column("last_changed_run", Text, nullable=False),
    ]
    return [*first, *(_column(field) for field in entity.fields)]


# Without a rowid, here and below: SQLite keeps rows of many in the tree of their key,
# so that each is written once.
def _entity_table(entity: Entity, *more: sa.schema.SchemaItem) -> sa.Table:
    return sa.Table(
        entity.name, metadata, *_columns(entity), *more, sqlite_with_rowid=False
    )


def _external_key(name: str) -> sa.Index:
    columns = ("district_id", "provider_id", "external_id")
    return sa.Index(f"{name}_external", *columns, unique=True)


_MORE: dict[str, list[sa.schema.SchemaItem]] = {
    "users": [
        # PENDING, PROVISIONED, FAILED, UPDATED, DELETED
        *(sa.Column(n, Text) for n in ("scim_status", "scim_id", "scim_error")),
        sa.Column("scim_last_sync", Time),
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
    sa.Column("class_id", Id, primary_key=True),
    sa.Column("term_id", Id, primary_key=True),
    sa.Column("district_id", Text, nullable=False),
    sqlite_with_rowid=False,
)

user_roles = sa.Table(
    "user_roles",
    metadata,
    sa.Column("user_id", Id, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),  # from 0
    sa.Column("district_id", Text, nullable=False),
    sa.Column("school_id", Id),  # an org: the school, or the district
    sa.Column("role", Text, nullable=False),
    sa.Column("source_role", Text),
    sa.Column("is_primary", sa.Boolean),
    sa.Column("begin_date", sa.Date),
    sa.Column("end_date", sa.Date),
    sqlite_with_rowid=False,
)

user_agents = sa.Table(
    "user_agents",
    metadata,
    sa.Column("user_id", Id, primary_key=True),
    sa.Column("agent_id", Id, primary_key=True),
    sa.Column("district_id", Text, nullable=False),
    sqlite_with_rowid=False,
)

# Which record a provider means by its id; for orgs and users, which several can know.
external_ids = sa.Table(
    "external_ids",
    metadata,
    sa.Column("district_id", Text, primary_key=True),
    sa.Column("provider_id", Text, primary_key=True),
    sa.Column("entity", Text, primary_key=True),
    sa.Column("external_id", Text, primary_key=True),
    sa.Column("internal_id", Id, nullable=False, index=True),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("rule", Text, nullable=False),  # created, email, student_number, ...
    sa.Column("first_seen_run", Text, nullable=False),
    sqlite_with_rowid=False,
)

sis_providers = sa.Table(
    "sis_providers",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("tenant_id", Text, nullable=False),  # the district
    sa.Column("provider_type", Text, nullable=False),
    sa.Column("name", Text, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("sync_schedule", Text),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("entry_hash", Text, nullable=False),  # SHA-256 of the entry in YAML
    sa.Column("last_sync_at", Time),
)

sis_sync_runs = sa.Table(
    "sis_sync_runs",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("district_id", Text, nullable=False),
    sa.Column("provider_id", Text, nullable=False),
    sa.Column("run_id", Text, nullable=False),  # Dagster's
    sa.Column("kind", Text, nullable=False),  # sync, undo
    sa.Column("status", Text, nullable=False),
    sa.Column("started_at", Time, nullable=False),
    sa.Column("completed_at", Time),
    sa.Column("stats_json", Text),
    sa.Column("error_message", Text),
    sa.Column("is_manual", sa.Boolean, nullable=False),
    sa.Column("triggered_by", Text, nullable=False),
    sa.Column("plan_hash", Text),
    sa.Column("changed", sa.Integer, nullable=False),  # records and links
    sa.Column("undoes_run", Text),
    sa.Index("sis_sync_runs_of_provider", "provider_id", "started_at"),
)

sync_logs = sa.Table(
    "sync_logs",
    metadata,
    sa.Column("id", BigId, primary_key=True, autoincrement=True),
    sa.Column("district_id", Text, nullable=False),
    sa.Column("sync_job_id", Text, nullable=False, index=True),
    sa.Column("level", Text, nullable=False),  # INFO, WARNING, ERROR
    sa.Column("message", Text, nullable=False),
    sa.Column("details", Text),  # JSON: rule code, file, line
    sa.Column("record_type", Text),
    sa.Column("record_id", Text),
    sa.Column("external_id", Text),
    sa.Column("timestamp", Time, nullable=False),
)

# What a run did to a record that was there before; a new one bears created_by_run.
roster_history = sa.Table(
    "roster_history",
    metadata,
    sa.Column("id", BigId, primary_key=True, autoincrement=True),
    sa.Column("district_id", Text, nullable=False),
    sa.Column("provider_id", Text, nullable=False),
    sa.Column("run_id", Text, nullable=False),
    sa.Column("at", Time, nullable=False),
    sa.Column("entity", Text, nullable=False),
    sa.Column("record_id", Id, nullable=False),
    sa.Column("external_id", Text, nullable=False),  # the provider's
    sa.Column("action", Text, nullable=False),
    sa.Column("reason", Text),
    sa.Column("fields", Text, nullable=False),  # JSON list of names
    sa.Column("before", Text),  # JSON; null if only the link changed, or once erased
    sa.Column("link_before", sa.Boolean),  # null: there was no link
    sa.Index("roster_history_run", "provider_id", "run_id", "entity"),
)

absent_once = sa.Table(
    "absent_once",
    metadata,
    sa.Column("district_id", Text, primary_key=True),
    sa.Column("provider_id", Text, primary_key=True),
    sa.Column("entity", Text, primary_key=True),
    sa.Column("external_id", Text, primary_key=True),
    sa.Column("run_id", Text, nullable=False),
)

identity_conflicts = sa.Table(
    "identity_conflicts",
    metadata,
    sa.Column("id", Text, primary_key=True),  # hash of the case and its evidence
    sa.Column("district_id", Text, nullable=False),
    sa.Column("provider_id", Text, nullable=False),
    sa.Column("entity", Text, nullable=False),
    sa.Column("external_id", Text, nullable=False),
    sa.Column("type", Text, nullable=False),
    sa.Column("severity", Text, nullable=False),
    sa.Column("state", Text, nullable=False),
    sa.Column("rule", Text, nullable=False),
    sa.Column("record_id", Id),  # the record that it collided with, if one
    sa.Column("run_id", Text, nullable=False),
    sa.Column("opened_at", Time, nullable=False),
    sa.Column("resolved_at", Time),
    sa.Column("resolved_by", Text),
    sa.Column("reason", Text),
)

roster_revision = sa.Table(
    "roster_revision",
    metadata,
    sa.Column("district_id", Text, primary_key=True),
    sa.Column("revision", sa.Integer, nullable=False),
    sa.Column("run_id", Text, nullable=False),
    sa.Column("changed_at", Time, nullable=False),
)
