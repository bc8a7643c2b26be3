"""The migrations of the state database, run by Alembic."""
