"""Loading one PowerSchool table from a CSV file into DuckDB, and saying what is wrong.

Called by `embedded.py`; columns and types are in `schema.py`. Form of `<table>.csv`:
comma, a header in any letter case, quotes where needed, UTF-8. An empty cell is NULL,
spaces are kept, columns that the table does not have are ignored.
"""

from __future__ import annotations

import glob
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from d118_pipelines.errors import QueryError
from d118_pipelines.kernel.sql_text import statement
from d118_pipelines.sources.delimited.encodings import NotUtf8Error, UnreadableError
from d118_pipelines.sources.delimited.records import read_records
from d118_pipelines.sources.delimited.splitter import Dialect

if TYPE_CHECKING:
    import duckdb

    from d118_pipelines.sources.powerschool.schema import Table

# A longer record is an open quotation mark, to the engine too.
_DIALECT = Dialect(has_bare_quotes=True, max_record_bytes=2_097_152)


def load_table(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    table: Table,
    needed: frozenset[str],
) -> list[str]:
    """Fill the existing, empty DuckDB table from the file; return warnings.

    Only the columns in `needed` are read; one that the file lacks stays NULL and is
    warned about. Raises: QueryError with file, line and rule, never with a value.
    """
    import duckdb

    header = _read_header(path)
    present = [name for name in header if name in table.columns]
    chosen = sorted(needed.intersection(present)) or present[:1]
    if not chosen or len(present) > len(set(present)):
        raise _bad_header(path, table)
    # The names in the statement are those of the schema file, never of the CSV file.
    values = [_checked(f"c{header.index(n)}", table.columns[n]) for n in chosen]
    fill = _sql(
        "fill",
        table=table.name,
        names=", ".join(chosen),
        values=", ".join(values),
        cells=_cells(header),
    )
    try:
        connection.execute(_sql("macros"))
        connection.execute(fill, {"file": glob.escape(str(path))})
    except duckdb.Error:
        # The engine's message quotes the line, so it may hold personal data.
        raise _explain(connection, path, table, header) from None
    lacking = sorted(needed.difference(header))
    return [
        f"{path.name} has no column {name}; it is read as empty" for name in lacking
    ]


def _read_header(path: Path) -> list[str]:
    fault = _find_fault(path, only_header=True)
    if fault is not None:
        raise _broken_file(path, *fault)
    header = next(read_records(path, _DIALECT), None)
    return [name.strip().lower() for name in header.cells] if header else []


def _sql(name: str, **values: str) -> str:
    return statement(f"sources/cells.{name}", **values)


def _cells(header: list[str]) -> str:
    """Return the SQL that reads `$file` as the text columns c0, c1, ... in file order."""
    types = ", ".join(f"'c{place}': 'VARCHAR'" for place in range(len(header)))
    return _sql("table", columns=f"{{{types}}}")


def _checked(cell: str, duckdb_type: str) -> str:
    if duckdb_type == "VARCHAR":
        return cell
    return _sql("checked", cell=cell, value=_value(cell, duckdb_type))


def _value(cell: str, duckdb_type: str) -> str:
    """Return the SQL for a cell's value, NULL where the cell does not fit the type."""
    if duckdb_type == "TIMESTAMP":
        return f"cell_timestamp({cell})"
    text = "cell_whole" if _is_whole(duckdb_type) else "cell_number"
    return f"TRY_CAST({text}({cell}) AS {duckdb_type})"


def _is_whole(duckdb_type: str) -> bool:
    return duckdb_type == "BIGINT" or duckdb_type.endswith(",0)")


def _rule(duckdb_type: str) -> str:
    if duckdb_type == "TIMESTAMP":
        return "a date as 2025-08-14, 2025-08-14 07:30:00 or 8/14/2025"
    if _is_whole(duckdb_type):
        return "a whole number of up to 18 digits without separators"
    return "a number with a decimal point and without separators"


def _bad_header(path: Path, table: Table) -> QueryError:
    return QueryError(
        f"The first line of {path.name} is not the header of {table.name}.",
        where=f"{path}, line 1",
        rule="column names of the table, separated by commas, each once",
        not_done="The query was not run.",
        next_step="Export the table again, comma separated and with its column names.",
    )


def _explain(
    connection: duckdb.DuckDBPyConnection, path: Path, table: Table, header: list[str]
) -> QueryError:
    """Look for what the engine refused, slowly and without its message."""
    fault = _find_fault(path)
    if fault is not None:
        return _broken_file(path, *fault)
    names = [n for n in header if table.columns.get(n, "VARCHAR") != "VARCHAR"]
    row, name = _first_misfit(connection, path, table, header, names)
    if not name:
        return _broken_file(path, 0, "it has a form that the engine refuses")
    return QueryError(
        f"A cell of {path.name} does not fit its column.",
        where=f"{path}, line {_line_of_row(path, row, len(header))}, column {name}",
        rule=f"{name} is {_rule(table.columns[name])}, or empty",
        not_done="The query was not run.",
        next_step=f"Correct the cell, or export {path.name} again.",
    )


def _first_misfit(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    table: Table,
    header: list[str],
    names: list[str],
) -> tuple[int, str]:
    """Return the first data row (from 0) with a cell that does not fit, and its column."""
    import duckdb

    cells = {name: f"c{header.index(name)}" for name in names}
    tests = (
        _sql("misfit", cell=cell, value=_value(cell, table.columns[name]))
        for name, cell in cells.items()
    )
    # As above, the names are those of the schema file.
    sql = _sql("misfits", misfits=", ".join(tests), cells=_cells(header))
    try:
        found = connection.execute(sql, {"file": glob.escape(str(path))}).fetchall()
    except duckdb.Error:
        return 0, ""
    misfits = zip(found[0], cells, strict=True)
    return min(
        ((row, name) for row, name in misfits if row is not None), default=(0, "")
    )


def _line_of_row(path: Path, wanted: int, width: int) -> int:
    """Return the line on which data row `wanted` (from 0) begins; 1 is the header."""
    # The engine skips empty lines too, except in a file of one column.
    rows = (
        record for record in read_records(path, _DIALECT) if record.cells or width == 1
    )
    found = next(islice(rows, wanted + 1, None), None)
    return found.line if found else 1


def _broken_file(path: Path, line: int, fault: str) -> QueryError:
    return QueryError(
        f"{path.name} is not a readable CSV file: {fault}.",
        where=f"{path}, line {line}" if line else str(path),
        rule="UTF-8, comma separated, as many cells in each row as in the header, and "
        "the same line end everywhere",
        not_done="The query was not run.",
        next_step=f"Export {path.name} again.",
    )


def _find_fault(path: Path, *, only_header: bool = False) -> tuple[int, str] | None:
    """Return the first faulty line and what is wrong with it, if anything is."""
    width = 0
    try:
        for record in read_records(path, _DIALECT):
            if record.problem == "bad_quote":
                return record.line, "a quotation mark in the wrong place"
            width = width or len(record.cells)
            if record.cells and len(record.cells) != width:
                cells = len(record.cells)
                return record.line, f"{cells} cells where the header has {width}"
            if only_header:
                break
    except NotUtf8Error as exc:
        return exc.line, "text that is not UTF-8"
    except UnreadableError as exc:
        return exc.line or 0, "a quotation mark in the wrong place"
    return None
