"""Reading back the tables that an export keeps beside its files.

Called by deliveries, `show.py` and `d118 explain`; they are written by `render.py`.
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
    import pyarrow.compute as pc

    # ParquetFile, because pyarrow's read_table imports pandas: half a second.
    from pyarrow.parquet import ParquetFile

    found: list[dict[str, Any]] = []
    with ParquetFile(path) as file:
        for batch in file.iter_batches(columns=list(columns) or None):
            if where is not None:
                batch = batch.filter(pc.equal(batch.column(where[0]), where[1]))
            found += batch.to_pylist()
    return found
