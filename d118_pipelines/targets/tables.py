"""Reading back the tables that an export keeps beside its files."""

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
    # ParquetFile, because pyarrow's read_table imports pandas: half a second.
    from pyarrow.parquet import ParquetFile

    with ParquetFile(path) as file:
        rows: list[dict[str, Any]] = file.read(
            columns=list(columns) or None
        ).to_pylist()
    return [row for row in rows if where is None or row[where[0]] == where[1]]
