"""The DuckDB session in which roster-sized frames are read, compared and written.

Called by the rooms that work on frames; quoting and SQL files are in `sql_text.py`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.sql_text import literal
from d118_pipelines.kernel.stopping import end_with_signals

if TYPE_CHECKING:
    import duckdb


DEFAULT_MEMORY = "1200MB"
_MEMORY = re.compile(r"(\d+)\s*([MG]B)?", re.IGNORECASE)


def memory_limit() -> str:
    """How much memory DuckDB may take: `D118_MEMORY`, in MB where it has no unit.

    Arrow, SQLite and Python come on top of it: about 400 MB for a large roster.
    Raises: ConfigurationError if the variable is neither.
    """
    text = os.environ.get("D118_MEMORY", "").strip() or DEFAULT_MEMORY
    found = _MEMORY.fullmatch(text)
    if found is None or not int(found[1]):
        raise ConfigurationError(
            "D118_MEMORY is no amount of memory.",
            rule="It is a number of MB, or one with MB or GB, for example 1200MB.",
            not_done="Nothing was started.",
            next_step="Correct D118_MEMORY, or remove it.",
        )
    return f"{found[1]}{(found[2] or 'MB').upper()}"


def open_frames(temp_folder: Path | None = None) -> duckdb.DuckDBPyConnection:
    """Open an in-memory session that spills to `temp_folder` when memory runs out.

    Times are UTC and no extension is downloaded. The caller closes the session.
    Raises: as `memory_limit`.
    """
    import duckdb  # heavy: only where frames are worked on

    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory_limit(),
        "autoinstall_known_extensions": False,
    }
    if temp_folder is not None:
        config["temp_directory"] = str(temp_folder)
    connection = duckdb.connect(config=config)
    end_with_signals(connection)
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def parquet(path: Path) -> str:
    """A Parquet file as a relation."""
    return f"read_parquet({literal(path)})"


def write_parquet(
    duck: duckdb.DuckDBPyConnection, select: str, path: Path, compression: str = "zstd"
) -> int:
    """Write the rows of a SELECT to a file that its owner alone can read; how many."""
    [[count]] = duck.execute(
        f"COPY ({select}) TO {literal(path)} "
        f"(FORMAT parquet, COMPRESSION {compression})"
    ).fetchall()
    path.chmod(0o600)
    return int(count)


def count_of(duck: duckdb.DuckDBPyConnection, rows: str) -> int:
    """How many rows a relation has; `rows` may go on with WHERE."""
    [[count]] = duck.execute(f"SELECT count(*) FROM {rows}").fetchall()
    return int(count)
