"""PowerSchool's tables, what a query reads from them, and the shape of its result.

Called by `oracle.py`, `prepared.py` and `csv_tables.py`; the tables are in
`sql/schema/powerschool.sql`, one statement is read in `subset.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from d118_pipelines.errors import (
    ConfigurationError,
    IncompleteExtractError,
    QueryError,
)
from d118_pipelines.kernel.shipped import file_of
from d118_pipelines.sources.powerschool import subset
from d118_pipelines.sources.powerschool.source import Query

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa
    from sqlglot import exp

_INT64_DIGITS = 18
_SAME_TEXT = ("VARCHAR", "BIGINT", "")


@dataclass(frozen=True, slots=True)
class Table:
    """A base table: its columns and their DuckDB types, all names in lower case."""

    name: str
    columns: Mapping[str, str]


def schema_file() -> Path:
    """The tables' definitions: of the folder one works in, else the shipped ones.

    A process reads one district's, once.
    """
    return file_of(Path.cwd(), "sql/schema/powerschool.sql")


def tables() -> Mapping[str, Table]:
    """Return the base tables of `sql/schema/powerschool.sql` by lower-case name."""
    return {name: table(name) for name in _texts("TABLE")}


@cache
def _texts(kind: str) -> Mapping[str, str]:
    """Return the CREATE statements of one kind by the lower-case name they make.

    Each is parsed only when it is needed, which is most of the time of a small extract.
    """
    text = schema_file().read_text(encoding="utf-8")
    statements = re.finditer(rf"^CREATE {kind} (\w+).*?(?=;$)", text, re.M | re.S)
    return {found[1].lower(): found[0] for found in statements}


@cache
def table(name: str) -> Table:
    """Return one base table; KeyError if the schema does not have it."""
    from sqlglot import exp

    (create,) = subset.parse(_texts("TABLE")[name])
    columns = create.this.find_all(exp.ColumnDef)
    return Table(name, {c.name.lower(): _duckdb_type(c.kind) for c in columns})


@cache
def _view(name: str) -> exp.Expr:
    (create,) = subset.parse(_texts("VIEW")[name])
    select: exp.Expr = create.expression
    return select


def _duckdb_type(oracle: exp.DataType) -> str:
    from sqlglot import exp

    if oracle.this == exp.DType.DECIMAL and oracle.expressions:
        precision, scale = [*(int(part.name) for part in oracle.expressions), 0][:2]
        if not scale and precision <= _INT64_DIGITS:
            return "BIGINT"
        return f"DECIMAL({precision},{scale})"
    simple = {
        exp.DType.FLOAT: "DOUBLE",
        exp.DType.VARCHAR: "VARCHAR",
        exp.DType.TEXT: "VARCHAR",
        exp.DType.DATE: "TIMESTAMP",
        exp.DType.TIMESTAMP: "TIMESTAMP",
    }
    if oracle.this in simple:
        return simple[oracle.this]
    raise ConfigurationError(
        f"The column type {oracle.sql('oracle')} is not known.",
        where=str(schema_file()),
        rule="NUMBER has a precision; the other types are VARCHAR2, CLOB, DATE, "
        "TIMESTAMP and FLOAT",
        next_step=f"Edit {schema_file()}.",
    )


def check_subset(query: Query) -> list[str]:
    """Name everything in the query that Oracle and DuckDB may understand differently.

    Empty when it keeps to the common subset (`subset.py`) and to known tables.
    """
    found = subset.violations(query.sql)
    if found:
        return found
    statement = subset.parse(query.sql)[0]
    known = _texts("TABLE").keys() | _texts("VIEW").keys()
    for node in subset.table_nodes(statement):
        if node.db or node.name.lower() not in known:
            name = ".".join(part.name for part in node.parts)
            found.append(f"{name}: a table that {schema_file().name} does not have")
    for column, owners in subset.columns_cast_to_text(statement):
        if not all(_column_type(owner, column) in _SAME_TEXT for owner in owners):
            found.append(f"CAST of {column} to text: only whole numbers and text")
    return found


def _column_type(owner: str, column: str) -> str:
    """Return the DuckDB type, '' for what is not a column of a base table."""
    return table(owner).columns.get(column, "") if owner in _texts("TABLE") else ""


@lru_cache(maxsize=64)
def _statement(query: Query) -> exp.Expr:
    found = check_subset(query)
    if found:
        raise ConfigurationError(
            "A query uses SQL that Oracle and the CSV source do not share.",
            where=f"{query.path}: {'; '.join(found)}",
            rule="docs/reference/powerschool.md, the common subset",
            not_done="The query was not run.",
            next_step=f"Edit {query.path}.",
        )
    return subset.parse(query.sql)[0]


@lru_cache(maxsize=64)
def translate(query: Query) -> str:
    """Return the query in DuckDB's dialect; a bind `:name` becomes `$name`.

    TRIM gives NULL instead of empty text, as it does in Oracle.
    Raises: ConfigurationError that lists every violation of the common subset.
    """
    from sqlglot import ErrorLevel, exp

    copy = _statement(query).copy()
    for trim in reversed(list(copy.find_all(exp.Trim))):
        trim.replace(exp.Nullif(this=trim.copy(), expression=exp.Literal.string("")))
    for bind in copy.find_all(exp.Placeholder):
        bind.set("this", bind.name.lower())
    return str(copy.sql("duckdb", comments=False, unsupported_level=ErrorLevel.RAISE))


def tables_read(query: Query) -> list[str]:
    """Return the base tables that the query reads, each once; a view is its tables.

    Raises: ConfigurationError as `translate` does.
    """
    return list(columns_read(query))


@lru_cache(maxsize=64)
def columns_read(query: Query) -> Mapping[str, frozenset[str]]:
    """Return the columns that the query reads of each base table.

    Through a view all columns of the view count as read. Columns that the schema does
    not have are left out. Raises: ConfigurationError as `translate` does.
    """
    statement = _statement(query)
    views = [n for n in subset.table_names(statement) if n in _texts("VIEW")]
    found: dict[str, frozenset[str]] = {}
    for part in [statement, *map(_view, views)]:
        for name in subset.table_names(part):
            if name in _texts("TABLE"):
                found.setdefault(name, frozenset())
        for column, owners in subset.columns_of(part):
            for owner in owners:
                if _column_type(owner, column):
                    found[owner] |= {column}
    return found


def bind_names(query: Query) -> frozenset[str]:
    """Return the names of the query's `:name` binds in lower case.

    Raises: ConfigurationError as `translate` does.
    """
    return subset.bind_names(_statement(query))


def create_tables(
    connection: duckdb.DuckDBPyConnection, names: Iterable[str] | None = None
) -> None:
    """Make empty DuckDB tables (all, or `names`) and every view that they suffice for."""
    chosen = list(_texts("TABLE") if names is None else names)
    for name in chosen:
        columns = ", ".join(f'"{c}" {t}' for c, t in table(name).columns.items())
        connection.execute(f'CREATE TABLE "{name}" ({columns})')
    for statement in view_statements(chosen):
        connection.execute(statement)


def view_statements(names: Iterable[str]) -> list[str]:
    """Return the DuckDB statements of every view that these tables suffice for."""
    return [
        f'CREATE VIEW "{name}" AS {_view(name).sql("duckdb", comments=False)}'
        for name in _texts("VIEW")
        if set(subset.table_names(_view(name))) <= set(names)
    ]


@lru_cache(maxsize=64)
def expected_schema(query: Query) -> pa.Schema:
    """Return the columns that the query promises: lower-case names in its own order.

    Types: int64 for whole numbers of up to 18 digits, decimal128 for longer ones,
    float64, string, timestamp[us]. Raises: ConfigurationError as `translate` does, or
    if a column has no such type; QueryError if the query does not fit the schema.
    """
    import duckdb
    import pyarrow as pa

    binds = dict.fromkeys(bind_names(query))
    try:
        with duckdb.connect(":memory:", config={"threads": 1}) as connection:
            create_tables(connection, tables_read(query))
            empty = connection.sql(translate(query), params=binds).to_arrow_table()
    except duckdb.Error as exc:
        raise QueryError(
            f"The query does not fit the schema: {str(exc).splitlines()[0]}",
            where=str(query.path),
            rule=f"a query reads the tables and columns of {schema_file()}",
            not_done="The query was not run.",
            next_step=f"Edit {query.path}, or add the column to {schema_file()}.",
        ) from exc
    names = [name.lower() for name in empty.schema.names]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise _unkeepable(query, f"{', '.join(doubled)}: two columns of one name")
    return pa.schema([_promise(field, query) for field in empty.schema])


def _promise(field: pa.Field, query: Query) -> pa.Field:
    import pyarrow as pa

    name, kind = field.name.lower(), _kind(field.type)
    promises = {
        "whole number": pa.int64(),
        "number": pa.float64(),
        "text": pa.string(),
        "timestamp": pa.timestamp("us"),
    }
    if kind not in promises:
        raise _unkeepable(query, f"{name}: its type is {field.type}")
    is_long = pa.types.is_decimal(field.type) and field.type.precision > _INT64_DIGITS
    keeps_type = is_long and kind == "whole number"
    return pa.field(name, field.type if keeps_type else promises[kind])


def _unkeepable(query: Query, found: str) -> ConfigurationError:
    return ConfigurationError(
        "The query has a column that an extract cannot keep.",
        where=f"{query.path}: {found}",
        rule="each column has its own name and is a whole number, a number, text or a "
        "timestamp",
        not_done="The query was not run.",
        next_step=f"Name or CAST the column in {query.path}.",
    )


def _kind(arrow: pa.DataType) -> str:
    import pyarrow as pa

    if pa.types.is_decimal(arrow):
        return "number" if arrow.scale else "whole number"
    if pa.types.is_timestamp(arrow) and arrow.tz:
        return "timestamp with a time zone"
    tests = {
        "whole number": pa.types.is_integer,
        "number": pa.types.is_floating,
        "text": lambda t: pa.types.is_string(t) or pa.types.is_large_string(t),
        "timestamp": lambda t: pa.types.is_date(t) or pa.types.is_timestamp(t),
        "nothing": pa.types.is_null,
    }
    return next((kind for kind, test in tests.items() if test(arrow)), str(arrow))


def conform(batch: pa.RecordBatch, schema: pa.Schema, query: Query) -> pa.RecordBatch:
    """Return the batch with exactly the columns and types of `schema`; '' becomes NULL.

    Columns are matched by lower-case name. A whole number may replace a number.
    Raises: IncompleteExtractError if a column is missing, extra, doubled or of another
    kind, or if a value does not fit the promised type.
    """
    import pyarrow as pa

    got = [name.lower() for name in batch.schema.names]
    if sorted(got) != sorted(schema.names):
        missing = ", ".join(sorted(set(schema.names) - set(got))) or "none"
        extra = ", ".join(sorted(set(got) - set(schema.names))) or "none"
        found = f"missing: {missing}; not promised: {extra}"
        raise _broken_promise(query, "columns", found, "")
    columns = [
        _conform_column(batch.column(got.index(field.name)), field, query)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _conform_column(column: pa.Array, field: pa.Field, query: Query) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted, got = _kind(field.type), _kind(column.type)
    fits = got in (wanted, "nothing") or (wanted, got) == ("number", "whole number")
    if not fits:
        hint = (
            f"The column's type in the database is not the one in {schema_file().name}"
        )
        if (wanted, got) == ("whole number", "number"):
            hint = "CAST the column AS NUMBER(18) in the query"
        found = f"expected {wanted} ({field.type}), got {got} ({column.type})"
        raise _broken_promise(query, field.name, found, hint)
    try:
        # Fractions of a microsecond are cut; everything else must keep its value.
        cast = column.cast(field.type, safe=wanted != "timestamp")
    except pa.ArrowInvalid:
        found = f"a value does not fit {field.type}"
        raise _broken_promise(query, field.name, found, "") from None
    if wanted != "text":
        return cast
    # Without pa.scalar, which imports pandas and so costs a third of a second.
    has_text = pc.binary_length(cast).cast(pa.bool_())
    return pc.if_else(has_text, cast, pa.nulls(len(cast), pa.string()))


def _broken_promise(
    query: Query, column: str, found: str, hint: str
) -> IncompleteExtractError:
    return IncompleteExtractError(
        "The database answered with other columns than the query promises.",
        where=f"{query.path}: {column}: {found}",
        rule="every promised column arrives with its name and kind",
        not_done="No row of this extract was kept.",
        next_step=hint and f"{hint} ({query.path}).",
    )
