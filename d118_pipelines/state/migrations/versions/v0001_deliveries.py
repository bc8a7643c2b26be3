"""Deliveries: what was there before revisions were written down."""

from __future__ import annotations

from alembic import op

from d118_pipelines.state.migrations.statements import run

revision = "0001"
down_revision = None

TABLES = """
    CREATE TABLE deliveries (
      id TEXT NOT NULL, target TEXT NOT NULL, destination TEXT NOT NULL,
      status TEXT NOT NULL, plan_hash TEXT NOT NULL, run_id TEXT NOT NULL,
      folder TEXT NOT NULL, files JSON NOT NULL, counts JSON NOT NULL,
      read_back JSON NOT NULL, resend_of TEXT, started_at {time} NOT NULL,
      finished_at {time}, error TEXT, PRIMARY KEY (id)
    );
    CREATE INDEX ix_deliveries_target ON deliveries (target);
    CREATE TABLE delivery_ledger (
      target TEXT NOT NULL, destination TEXT NOT NULL, record_type TEXT NOT NULL,
      key TEXT NOT NULL, identity TEXT NOT NULL, state TEXT NOT NULL,
      state_at {time} NOT NULL, origin TEXT NOT NULL, command TEXT,
      first_delivered_at {time} NOT NULL, last_delivered_at {time} NOT NULL,
      last_delivery TEXT NOT NULL, last_hash TEXT NOT NULL, last_line TEXT,
      PRIMARY KEY (target, destination, record_type, key, identity)
    );
    CREATE TABLE ledger_seeds (
      target TEXT NOT NULL, destination TEXT NOT NULL, newest_dcid INTEGER NOT NULL,
      imported_at {time} NOT NULL, imported_by TEXT NOT NULL,
      PRIMARY KEY (target, destination)
    );
    CREATE TABLE plans (
      id TEXT NOT NULL, target TEXT NOT NULL, destination TEXT NOT NULL,
      plan_hash TEXT NOT NULL, baseline TEXT, run_id TEXT NOT NULL,
      verdict TEXT NOT NULL, rules JSON NOT NULL, counts JSON NOT NULL,
      files JSON NOT NULL, folder TEXT NOT NULL, demonstration BOOLEAN NOT NULL,
      data_at {time} NOT NULL, created_at {time} NOT NULL, PRIMARY KEY (id)
    );
    CREATE INDEX ix_plans_target ON plans (target);
    CREATE TABLE plan_approvals (
      id TEXT NOT NULL, target TEXT NOT NULL, plan_hash TEXT NOT NULL,
      baseline TEXT, reason TEXT NOT NULL, account TEXT NOT NULL,
      created_at {time} NOT NULL, expires_at {time} NOT NULL, used_at {time},
      PRIMARY KEY (id)
    );
    CREATE TABLE findings (
      id {serial}, target TEXT NOT NULL, run_id TEXT NOT NULL, code TEXT NOT NULL,
      level TEXT NOT NULL, key TEXT NOT NULL, field TEXT NOT NULL,
      detail TEXT NOT NULL, todo TEXT NOT NULL
    );
    CREATE INDEX ix_findings_run_id ON findings (run_id);
    CREATE TABLE sync_leases (
      name TEXT NOT NULL, holder TEXT NOT NULL, host TEXT NOT NULL,
      process TEXT NOT NULL, acquired_at {time} NOT NULL,
      renewed_at {time} NOT NULL, PRIMARY KEY (name)
    );
    CREATE TABLE alerts_sent (
      cause TEXT NOT NULL, sent_at {time} NOT NULL, PRIMARY KEY (cause)
    );
    CREATE TABLE audit_log (
      id {serial}, at {time} NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL,
      object TEXT NOT NULL, detail TEXT NOT NULL
    )
"""


def upgrade() -> None:
    """Create the tables."""
    run(op.get_bind(), TABLES)
