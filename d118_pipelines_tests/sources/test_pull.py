"""What a pull writes, and what it holds in memory until then."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from d118_pipelines.kernel.finding import DETAILED
from d118_pipelines.sources.pull import WRITE_CHARACTERS, PullStore

NOW = dt.datetime(2026, 11, 2, tzinfo=dt.UTC)


@pytest.fixture
def store(tmp_path: Path) -> PullStore:
    return PullStore(tmp_path / "raw", run_id="0123456789", now=NOW)


@pytest.mark.long
def test_large_rows_are_written_before_they_fill_the_memory(store: PullStore) -> None:
    large = {"sourcedId": "U1", "note": "x" * (WRITE_CHARACTERS // 4)}
    writer = store.collection("users")
    writer.add_page([large] * 9)
    writer.finish(absence="ended")

    file = pq.ParquetFile(store.folder / "users.parquet")
    groups = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
    assert groups == [4, 4, 1]
    assert file.read()["page"].to_pylist() == [1] * 9


def test_of_many_rows_with_bad_characters_some_are_named(store: PullStore) -> None:
    writer = store.collection("users")
    rows = [{"id": str(number), "name": "\x00"} for number in range(DETAILED + 7)]
    writer.add_page(rows)
    writer.finish(absence="ended")

    *named, rest = store.findings
    assert {found.code for found in store.findings} == {"row.bad_character"}
    assert [found.key for found in named] == [str(n) for n in range(DETAILED)]
    assert rest.count == 7
    stored = pq.read_table(store.folder / "users.parquet")["record"].to_pylist()
    assert [json.loads(text) for text in stored] == [{**r, "name": ""} for r in rows]


def test_a_collection_that_begins_again_has_its_own_findings(store: PullStore) -> None:
    store.collection("users").add_page([{"sourcedId": "U1", "name": "\x00"}])
    writer = store.collection("users")
    writer.add_page([{"sourcedId": "U2"}])
    writer.finish(absence="ended")

    assert store.findings == []
