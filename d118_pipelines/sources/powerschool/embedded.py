"""PowerSchool without Oracle: the same queries over a folder of CSV files, by DuckDB.

Called by `pull.py`, over `POWERSCHOOL_CSV_DIR` or the demonstration district. The form
of a file is in `csv_tables.py`, a query made ready in `prepared.py`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from d118_pipelines.config.yaml_files import shown_path
from d118_pipelines.errors import ConfigurationError, D118Error, QueryError
from d118_pipelines.kernel.frames import memory_limit
from d118_pipelines.kernel.outages import outage_of
from d118_pipelines.kernel.shipped import SHIPPED
from d118_pipelines.kernel.stopping import end_with_signals
from d118_pipelines.sources.powerschool import schema
from d118_pipelines.sources.powerschool.csv_tables import load_table
from d118_pipelines.sources.powerschool.prepared import Prepared, prepare
from d118_pipelines.sources.powerschool.source import Binds, Moment, Query, Sink
from d118_pipelines.sources.pull import ConnectionReport

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

DEMONSTRATION_MARKER = "DEMONSTRATION.txt"
FOLDER_VARIABLE = "POWERSCHOOL_CSV_DIR"
QUERIES_FOLDER = SHIPPED / "sql/powerschool"
_BATCH_ROWS = 50_000


class EmbeddedSource:
    """A PowerSchoolSource over `<table>.csv` files; what the queries read is loaded once."""

    kind = "csv"

    def __init__(
        self,
        folder: Path,
        *,
        cache: Path | None = None,
        queries: Callable[[], Sequence[Path]] = lambda: sorted(
            QUERIES_FOLDER.glob("*.sql")
        ),
    ) -> None:
        """Take the folder; nothing is read yet.

        cache: a folder for translated queries.
        queries: gives the files of those that `test` looks for.
        """
        self.folder = folder
        self.cache = cache
        self._queries = queries

    @property
    def label(self) -> str:
        """The folder, or that the people are made up."""
        if self.is_demonstration:
            return "the demonstration district (made-up people)"
        return f"the CSV files in {shown_path(self.folder)}"

    @property
    def is_demonstration(self) -> bool:
        """Whether the folder is marked as holding made-up people."""
        return (self.folder / DEMONSTRATION_MARKER).is_file()

    @contextmanager
    def reading(self, queries: Sequence[Query]) -> Iterator[Moment]:
        """Load the files that the queries read; see PowerSchoolSource.reading.

        Raises: ConfigurationError if a file is missing or a query leaves the common
        subset; QueryError if a file does not fit its table or a query fails.
        """
        prepared = {query.name: prepare(query, self.cache) for query in queries}
        for query in queries:
            self._check_files(query, prepared[query.name])
        with tempfile.TemporaryDirectory() as spill, self._connect(spill) as connection:
            warnings = self._load(connection, list(prepared.values()))
            yield Moment(partial(_fetch, connection, prepared), warnings)

    def test(self) -> ConnectionReport:
        """Say which of the files that the queries need are there, without raising."""
        start = time.perf_counter()
        try:
            queries = [Query.read(path) for path in self._queries()]
            names = {name for query in queries for name in schema.tables_read(query)}
        except D118Error as exc:
            return ConnectionReport(False, str(exc), time.perf_counter() - start)
        there = [name for name in sorted(names) if self._path(name).is_file()]
        missing = sorted(names - set(there))
        message = f"{self.folder}: found {_files(there)}; missing {_files(missing)}"
        return ConnectionReport(not missing, message, time.perf_counter() - start)

    def _connect(self, spill_folder: str) -> duckdb.DuckDBPyConnection:
        import duckdb

        session = duckdb.connect(
            ":memory:",
            config={"memory_limit": memory_limit(), "temp_directory": spill_folder},
        )
        end_with_signals(session)
        return session

    def _path(self, table: str) -> Path:
        return self.folder / f"{table}.csv"

    def _check_files(self, query: Query, prepared: Prepared) -> None:
        paths = [self._path(name) for name in prepared.tables]
        missing = [path.name for path in paths if not path.is_file()]
        if missing:
            is_there = self.folder.is_dir()
            raise ConfigurationError(
                f"The folder of PowerSchool tables lacks {', '.join(missing)}."
                if is_there
                else "The folder of PowerSchool tables does not exist.",
                where=f"{self.folder} ({FOLDER_VARIABLE})",
                rule=f"{query.path} reads {', '.join(p.name for p in paths)}",
                not_done="The query was not run.",
                next_step=f"Put the file there, or set {FOLDER_VARIABLE} to the folder "
                "that has it.",
            )

    def _load(
        self, connection: duckdb.DuckDBPyConnection, queries: Sequence[Prepared]
    ) -> list[str]:
        """Fill each table once with all columns that a query reads; what they lack."""
        tables = {name: kinds for one in queries for name, kinds in one.tables.items()}
        warnings = []
        for name, kinds in tables.items():
            layout = ", ".join(f'"{column}" {kind}' for column, kind in kinds.items())
            connection.execute(f'CREATE TABLE "{name}" ({layout})')
            needed = {c for one in queries for c in one.columns.get(name, ())}
            table = schema.Table(name, kinds)
            path = self._path(name)
            warnings += load_table(connection, path, table, frozenset(needed))
        for statement in dict.fromkeys(view for one in queries for view in one.views):
            connection.execute(statement)
        return warnings


def _files(names: list[str]) -> str:
    return ", ".join(f"{name}.csv" for name in names) or "none"


def _fetch(
    connection: duckdb.DuckDBPyConnection,
    prepared: Mapping[str, Prepared],
    query: Query,
    binds: Binds,
    sink: Sink,
) -> None:
    ready = prepared[query.name]
    values = {name.lower(): value for name, value in binds.items()}
    if sorted(values) != ready.binds:
        raise QueryError(
            "The query got other binds than it names.",
            where=str(query.path),
            rule="the query's binds are: "
            + (", ".join(f":{name}" for name in ready.binds) or "none"),
            not_done="The query was not run.",
            next_step=f"Compare {query.path} with the binds of its asset.",
        )
    for batch in _run(connection, query, ready, values):
        sink(batch)


def _run(
    connection: duckdb.DuckDBPyConnection,
    query: Query,
    prepared: Prepared,
    binds: Binds,
) -> Iterator[pa.RecordBatch]:
    """Yield the result in its order. Messages of the engine are not passed on: they quote values."""
    import duckdb
    import pyarrow as pa

    try:
        relation = connection.sql(prepared.sql, params=dict(binds))
        reader = relation.to_arrow_reader(_BATCH_ROWS)
    except duckdb.Error as exc:
        raise outage_of(exc) or _failed(query, type(exc).__name__) from None
    while True:
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            return
        except (duckdb.Error, pa.ArrowException, OSError) as exc:
            kind = str(exc).partition(":")[0]
            raise outage_of(exc) or _failed(query, kind) from None
        yield batch


def _failed(query: Query, kind: str) -> QueryError:
    return QueryError(
        f"The query failed on the CSV files ({kind}).",
        where=str(query.path),
        rule="every value fits the CAST around it, and the work fits the memory limit",
        not_done="The rows of this extract are not complete and must not be kept.",
        next_step="Look for a CAST of text that is not a number.",
    )
