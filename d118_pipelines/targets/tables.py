"""Reading back the tables that an export keeps beside its files.

Called by deliveries, `show.py` and `d118 explain`; they are written by `render.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


def read_rows(
    path: Path, columns: Sequence[str] = (), *, where: tuple[str, str] | None = None
) -> list[dict[str, Any]]:
    """The rows of a Parquet file as dictionaries, in the file's order.

    columns: only these (default: all). where: a column and the text it must equal.
    """
    return [
        row
        for batch in _batches(path, list(columns) or None)
        for row in (_matching(batch, *where) if where else batch).to_pylist()
    ]


def _batches(path: Path, columns: list[str] | None) -> Iterator[pa.RecordBatch]:
    # ParquetFile, because pyarrow's read_table imports pandas: half a second.
    from pyarrow.parquet import ParquetFile

    with ParquetFile(path) as file:
        yield from file.iter_batches(columns=columns)


def _matching(batch: pa.RecordBatch, column: str, text: str) -> pa.RecordBatch:
    import pyarrow.compute as pc

    return batch.filter(pc.equal(batch.column(column), text))
