"""What tests of the Oracle source share: a listener with tables, a login, a query.

Belongs here: set-up only. Not here: facts about the source.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from d118_pipelines.sources.powerschool.oracle import OracleSource
from d118_pipelines.sources.powerschool.schema import schema_file
from d118_pipelines.sources.powerschool.source import Binds, PowerSchoolSource, Query
from d118_pipelines_tests.support.oracle_engine import create_tables
from d118_pipelines_tests.support.oracle_listener import OracleListener
from d118_pipelines_tests.support.queries import fetch

if TYPE_CHECKING:
    import pyarrow as pa

# Canaries: neither may ever be read in a message.
USER = "CANARY_READER"
PASSWORD = "canary-word-71"


@contextmanager
def listening(*tables: str) -> Iterator[OracleListener]:
    """A listener over empty tables of the schema; `listener.database` is behind it."""
    with duckdb.connect() as database:
        create_tables(database, schema_file().read_text(encoding="utf-8"), tables)
        with OracleListener({USER: PASSWORD}, database) as listener:
            yield listener


def source(listener: OracleListener, **limits: Any) -> OracleSource:
    """The source that logs in to the listener."""
    return OracleSource(USER, PASSWORD, listener.dsn, **limits)


def query(sql: str) -> Query:
    """A query that is in no file."""
    return Query("staff", sql, Path("sql/powerschool/staff.sql"))


def batches(
    source: PowerSchoolSource, query: Query, binds: Binds | None = None
) -> list[pa.RecordBatch]:
    """Every batch of a query."""
    found: list[pa.RecordBatch] = []
    fetch(source, query, binds or {}, found.append)
    return found


def rows(
    source: PowerSchoolSource, query: Query, binds: Binds | None = None
) -> list[Mapping[str, Any]]:
    """Every row of a query, by column name."""
    return [row for batch in batches(source, query, binds) for row in batch.to_pylist()]
