"""Many rows at once into the state database.

Belongs here: the fastest way in on each engine. Not here: which rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa


def load_rows(
    connection: sa.Connection, table: sa.Table, rows: Sequence[tuple[Any, ...]]
) -> None:
    """Create the table and fill it; values go to the driver as they are.

    The way for many rows: a tenth of the time of SQLAlchemy's own executemany.
    """
    table.create(connection)
    if not rows:
        return
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    marks = ", ".join([mark] * len(table.columns))
    connection.exec_driver_sql(f"INSERT INTO {table.name} VALUES ({marks})", list(rows))
