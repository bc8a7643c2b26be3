"""Small Parquet files written by hand: a tenth of the time that DuckDB takes for them.

Called by the builders of rosters.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from d118_pipelines.kernel.arrow_arrays import arrow_array

TYPES = {
    "VARCHAR": pa.string(),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us"),
}


def write_rows(
    path: Path, columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Write rows with the types of DuckDB; what a row does not say is null."""
    arrays = [_array([row.get(c) for row in rows], columns[c]) for c in columns]
    pq.write_table(pa.Table.from_arrays(arrays, names=list(columns)), path)


def _array(values: list[Any], kind: str) -> pa.Array:
    if kind == "UUID":
        return _ids(values)
    return arrow_array(list(map(_text, values)), pa.string()).cast(TYPES[kind])


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _ids(values: list[str | None]) -> pa.Array:
    there = np.fromiter([v is not None for v in values], bool, len(values))
    data = b"".join(uuid.UUID(v).bytes if v else bytes(16) for v in values)
    buffers = [pa.py_buffer(np.packbits(there, bitorder="little")), pa.py_buffer(data)]
    stored = pa.Array.from_buffers(pa.binary(16), len(values), buffers)
    return pa.ExtensionArray.from_storage(pa.uuid(), stored)
