"""Many rows at once out of DuckDB into the state database, in bounded memory.

Called by `roster/store` and `targets/ledger.py`; reading is in `arrow.py`. SQLite takes
tuples in chunks, PostgreSQL CSV by COPY. Values cross as text or numbers: dates as
`YYYY-MM-DD`, booleans as 0 and 1.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from d118_pipelines.kernel.sql_text import literal

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

CHUNK_ROWS = 20_000


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


def is_postgres(connection: sa.Connection) -> bool:
    """Whether the connection is one to PostgreSQL."""
    return connection.dialect.name == "postgresql"


def append_frame(
    connection: sa.Connection, duck: duckdb.DuckDBPyConnection, query: str, table: str
) -> None:
    """Append the rows of a DuckDB query to a table; its columns are named as there."""
    batches = _batches(duck, query)
    if is_postgres(connection):
        _copy_in(connection, batches, table)
    else:
        _insert_chunks(connection, batches, table, {})


def fill_table(
    connection: sa.Connection,
    duck: duckdb.DuckDBPyConnection,
    query: str,
    table: sa.Table,
    constants: Mapping[str, str],
) -> None:
    """Fill an empty table; indexes are made when the rows are in.

    query: as for `append_frame`, in the order of the primary key. constants: further
    columns, each with one text for all rows.
    """
    for index in table.indexes:
        index.drop(connection)
    if is_postgres(connection):
        # A quarter of the bytes need not cross, nor be parsed, once per row.
        _set_defaults(connection, table, constants)
        append_frame(connection, duck, query, table.name)
        _set_defaults(connection, table, dict.fromkeys(constants))
    else:
        batches = _batches(duck, query)
        _insert_chunks(connection, batches, table.name, constants)
    for index in sorted(table.indexes, key=lambda index: str(index.name)):
        index.create(connection)


def _set_defaults(
    connection: sa.Connection, table: sa.Table, constants: Mapping[str, str | None]
) -> None:
    parts = [
        f'ALTER "{name}" '
        + ("DROP DEFAULT" if text is None else f"SET DEFAULT {literal(text)}")
        for name, text in constants.items()
    ]
    _driver(connection).cursor().execute(f"ALTER TABLE {table.name} {', '.join(parts)}")


def _batches(duck: duckdb.DuckDBPyConnection, query: str) -> pa.RecordBatchReader:
    """The rows of a query, with dates as text and booleans as numbers."""
    rows = duck.sql(query)
    casts = {"BOOLEAN": "TINYINT", "DATE": "VARCHAR"}
    shown = [
        f'CAST("{name}" AS {casts[str(kind)]}) AS "{name}"'
        if str(kind) in casts
        else f'"{name}"'
        for name, kind in zip(rows.columns, rows.types, strict=True)
    ]
    return rows.project(", ".join(shown)).to_arrow_reader(CHUNK_ROWS)


def _insert_chunks(
    connection: sa.Connection,
    batches: pa.RecordBatchReader,
    table: str,
    constants: Mapping[str, str],
) -> None:
    names = batches.schema.names
    values = [*["?"] * len(names), *map(literal, constants.values())]
    statement = (
        f"INSERT INTO {table} ({_listed([*names, *constants])}) "
        f"VALUES ({', '.join(values)})"
    )
    cursor = _driver(connection).cursor()
    for batch in batches:
        columns = [column.to_pylist() for column in batch.columns]
        cursor.executemany(statement, zip(*columns, strict=True))


def _copy_in(
    connection: sa.Connection, batches: pa.RecordBatchReader, table: str
) -> None:
    columns = _listed(batches.schema.names)
    _driver(connection).cursor().copy_expert(
        f"COPY {table} ({columns}) FROM STDIN (FORMAT csv)",
        _CsvStream(_csv_chunks(batches)),
        size=1 << 20,
    )


def _csv_chunks(batches: pa.RecordBatchReader) -> Iterator[bytes]:
    from pyarrow import csv  # heavy: only where rosters are written

    plain = csv.WriteOptions(include_header=False)
    for batch in batches:
        target = io.BytesIO()
        csv.write_csv(batch, target, plain)
        yield target.getvalue()


class _CsvStream:
    """A readable file over chunks, for COPY."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def read(self, size: int) -> bytes:
        if not self._rest:
            self._rest = memoryview(next(self._chunks, b""))
        taken, self._rest = self._rest[:size], self._rest[size:]
        return bytes(taken)


def _driver(connection: sa.Connection) -> Any:
    """The driver's own connection, inside the same transaction."""
    return connection.connection.driver_connection


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
