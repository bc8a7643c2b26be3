"""DuckDB sessions for small rosters; called by the stores and worlds of the tests.

To open a DuckDB instance takes longer than most queries over ten rows, so these share
one, each with a catalog of its own.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from d118_pipelines.kernel.frames import open_frames

_numbers = itertools.count()


@contextmanager
def small_frames() -> Iterator[duckdb.DuckDBPyConnection]:
    """A session as empty as `open_frames` gives it."""
    name = f"small_{next(_numbers)}"
    duck = _instance().cursor()
    duck.execute("SET TimeZone = 'UTC'")
    duck.execute(f"ATTACH ':memory:' AS {name}")
    duck.execute(f"USE {name}")
    try:
        yield duck
    finally:
        duck.close()
        _instance().execute(f"DETACH {name}")


@functools.cache
def _instance() -> duckdb.DuckDBPyConnection:
    """One thread, so that tests can run side by side."""
    opened = open_frames()
    opened.execute("SET threads = 1")
    return opened
