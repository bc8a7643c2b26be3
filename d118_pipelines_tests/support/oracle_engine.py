"""Runs Oracle's SELECTs on DuckDB and describes the result as Oracle would.

Belongs here: SQL dialect, types, error codes. Not here: sockets and messages.

The translation is kept apart from the project's own (the CSV source has one), so that
a test that compares both sources compares two ways to the same rows.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from itertools import pairwise

import duckdb
import sqlglot
from sqlglot import exp

from d118_pipelines_tests.support import oracle_wire as wire

Value = str | int | float | Decimal | dt.date | None

ROWS_PER_READ = 2048
LONGEST_VARCHAR2 = 4000
NUMBER_SIZE = 22

# ORA- codes that tests meet.
TABLE_MISSING = 942
COLUMN_MISSING = 904
NOT_A_STATEMENT = 900
NOT_A_NUMBER = 1722
NO_PRIVILEGE = 1031
UNSUPPORTED = 3115


class OracleError(Exception):
    """An ORA- error for the driver."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Column:
    """One column of a result, with Oracle's type number, precision and scale."""

    name: str
    kind: int
    precision: int = 0
    scale: int = 0
    size: int = NUMBER_SIZE

    def encode(self, value: Value) -> bytes:
        """One value as it is sent; '' is null in Oracle."""
        if value is None or value == "":
            return b"\x00"
        if self.kind == wire.NUMBER:
            assert isinstance(value, int | float | Decimal)
            return wire.text(wire.number(value))
        if self.kind == wire.DATE:
            assert isinstance(value, dt.date)
            return wire.text(wire.date(value))
        if self.kind == wire.TIMESTAMP:
            assert isinstance(value, dt.datetime)
            return wire.text(wire.timestamp(value))
        return wire.text(str(value).encode())


@dataclass(frozen=True)
class Result:
    """The columns of a SELECT and its rows, read as they are asked for."""

    columns: list[Column]
    rows: Iterator[tuple[Value, ...]]


@cache
def bind_names(sql: str) -> tuple[str, ...]:
    """The names of the binds in the order of the text, as the driver sends values."""
    tokens = sqlglot.tokenize(sql, read="oracle")
    return tuple(
        name.text
        for colon, name in pairwise(tokens)
        if colon.token_type == sqlglot.TokenType.COLON
    )


@cache
def _translate(sql: str) -> str:
    try:
        tree = sqlglot.parse_one(sql, read="oracle")
    except sqlglot.ParseError:
        raise OracleError(NOT_A_STATEMENT, "invalid SQL statement") from None
    for kind in tree.find_all(exp.DataType):
        # A bare NUMBER is a decimal float; DuckDB would make it DECIMAL(18, 3).
        if kind.this == exp.DType.DECIMAL and not kind.expressions:
            kind.replace(exp.DataType.build("DOUBLE"))
    for trim in list(tree.find_all(exp.Trim)):
        # What is empty after it is NULL in Oracle.
        trim.replace(exp.Nullif(this=trim.copy(), expression=exp.Literal.string("")))
    return tree.sql(dialect="duckdb", unsupported_level=sqlglot.ErrorLevel.RAISE)


def create_tables(
    connection: duckdb.DuckDBPyConnection, ddl: str, names: Collection[str]
) -> None:
    """Make empty tables of a schema in Oracle's DDL, so that NUMBERs keep their digits.

    The listener describes a column by its DuckDB type, so BIGINT will not do here.
    """
    for create in sqlglot.parse(ddl, read="oracle"):
        if not isinstance(create, exp.Create) or create.kind != "TABLE":
            continue
        name = create.this.this.name.lower()
        if name in names:
            columns = [
                f"{column.name} {_duckdb_type(column.kind)}"
                for column in create.this.find_all(exp.ColumnDef)
            ]
            connection.execute(f"CREATE TABLE {name} ({', '.join(columns)})")


def _duckdb_type(oracle: exp.DataType) -> str:
    if oracle.this == exp.DType.DECIMAL and oracle.expressions:
        return str(oracle.sql("duckdb"))
    other = {
        exp.DType.DECIMAL: "DOUBLE",
        exp.DType.FLOAT: "DOUBLE",
        exp.DType.DATE: "TIMESTAMP_S",
        exp.DType.TIMESTAMP: "TIMESTAMP",
    }
    return other.get(oracle.this, "VARCHAR")


def select(
    connection: duckdb.DuckDBPyConnection, sql: str, binds: Mapping[str, Value]
) -> Result:
    """Run a SELECT. Raises OracleError."""
    try:
        cursor = connection.execute(_translate(sql), dict(binds))
    except duckdb.CatalogException:
        raise OracleError(TABLE_MISSING, "table or view does not exist") from None
    except duckdb.BinderException:
        raise OracleError(COLUMN_MISSING, "invalid identifier") from None
    except duckdb.ConversionException:
        raise OracleError(NOT_A_NUMBER, "invalid number") from None
    except duckdb.ParserException:
        raise OracleError(NOT_A_STATEMENT, "invalid SQL statement") from None
    columns = [_column(name, str(kind)) for name, kind, *_ in cursor.description or []]
    return Result(columns, _rows(cursor))


def _rows(cursor: duckdb.DuckDBPyConnection) -> Iterator[tuple[Value, ...]]:
    while rows := cursor.fetchmany(ROWS_PER_READ):
        yield from rows


def _column(name: str, kind: str) -> Column:
    """A column as Oracle describes it. Only a DECIMAL says its precision."""
    name = name.upper()
    if decimal := re.fullmatch(r"DECIMAL\((\d+),\s*(\d+)\)", kind):
        return Column(name, wire.NUMBER, int(decimal[1]), int(decimal[2]))
    if kind == "DOUBLE" or kind.endswith("INTEGER") or kind.endswith("INT"):
        return Column(name, wire.NUMBER, 0, wire.NO_SCALE)
    if kind in ("DATE", "TIMESTAMP_S"):
        return Column(name, wire.DATE, size=7)
    if kind == "TIMESTAMP":
        return Column(name, wire.TIMESTAMP, scale=6, size=11)
    if kind == "VARCHAR":
        return Column(name, wire.VARCHAR, size=LONGEST_VARCHAR2)
    raise OracleError(UNSUPPORTED, f"the listener knows no type for {kind}")
