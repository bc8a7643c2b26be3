"""The DuckDB session in which roster-sized frames are read, compared and written.

Called by the rooms that work on frames; quoting and SQL files are in `sql_text.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from d118_pipelines.kernel.sql_text import literal

if TYPE_CHECKING:
    import duckdb


def open_frames(
    memory_limit: str = "2GB", temp_folder: Path | None = None
) -> duckdb.DuckDBPyConnection:
    """Open an in-memory session that spills to `temp_folder` when memory runs out.

    Times are UTC and no extension is downloaded. The caller closes the session.
    memory_limit: as DuckDB writes it, for example `2GB`.
    """
    import duckdb  # heavy: only where frames are worked on

    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory_limit,
        "autoinstall_known_extensions": False,
    }
    if temp_folder is not None:
        config["temp_directory"] = str(temp_folder)
    connection = duckdb.connect(config=config)
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
