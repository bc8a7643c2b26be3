"""Texts and names as they stand in SQL, for DuckDB, SQLite and PostgreSQL alike.

Belongs here: quoting, and nothing else.
"""

from __future__ import annotations

from pathlib import Path


def literal(text: str | Path) -> str:
    """A text or a path as an SQL literal."""
    return "'" + str(text).replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A name as an SQL identifier, whatever letters it has."""
    return '"' + name.replace('"', '""') + '"'
