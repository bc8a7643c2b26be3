"""Reading back the tables that an export keeps beside its files.

DuckDB reads them: pyarrow's own reader imports pandas, which costs half a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any


def read_rows(
    path: Path, columns: Sequence[str] = (), *, where: tuple[str, str] | None = None
) -> list[dict[str, Any]]:
    """The rows of a Parquet file as dictionaries, in the file's order.

    columns: only these (default: all). where: a column and the text it must equal.
    """
    import duckdb  # heavy: only when something is read back

    chosen = ", ".join(f'"{name}"' for name in columns) or "*"
    condition = f' WHERE "{where[0]}" = $value' if where else ""
    binds = {"path": str(path)} | ({"value": where[1]} if where else {})
    with duckdb.connect(config={"threads": 1}) as connection:
        found = connection.execute(
            f"SELECT {chosen} FROM read_parquet($path){condition}", binds
        )
        names = [column[0] for column in found.description or []]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
