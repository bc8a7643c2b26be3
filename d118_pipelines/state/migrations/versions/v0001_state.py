"""The first revision: all tables, views and triggers (`v0001_state.sql`)."""

from __future__ import annotations

from pathlib import Path

from alembic import op

from d118_pipelines.state.migrations.statements import run

revision = "0001"
down_revision = None

# What every record of the roster begins with.
_RECORD = (
    "id {id} NOT NULL PRIMARY KEY, district_id TEXT NOT NULL, provider_id TEXT NOT NULL, "
    "external_id TEXT NOT NULL, status TEXT NOT NULL, inactive_reason TEXT, "
    "deactivated_at {time}, deactivated_by_run TEXT, row_hash TEXT NOT NULL, "
    "metadata TEXT, created_at {time} NOT NULL, updated_at {time} NOT NULL, "
    "created_by_run TEXT NOT NULL, last_changed_run TEXT NOT NULL"
)


def upgrade() -> None:
    """Create the tables, the views and the triggers that keep the audit log's rows."""
    connection, folder = op.get_bind(), Path(__file__).parent
    tables = (folder / "v0001_state.sql").read_text(encoding="utf-8")
    run(connection, tables.replace("{record}", _RECORD))
    audit = folder / f"v0001_audit_{connection.dialect.name}.sql"
    run(connection, audit.read_text(encoding="utf-8"))
