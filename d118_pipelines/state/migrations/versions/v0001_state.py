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
_APPEND_ONLY = {
    "sqlite": """
    CREATE TRIGGER audit_log_keeps_rows BEFORE DELETE ON audit_log BEGIN
      SELECT RAISE(ABORT, 'audit_log is append-only')@ END;
    CREATE TRIGGER audit_log_keeps_values BEFORE UPDATE ON audit_log BEGIN
      SELECT RAISE(ABORT, 'audit_log is append-only')@ END
    """,
    "postgresql": """
    CREATE FUNCTION audit_log_refuse() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'audit_log is append-only'@ END $$;
    CREATE TRIGGER audit_log_keeps BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
      FOR EACH STATEMENT EXECUTE FUNCTION audit_log_refuse()
    """,
}


def upgrade() -> None:
    """Create the tables, the views and the triggers."""
    tables = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    run(op.get_bind(), tables.replace("{record}", _RECORD))
    run(op.get_bind(), _APPEND_ONLY[op.get_bind().dialect.name])
