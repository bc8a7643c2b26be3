"""The two engines of the state database: a SQLite file, or a PostgreSQL server.

Called by `database.py`. One writing transaction runs at a time, because almost every
one reads before it writes: SQLite by BEGIN IMMEDIATE (a deferred one cannot wait then),
PostgreSQL by an advisory lock. Rule: docs/reference/roster_database.md.
"""

from __future__ import annotations

import functools
import re
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.log_level import is_debugged, own

WAIT_SECONDS = 600
KEPT_ENGINES = 16  # a process rarely has more than one; tests and copies do
# Any number, the same in every process of the project.
_WRITER_LOCK = 118_118_118
# The verb of a statement and the first name behind it; no quoted value.
_STATEMENT = re.compile(
    r"\s*(\w+)\b(?:(?:[^']*?\b(?:FROM|INTO))?\s+\"?([a-z_]\w*))?", re.I
)
_DRIVER = "postgresql+psycopg2"
_FORMS = ("postgresql", "postgresql+asyncpg", _DRIVER)
_SETTINGS: dict[str, Any] = {
    "connect_timeout": 10,
    "application_name": "d118",
    # A machine that vanished must not keep the writers' lock.
    "keepalives_idle": 60,
    "options": f"-c timezone=UTC -c lock_timeout={WAIT_SECONDS}s "
    "-c client_connection_check_interval=5s",
}


@functools.lru_cache(maxsize=KEPT_ENGINES)
def sqlite_engine(path: Path) -> sa.Engine:
    """The engine of a file in WAL mode: one in a process, which keeps compiled SQL."""
    # A connection per transaction: nothing stays open between the steps of a run.
    engine = sa.create_engine(
        f"sqlite:///{path}",
        connect_args={
            "timeout": WAIT_SECONDS,
            "isolation_level": None,
        },
        poolclass=sa.NullPool,
        # The database keeps lines of people; an error must not quote them.
        hide_parameters=True,
    )

    @sa.event.listens_for(engine, "connect")
    def _connect(connection: Any, _: object) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -131072")  # 128 MB, for big syncs

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        reads = connection.get_execution_options().get("reads_only", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    _log_statements(engine)
    return engine


@functools.lru_cache(maxsize=KEPT_ENGINES)
def postgres_engine(url: str) -> sa.Engine:
    """The engine of a server: one in a process, as above.

    Raises: ConfigurationError if the URL is none.
    """
    engine = sa.create_engine(
        normalised(url),
        connect_args=_SETTINGS,
        poolclass=sa.NullPool,
        hide_parameters=True,
    )

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        if not connection.get_execution_options().get("reads_only", False):
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITER_LOCK})")

    _log_statements(engine)
    return engine


def _log_statements(engine: sa.Engine) -> None:
    """Say at debug how long each statement took: its verb and table, no value."""

    @sa.event.listens_for(engine, "before_cursor_execute")
    def _before(connection: sa.Connection, *_: Any) -> None:
        connection.info["d118_began"] = time.monotonic()

    @sa.event.listens_for(engine, "after_cursor_execute")
    def _after(connection: sa.Connection, cursor: Any, text: str, *_: Any) -> None:
        if is_debugged():
            took = time.monotonic() - connection.info["d118_began"]
            words = _STATEMENT.match(text)
            what = " ".join(filter(None, words.groups())) if words else "statement"
            own.debug("SQL %s: %s rows in %.3f s", what, cursor.rowcount, took)


def driver_address(engine: sa.Engine) -> str:
    """Where the engine of a server connects, for a reader of one moment, as libpq reads it.

    It has the password in it: never show it.
    """
    driver: Any = engine.dialect.loaded_dbapi
    _, address = engine.dialect.create_connect_args(engine.url)
    own = f"{_SETTINGS['options']} -c default_transaction_isolation=repeatable\\ read"
    return str(driver.extensions.make_dsn(**{**address, **_SETTINGS, "options": own}))


def normalised(url: str, variable: str = "DATABASE_URL") -> sa.URL:
    """The URL of a variable, for the one driver in use.

    Raises: ConfigurationError if it is no PostgreSQL URL; the message quotes none of
    it.
    """
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise _wrong_url(variable, "cannot be read as a URL") from None
    if parsed.drivername not in _FORMS:
        raise _wrong_url(variable, "does not name a PostgreSQL server")
    if "ssl" in parsed.query:  # the name that asyncpg gives to libpq's sslmode
        mode = parsed.query["ssl"]
        parsed = parsed.difference_update_query(["ssl"])
        parsed = parsed.update_query_dict({"sslmode": mode})
    return parsed.set(drivername=_DRIVER)


def shown(url: str, variable: str) -> str:
    """The server and database of the URL in a variable, without user and password."""
    parsed = normalised(url, variable)
    host = parsed.host or parsed.query.get("host") or "localhost"
    port = f":{parsed.port}" if parsed.port else ""
    return f"{variable} ({host}{port}/{parsed.database or ''})"


def _wrong_url(variable: str, what: str) -> ConfigurationError:
    return ConfigurationError(
        f"{variable} {what}.",
        rule="Its form is postgresql://user:password@host:port/database. Without "
        "DATABASE_URL the file d118.sqlite in D118_HOME is used.",
        not_done="Nothing was read or written.",
        next_step=f"Correct {variable}, or remove it.",
    )
