"""Both ways to PowerSchool give the same rows: the driver and the CSV files."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from d118_pipelines.sources.powerschool.embedded import QUERIES_FOLDER, EmbeddedSource
from d118_pipelines.sources.powerschool.schema import (
    columns_read,
    expected_schema,
    tables,
)
from d118_pipelines.sources.powerschool.source import Query
from d118_pipelines_tests.support.examples import examples
from d118_pipelines_tests.support.oracle_case import batches, listening, source
from d118_pipelines_tests.support.oracle_listener import OracleListener

Row = Mapping[str, str | int | None]
Tables = Mapping[str, Sequence[Row]]

# Few people and buildings, so that tables meet; one id as long as a DCID can get.
PEOPLE = (1, 2, 3, 9_999_999_999)
BUILDINGS = (0, 5, 2001)
# The columns that tie a row to its person and building: each pair occurs at most once.
KEYS = {
    "users": ("dcid",),
    "schoolstaff": ("users_dcid", "schoolid"),
    "userscorefields": ("usersdcid",),
    "u_humanresources": ("usersdcid",),
    "s_il_usr_x": ("usersdcid",),
}
TEXT = st.none() | st.sampled_from(["", " ", "NULL", "0", 'O\'Neil, "Z"', "Zoë\nжук"])
CODE = st.none() | st.sampled_from([0, 1, 2, 4, -1])
BUILDING = st.none() | st.sampled_from(BUILDINGS)


def columns_of(query: Query) -> Mapping[str, list[str]]:
    """The columns that the query reads, with the keys first."""
    return {
        name: [*KEYS[name], *sorted(read - set(KEYS[name]))]
        for name, read in columns_read(query).items()
    }


def cell(table: str, column: str) -> st.SearchStrategy[str | int | None]:
    """What may stand in a column."""
    if column in ("dcid", "users_dcid", "usersdcid"):
        return st.sampled_from(PEOPLE)
    if column == "homeschoolid":
        return BUILDING
    if column == "schoolid":
        return st.sampled_from(BUILDINGS)
    return TEXT if tables()[table].columns[column] == "VARCHAR" else CODE


def rows_of(table: str, columns: Sequence[str]) -> st.SearchStrategy[list[Row]]:
    """A few rows of one table with different keys."""
    row = st.fixed_dictionaries({name: cell(table, name) for name in columns})
    return st.lists(
        row, max_size=6, unique_by=lambda r: tuple(r[key] for key in KEYS[table])
    )


def fill_database(oracle: OracleListener, content: Tables) -> None:
    """Replace the rows of the listener's tables. Oracle keeps '' as null."""
    for table, rows in content.items():
        oracle.database.execute(f"DELETE FROM {table}")
        for row in rows:
            marks = ", ".join("?" * len(row))
            oracle.database.execute(
                f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})",
                [None if value == "" else value for value in row.values()],
            )


def write_files(
    folder: Path, content: Tables, columns: Mapping[str, Sequence[str]]
) -> None:
    """Write the same rows as CSV files."""
    for table, rows in content.items():
        with (folder / f"{table}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns[table])
            writer.writeheader()
            writer.writerows(rows)


@pytest.mark.long
@pytest.mark.parametrize("name", ["hr_records_staff", "smartfind_staff"])
def test_driver_and_files_give_the_same_rows(name: str) -> None:
    query = Query.read(QUERIES_FOLDER / f"{name}.sql")
    columns = columns_of(query)
    tables_of_query = st.fixed_dictionaries(
        {table: rows_of(table, columns[table]) for table in columns}
    )
    row_counts: set[int] = set()

    with listening(*columns) as oracle:
        # Without shrinking: an example costs a login and five files.
        @settings(max_examples=examples(10, 20), deadline=None, phases=[Phase.generate])
        @given(content=tables_of_query)
        def same(content: Tables) -> None:
            fill_database(oracle, content)
            with tempfile.TemporaryDirectory() as folder:
                write_files(Path(folder), content, columns)
                by_files = batches(EmbeddedSource(Path(folder)), query)
            by_driver = batches(source(oracle, batch_rows=2), query)

            promise = expected_schema(query)
            found = pa.Table.from_batches(by_driver, promise)
            assert found.equals(pa.Table.from_batches(by_files, promise))
            row_counts.add(found.num_rows)

        same()

    assert max(row_counts) > 1, "rows were compared"
