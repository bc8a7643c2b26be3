"""Reading many rows of the state database into DuckDB, as Arrow: no value passes Python.

Called by `roster/planning`, `roster/store` and `workflows/targets/scim_state.py`;
writing is in `bulk.py`. One reading is one view of one moment. On SQLite nobody else in
this process may use the database meanwhile (`fence.py`); other processes may.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from d118_pipelines.errors import ConnectionLostError, D118Error, DatabaseGoneError
from d118_pipelines.kernel.outages import outage_of
from d118_pipelines.state.bulk import CHUNK_ROWS

if TYPE_CHECKING:
    import adbc_driver_manager as adbc
    import duckdb
    import pyarrow as pa

    from d118_pipelines.state.database import Database

# SQLite's columns have no type: the driver takes it from the first row it sees.
_EXAMPLES = {"BOOLEAN": "1", "INTEGER": "1", "DOUBLE": "1.5"}
# PostgreSQL's types that DuckDB is to see; the others are its own.
_CASTS = {"VARCHAR": "TEXT", "UUID": "TEXT", "TIMESTAMP": "TIMESTAMP"}


class ArrowReader:
    """One view of the state database; made by `arrow_reading`."""

    def __init__(
        self, connection: adbc.AdbcConnection, dialect: sa.Dialect, place: str
    ) -> None:
        self._connection = connection
        self._dialect, self._place = dialect, place
        self.is_postgres = dialect.name == "postgresql"

    def table(
        self,
        duck: duckdb.DuckDBPyConnection,
        query: str,
        values: Mapping[str, str],
        relation: str,
        columns: Mapping[str, str],
    ) -> None:
        """Make a DuckDB table of the rows of a query.

        query: SQL with `:name` for those of `values` that it needs. columns: name ->
        DuckDB type, in its order.
        """
        kinds = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
        duck.execute(f"CREATE OR REPLACE TABLE {relation} ({kinds})")
        with self._frame(duck, query, values, columns) as rows:
            rows.insert_into(relation)

    def parquet(
        self,
        duck: duckdb.DuckDBPyConnection,
        query: str,
        values: Mapping[str, str],
        path: Path,
        columns: Mapping[str, str],
    ) -> None:
        """Write the rows of a query to a Parquet file; as `table`, nothing is kept."""
        path.touch(mode=0o600)
        with self._frame(duck, query, values, columns) as rows:
            casts = (f'CAST("{n}" AS {kind}) AS "{n}"' for n, kind in columns.items())
            rows.project(", ".join(casts)).write_parquet(str(path))

    def number(self, query: str, values: Mapping[str, str]) -> int:
        """The one number that a query gives; 0 if it gives no row."""
        with self._stream(self._bound(query, values)) as rows:
            table = rows.read_all()
        return int(table.column(0)[0].as_py() or 0) if table.num_rows else 0

    def keep_ids(self, duck: duckdb.DuckDBPyConnection, query: str, table: str) -> None:
        """Make a temporary table of this reading with the column id, from DuckDB's rows."""
        self._run(f"DROP TABLE IF EXISTS {table}")
        self._run(f"CREATE TEMPORARY TABLE {table} (id TEXT)")
        ids = duck.sql(f"SELECT CAST(id AS VARCHAR) AS id FROM ({query}) AS t(id)")
        with self._statement() as statement:
            statement.set_options(
                **{
                    "adbc.ingest.target_table": table,
                    "adbc.ingest.mode": "adbc.ingest.mode.append",
                    "adbc.ingest.temporary": "true",
                }
            )
            statement.bind_stream(ids.to_arrow_reader(CHUNK_ROWS))
            statement.execute_update()

    def _run(self, sql: str) -> None:
        with self._statement(sql) as statement:
            statement.execute_update()

    @contextmanager
    def _statement(self, sql: str = "") -> Iterator[adbc.AdbcStatement]:
        import adbc_driver_manager as adbc

        with (
            _named_errors(self._place),
            adbc.AdbcStatement(self._connection) as statement,
        ):
            if sql:
                statement.set_sql_query(sql)
            yield statement

    @contextmanager
    def _frame(
        self,
        duck: duckdb.DuckDBPyConnection,
        query: str,
        values: Mapping[str, str],
        columns: Mapping[str, str],
    ) -> Iterator[duckdb.DuckDBPyRelation]:
        """The rows of a query as a relation that is read once."""
        import duckdb

        failed: list[D118Error] = []
        with self._stream(self._typed(self._bound(query, values), columns)) as rows:
            batches = self._batches(rows, failed)
            try:
                yield duck.from_arrow(batches)
            except duckdb.Error:
                if failed:  # what DuckDB raises then says less
                    raise failed[0] from None
                raise

    @contextmanager
    def _stream(self, sql: str) -> Iterator[pa.RecordBatchReader]:
        import pyarrow as pa  # heavy: only where rosters are read

        with self._statement(sql) as statement:
            if not self.is_postgres:
                statement.set_options(
                    **{"adbc.sqlite.query.batch_rows": str(CHUNK_ROWS)}
                )
            handle, _ = statement.execute_query()
            with pa.RecordBatchReader.from_stream(handle) as rows:
                yield rows

    def _batches(
        self, rows: pa.RecordBatchReader, failed: list[D118Error]
    ) -> pa.RecordBatchReader:
        """The rows without the example; what reading them raises is in `failed`, too."""
        import adbc_driver_manager as adbc
        import pyarrow as pa

        def batches() -> Iterator[pa.RecordBatch]:
            skipped = 0 if self.is_postgres else 1
            try:
                for batch in rows:
                    if skipped and not _is_example(batch):
                        raise RuntimeError("SQLite did not give the example row first")
                    yield batch.slice(skipped) if skipped else batch
                    skipped = 0
            except (adbc.Error, OSError) as exc:
                failed.append(_named(exc, self._place))
                raise

        return pa.RecordBatchReader.from_batches(rows.schema, batches())

    def _bound(self, query: str, values: Mapping[str, str]) -> str:
        named = {name: value for name, value in values.items() if f":{name}" in query}
        text = sa.text(query).bindparams(**named)
        bound = text.compile(
            dialect=self._dialect, compile_kwargs={"literal_binds": True}
        )
        # The driver reads no marks here: % is a plain character.
        return str(bound).replace("%%", "%") if self.is_postgres else str(bound)

    def _typed(self, query: str, columns: Mapping[str, str]) -> str:
        """The query with columns of these names and types; SQLite gets a row to skip."""
        if not self.is_postgres:
            first = (
                f"{_EXAMPLES.get(kind, repr(''))} AS {name}"
                for name, kind in columns.items()
            )
            return f"SELECT {', '.join(first)} UNION ALL SELECT * FROM ({query})"
        casts = (
            f"CAST({name} AS {_CASTS[kind]}) AS {name}" if kind in _CASTS else name
            for name, kind in columns.items()
        )
        return f"SELECT {', '.join(casts)} FROM ({query}) AS q({', '.join(columns)})"


