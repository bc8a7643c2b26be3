"""What Alembic runs around the migrations: the caller's connection and transaction.

The caller commits: a migration that fails leaves the database as it was.
"""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
