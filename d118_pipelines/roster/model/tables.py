"""The roster's tables in the state database: columns, keys and indexes.

Written by `roster/store/`, made by `state/migrations/` with the views `districts`,
`schools` and `sync_jobs`. No foreign keys: a reference can be ahead of the record it
names, when two providers bring them. Rule: docs/reference/roster_database.md.
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


def _keys(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, Text, primary_key=True) for name in names]


def _required(*names: str, kind: Any = Text) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=False) for name in names]


def _optional(*names: str, kind: Any = Text) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind) for name in names]


def _numbered() -> sa.Column[Any]:
    return sa.Column("id", BigId, primary_key=True, autoincrement=True)


# Without a rowid, here and below: SQLite keeps rows of many in the tree of their key,
# so that each is written once.
def _tree(name: str, *columns: sa.schema.SchemaItem) -> sa.Table:
    return sa.Table(name, metadata, *columns, sqlite_with_rowid=False)


def _entity_table(entity: Entity, *more: sa.schema.SchemaItem) -> sa.Table:
    return _tree(
        entity.name,
        sa.Column("id", Id, primary_key=True),
        *_required("district_id", "provider_id", "external_id"),
        # active, inactive, suspended (by hand), deleted (by retention)
        *_required("status"),
        # missing, tobedeleted, disabled, undone; null while active
        *_optional("inactive_reason"),
        *_optional("deactivated_at", kind=Time),
        *_optional("deactivated_by_run"),
        *_required("row_hash"),  # '' once it went missing
        *_optional("metadata"),
        *_required("created_at", "updated_at", kind=Time),
        *_required("created_by_run", "last_changed_run"),
        *(_column(field) for field in entity.fields),
        *more,
    )


def _external_key(name: str) -> sa.Index:
    columns = ("district_id", "provider_id", "external_id")
    return sa.Index(f"{name}_external", *columns, unique=True)


_MORE: dict[str, list[sa.schema.SchemaItem]] = {
    "users": [
        # PENDING, PROVISIONED, FAILED, UPDATED, DELETED
        *_optional("scim_status", "scim_id", "scim_error"),
        *_optional("scim_last_sync", kind=Time),
        _external_key("users"),
    ],
    # Millions of rows: their id is made of provider and external id, so that its
    # uniqueness is that of both. An index would cost every first load a tenth.
    "enrollments": [],
    "demographics": [*_optional("user_id", kind=Id), _external_key("demographics")],
}

# In the order of the model: orgs, terms, courses, classes, users, ...
ENTITY_TABLES: dict[str, sa.Table] = {
    name: _entity_table(
        entity, *_MORE[name] if name in _MORE else [_external_key(name)]
    )
    for name, entity in ENTITIES.items()
}

class_terms = _tree(
    "class_terms",
    sa.Column("class_id", Id, primary_key=True),
    sa.Column("term_id", Id, primary_key=True),
    *_required("district_id"),
)

user_roles = _tree(
    "user_roles",
    sa.Column("user_id", Id, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),  # from 0
    *_required("district_id"),
    *_optional("school_id", kind=Id),  # an org: the school, or the district
    *_required("role"),
    *_optional("source_role"),
    *_optional("is_primary", kind=sa.Boolean),
    *_optional("begin_date", "end_date", kind=sa.Date),
)

user_agents = _tree(
    "user_agents",
    sa.Column("user_id", Id, primary_key=True),
    sa.Column("agent_id", Id, primary_key=True),
    *_required("district_id"),
)

# Which record a provider means by its id; for orgs and users, which several can know.
external_ids = _tree(
    "external_ids",
    *_keys("district_id", "provider_id", "entity", "external_id"),
    sa.Column("internal_id", Id, nullable=False, index=True),
    *_required("active", kind=sa.Boolean),
    *_required("rule"),  # created, email, student_number, ...
    *_required("first_seen_run"),
)

sis_providers = sa.Table(
    "sis_providers",
    metadata,
    *_keys("id"),
    *_required("tenant_id"),  # the district
    *_required("provider_type", "name"),
    *_required("enabled", kind=sa.Boolean),
    *_optional("sync_schedule"),
    *_required("priority", kind=sa.Integer),
    *_required("entry_hash"),  # SHA-256 of the entry in YAML
    *_optional("last_sync_at", kind=Time),
)

sis_sync_runs = sa.Table(
    "sis_sync_runs",
    metadata,
    *_keys("id"),
    *_required("district_id", "provider_id"),
    *_required("run_id"),  # Dagster's
    *_required("kind"),  # sync, undo
    *_required("status"),
    *_required("started_at", kind=Time),
    *_optional("completed_at", kind=Time),
    *_optional("stats_json", "error_message"),
    *_required("is_manual", kind=sa.Boolean),
    *_required("triggered_by"),
    *_optional("plan_hash"),
    *_required("changed", kind=sa.Integer),  # records and links
    *_optional("undoes_run"),
    sa.Index("sis_sync_runs_of_provider", "provider_id", "started_at"),
)

sync_logs = sa.Table(
    "sync_logs",
    metadata,
    _numbered(),
    *_required("district_id"),
    sa.Column("sync_job_id", Text, nullable=False, index=True),
    *_required("level"),  # INFO, WARNING, ERROR
    *_required("message"),
    *_optional("details"),  # JSON: rule code, file, line
    *_optional("record_type", "record_id", "external_id"),
    *_required("timestamp", kind=Time),
)

# What a run did to a record that was there before; a new one bears created_by_run.
roster_history = sa.Table(
    "roster_history",
    metadata,
    _numbered(),
    *_required("district_id", "provider_id", "run_id"),
    *_required("at", kind=Time),
    *_required("entity"),
    *_required("record_id", kind=Id),
    *_required("external_id"),  # the provider's
    *_required("action"),
    *_optional("reason"),
    *_required("fields"),  # JSON list of names
    *_optional("before"),  # JSON; null if only the link changed, or once erased
    *_optional("link_before", kind=sa.Boolean),  # null: there was no link
    sa.Index("roster_history_run", "provider_id", "run_id", "entity"),
)

absent_once = sa.Table(
    "absent_once",
    metadata,
    *_keys("district_id", "provider_id", "entity", "external_id"),
    *_required("run_id"),
)

identity_conflicts = sa.Table(
    "identity_conflicts",
    metadata,
    *_keys("id"),  # hash of the case and its evidence
    *_required("district_id", "provider_id", "entity", "external_id"),
    *_required("type", "severity", "state", "rule"),
    *_optional("record_id", kind=Id),  # the record that it collided with, if one
    *_required("run_id"),
    *_required("opened_at", kind=Time),
    *_optional("resolved_at", kind=Time),
    *_optional("resolved_by", "reason"),
)

roster_revision = sa.Table(
    "roster_revision",
    metadata,
    *_keys("district_id"),
    *_required("revision", kind=sa.Integer),
    *_required("run_id"),
    *_required("changed_at", kind=Time),
)
