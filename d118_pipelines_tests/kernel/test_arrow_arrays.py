"""Arrays made of buffers are those that Arrow makes itself."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from d118_pipelines.kernel.arrow_arrays import arrow_array, record_batch


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"]))))
def test_texts(values: list[str | None]) -> None:
    made = arrow_array(values, pa.string())

    made.validate(full=True)
    assert made.equals(pa.array(values, pa.string()))


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)))
def test_whole_numbers(values: list[int | None]) -> None:
    assert arrow_array(values, pa.int64()).equals(pa.array(values, pa.int64()))


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.none() | st.floats(allow_nan=False)))
def test_numbers(values: list[float | None]) -> None:
    assert arrow_array(values, pa.float64()).equals(pa.array(values, pa.float64()))


def test_a_batch_has_the_columns_of_its_schema_in_its_order() -> None:
    schema = pa.schema([("name", pa.string()), ("line", pa.int64())])
    columns: dict[str, list[Any]] = {"line": [1, None], "name": ["Ño", None]}

    batch = record_batch(columns, schema)

    assert batch.schema == schema
    assert batch.to_pylist() == [
        {"name": "Ño", "line": 1},
        {"name": None, "line": None},
    ]
