"""Arrow arrays from Python values, without pandas.

Called by whoever writes rows to Parquet (`sources/`) or hands them to DuckDB
(`state/bulk.py`). `pyarrow.array` and all that rests on it import pandas where it is
installed, a quarter of a second in every run; arrays made of buffers do not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


def record_batch(
    columns: Mapping[str, Sequence[Any]], schema: pa.Schema
) -> pa.RecordBatch:
    """Columns of equal length as a batch. schema: text, whole numbers and numbers only."""
    import pyarrow as pa  # heavy: only where rows are written

    arrays = [arrow_array(columns[field.name], field.type) for field in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def arrow_array(
    values: Sequence[Any] | np.ndarray[Any, Any], kind: pa.DataType
) -> pa.Array:
    """Values of one kind as an array; None is null. kind: text, int8, int64, float64."""
    import numpy as np
    import pyarrow as pa

    rows, valid = len(values), None
    is_text = pa.types.is_string(kind)
    if None in values:
        present = np.fromiter([v is not None for v in values], bool, rows)
        valid = pa.py_buffer(np.packbits(present, bitorder="little"))
        nothing = "" if is_text else 0
        values = [nothing if v is None else v for v in values]
    if not is_text:
        numbers = np.ascontiguousarray(values, kind.to_pandas_dtype())
        return pa.Array.from_buffers(kind, rows, [valid, pa.py_buffer(numbers)])
    ends, data = _joined(values)
    if len(data) > 2**31 - 1:
        raise OverflowError("more than 2 GB of text in one array")
    offsets = np.concatenate(([0], np.cumsum(ends))).astype(np.int32)
    buffers = [valid, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(kind, rows, buffers)


def _joined(texts: Any) -> tuple[list[int], bytes]:
    """The size in bytes of each text, and all of them in UTF-8."""
    text = "".join(texts)
    if text.isascii():
        return list(map(len, texts)), text.encode("ascii")
    encoded = [text.encode("utf-8") for text in texts]
    return list(map(len, encoded)), b"".join(encoded)