def _is_example(batch: pa.RecordBatch) -> bool:
    """Whether the first row is the one that `_typed` puts before all others."""
    return all(column[0].as_py() in ("", 1, 1.5) for column in batch.columns)


@contextmanager
def arrow_reading(database: Database) -> Iterator[ArrowReader]:
    """A view of one moment, for long reads; it holds up no other process.

    No transaction of `database` may be open in this thread, nor be begun in the block.
    Raises: DatabaseGoneError if the database cannot be read, ConnectionLostError if not
    to its end; both out of the reader's methods, too.
    """
    import adbc_driver_manager as adbc

    with ExitStack() as opened:
        if database.fence is not None:
            opened.enter_context(database.fence.alone())
        with _named_errors(database.place):
            engine = opened.enter_context(_driver(database))
            connection = opened.enter_context(adbc.AdbcConnection(engine))
            connection.set_autocommit(False)
        yield ArrowReader(connection, database.dialect, database.place)


def _driver(database: Database) -> adbc.AdbcDatabase:
    if database.is_postgres:
        from adbc_driver_postgresql import connect

        address = database.dsn()
    else:
        from adbc_driver_sqlite import connect

        address = f"{database.path.resolve().as_uri()}?mode=ro"
    engine: adbc.AdbcDatabase = connect(address)
    return engine


@contextmanager
def _named_errors(place: str) -> Iterator[None]:
    import adbc_driver_manager as adbc

    try:
        yield
    except adbc.Error as exc:
        raise _named(exc, place) from None


def _named(exc: Exception, place: str) -> D118Error:
    """What a person is told; the driver's own text can quote rows and the URL's user."""
    if named := outage_of(exc):
        return named
    state = getattr(exc, "sqlstate", None) or ""
    is_lost = isinstance(exc, OSError) or state[:2] in ("08", "57")
    return (ConnectionLostError if is_lost else DatabaseGoneError)(
        f"The state database cannot be read ({type(exc).__name__}).",
        where=place,
        not_done="Nothing of this step was stored.",
        next_step="Check it (d118 doctor), then start again.",
    )
