"""The DuckDB session in which roster-sized frames are read, compared and written.

Belongs here: how a session is opened. Not here: what is run in it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

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
