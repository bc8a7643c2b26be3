"""Rows of the state database as Arrow: values, one view of one moment, one fence."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from d118_pipelines.errors import DatabaseGoneError
from d118_pipelines.kernel.frames import open_frames
from d118_pipelines.state.arrow import arrow_reading
from d118_pipelines.state.bulk import CHUNK_ROWS
from d118_pipelines.state.database import Database
from d118_pipelines_tests.support.postgres import new_database
from d118_pipelines_tests.support.templates import new_state

KINDS = {
    **{"key": "VARCHAR", "flag": "BOOLEAN", "day": "DATE", "share": "DOUBLE"},
    **{"number": "INTEGER", "text": "VARCHAR"},
}
NOTHING = (None,) * 5
VALUES = (
    True,
    dt.date(2015, 2, 3),
    0.5,
    -7,
    "it's 5 % of\n\N{GREEK SMALL LETTER ALPHA}",
)
OTHERS = (False, dt.date(1999, 12, 31), 3.0, 0, "")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database with a table `kinds`: a chunk of rows without values, then two with."""
    for url in [""] if request.param == "sqlite" else new_database():
        if not url:
            new_state(tmp_path / "d118.sqlite")
        database = Database(tmp_path / "d118.sqlite", url)
        empty = [(f"{n:08}", *NOTHING) for n in range(CHUNK_ROWS + 1)]
        mark = "%s" if url else "?"
        with database.transaction() as connection:
            run = connection.exec_driver_sql
            run(
                "CREATE TABLE kinds (key TEXT PRIMARY KEY, flag BOOLEAN, day DATE, "
                "share FLOAT, number INTEGER, text TEXT)"
            )
            insert = f"INSERT INTO kinds VALUES ({', '.join([mark] * 6)})"
            texts = [
                (key, flag, str(day), *more)
                for key, flag, day, *more in (("x", *VALUES), ("y", *OTHERS))
            ]
            run(insert, [*empty, *texts])
        yield database


@pytest.mark.long
def test_values_are_what_they_were_after_a_chunk_without_any(
    database: Database,
) -> None:
    query = "SELECT key, flag, day, share, number, text FROM kinds"
    with closing(open_frames()) as duck, arrow_reading(database) as reader:
        reader.table(duck, query, {}, "found", KINDS)
        [count] = duck.execute("SELECT count(*) FROM found").fetchall()
        rows = duck.execute("FROM found WHERE key IN ('x', 'y') ORDER BY 1").fetchall()

    assert count == (CHUNK_ROWS + 3,)
    assert rows == [("x", *VALUES), ("y", *OTHERS)]


@pytest.mark.long
def test_values_of_a_query_are_texts_and_no_sql(database: Database) -> None:
    query = "SELECT key FROM kinds WHERE text = :text"
    with closing(open_frames()) as duck, arrow_reading(database) as reader:
        reader.table(duck, query, {"text": VALUES[-1]}, "found", {"key": "VARCHAR"})  # type: ignore[dict-item]
        assert duck.execute("FROM found").fetchall() == [("x",)]


def test_a_text_with_a_nul_comes_whole(tmp_path: Path) -> None:
    new_state(tmp_path / "d118.sqlite")
    database = Database(tmp_path / "d118.sqlite", "")
    with database.transaction() as connection:
        connection.exec_driver_sql("CREATE TABLE t (text TEXT)")
        connection.exec_driver_sql("INSERT INTO t VALUES (?)", [("a\0b",)])

    with closing(open_frames()) as duck, arrow_reading(database) as reader:
        reader.table(duck, "SELECT text FROM t", {}, "t", {"text": "VARCHAR"})
        assert duck.execute("FROM t").fetchall() == [("a\0b",)]


@pytest.mark.long
def test_ids_of_duckdb_are_a_table_of_the_reading(database: Database) -> None:
    query = "SELECT k.key FROM kinds AS k JOIN wanted AS w ON w.id = k.key"
    with closing(open_frames()) as duck, arrow_reading(database) as reader:
        for wanted in ("'x'), ('nobody'", "'y'"):
            reader.keep_ids(duck, f"SELECT * FROM (VALUES ({wanted}))", "wanted")
            reader.table(duck, query, {}, "found", {"key": "VARCHAR"})
        assert duck.execute("FROM found").fetchall() == [("y",)]


def test_what_cannot_be_read_is_told_without_the_query(database: Database) -> None:
    with (
        closing(open_frames()) as duck,
        arrow_reading(database) as reader,
        pytest.raises(DatabaseGoneError) as caught,
    ):
        query = "SELECT secret FROM nowhere"
        reader.table(duck, query, {}, "found", {"a": "VARCHAR"})

    assert "secret" not in str(caught.value)


def test_the_file_is_read_alone_in_this_process(tmp_path: Path) -> None:
    new_state(tmp_path / "d118.sqlite")
    database = Database(tmp_path / "d118.sqlite", "")
    began, order = threading.Event(), []

    def write() -> None:
        began.set()
        with database.transaction():
            order.append("write")

    with arrow_reading(Database(database.path, "")) as reader:
        writer = threading.Thread(target=write)
        writer.start()
        assert began.wait(60)
        assert reader.number("SELECT count(*) FROM plans", {}) == 0
        order.append("read")
        with pytest.raises(RuntimeError), database.reading():
            pass
    writer.join(60)

    assert order == ["read", "write"]
    with (
        database.transaction(),
        pytest.raises(RuntimeError),
        arrow_reading(database),
    ):
        pass


def test_a_reading_takes_no_lock_from_another_threads_transaction(
    tmp_path: Path,
) -> None:
    """Two copies of SQLite in one process lose each other's locks of a file."""
    new_state(tmp_path / "d118.sqlite")
    database = Database(tmp_path / "d118.sqlite", "")
    asked = threading.Event()

    def read() -> None:
        asked.set()
        with arrow_reading(database) as reader:
            reader.number("SELECT count(*) FROM plans", {})

    reader = threading.Thread(target=read)
    with database.transaction():
        reader.start()
        assert asked.wait(60)
        reader.join(0.2)
        assert "locked" in _begin_elsewhere(database.path)
    reader.join(60)
    assert not reader.is_alive()
    assert _begin_elsewhere(database.path) == ""


def _begin_elsewhere(path: Path) -> str:
    """What another process is told that wants to write now."""
    script = (
        "import sqlite3, sys\n"
        "try: sqlite3.connect(sys.argv[1], timeout=0.1).execute('BEGIN IMMEDIATE')\n"
        "except sqlite3.OperationalError as exc: print(exc, end='')"
    )
    command = [sys.executable, "-c", script, str(path)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
