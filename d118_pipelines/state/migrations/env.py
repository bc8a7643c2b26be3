"""What Alembic runs around the migrations: the caller's connection and transaction.

Called by Alembic for `state/schema.py`, which commits: a migration that fails leaves
the database as it was.
"""

from __future__ import annotations

from alembic import context

context.configure(**context.config.attributes["settings"])
context.run_migrations()
