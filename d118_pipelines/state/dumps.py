"""PostgreSQL's own dump of a database, and the way back into an empty one.

Called by `workflows/upkeep/backup.py` and `workflows/upkeep/restore.py`. The programs
are those of the machine's PostgreSQL client. Rules: docs/reference/backup.md.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from d118_pipelines.errors import ConfigurationError, ConnectionLostError, FatalError
from d118_pipelines.state.engines import postgres_engine, shown

PROGRAMS_VARIABLE = "POSTGRES_BIN_DIR"
"""The variable with the folder of pg_dump and pg_restore; unset: they are on PATH."""
_TABLES = (
    "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relkind IN ('r', 'p', 'v', 'm') AND n.nspname NOT LIKE 'pg\\_%%' "
    "AND n.nspname <> 'information_schema'"
)


def found_program(name: str) -> str | None:
    """The full path of a client program; None where it is not installed."""
    return shutil.which(name, path=os.environ.get(PROGRAMS_VARIABLE) or None)


def require_program(name: str, or_else: str = "") -> str:
    """The same. Raises: ConfigurationError where it is not installed.

    or_else: another way for the person.
    """
    found = found_program(name)
    if found is not None:
        return found
    raise ConfigurationError(
        f"{name} is not installed here.",
        rule="A database on PostgreSQL is dumped and restored by its own programs.",
        not_done="Nothing was done.",
        next_step="Install PostgreSQL's client (on Debian: postgresql-client), or name "
        f"the folder of its programs in {PROGRAMS_VARIABLE}. {or_else}".rstrip(),
    )


@contextmanager
def moment_of(url: str, variable: str) -> Iterator[tuple[sa.Connection, str]]:
    """A reader of the state as it is at one moment, and the name of that moment.

    Whoever gives the name to `dump` dumps the same. Raises: ConnectionLostError.
    """
    engine = postgres_engine(url)
    try:
        connection = engine.connect().execution_options(
            reads_only=True, isolation_level="REPEATABLE READ"
        )
    except sa.exc.OperationalError:
        # The driver's text can quote the user of the URL.
        raise ConnectionLostError(
            "The database does not answer.",
            where=shown(url, variable),
            not_done="Nothing was written.",
            next_step="Check that the server runs and lets this account in.",
        ) from None
    with connection:
        name = connection.exec_driver_sql("SELECT pg_export_snapshot()").scalar_one()
        yield connection, str(name)


def dump(url: str, variable: str, path: Path, *, moment: str = "") -> None:
    """Write a database into a file of pg_dump's own format; runs may be at work.

    url: of `variable`. moment: of `moment_of`. Raises: ConfigurationError without
    pg_dump, or if it fails.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    snapshot = [f"--snapshot={moment}"] if moment else []
    done = _called("pg_dump", ["--format=custom", f"--file={path}", *snapshot], url=url)
    if done.returncode:
        older = "server version mismatch" in done.stderr
        raise ConfigurationError(
            f"pg_dump ended with code {done.returncode}"
            + (": it is older than the server." if older else "."),
            where=shown(url, variable),
            rule="pg_dump must be as new as the server, and its account must own the tables.",
            not_done="No backup was made.",
            next_step=f"Name the folder of a newer client in {PROGRAMS_VARIABLE}, or copy the "
            "state without it: d118 backup --portable",
        )


def is_sound_dump(path: Path) -> bool:
    """Whether pg_restore reads all of it. Raises: ConfigurationError without pg_restore."""
    return not _called("pg_restore", [f"--file={os.devnull}", str(path)]).returncode


def require_empty(url: str, variable: str) -> None:
    """Raises: ConfigurationError if the database has a table; ConnectionLostError."""
    with moment_of(url, variable) as (connection, _):
        if not connection.exec_driver_sql(_TABLES).scalar_one():
            return
    raise ConfigurationError(
        "The database has tables already.",
        where=shown(url, variable),
        rule="A backup is restored where there is nothing, so that nothing is lost.",
        not_done="Nothing was restored.",
        next_step=f"Name an empty database in {variable}.",
    )


def bring_back(path: Path, url: str, variable: str) -> None:
    """A dump into an empty database, all of it or nothing.

    Raises: ConfigurationError without pg_restore; FatalError if it fails.
    """
    options = ["--no-owner", "--no-privileges", "--single-transaction"]
    done = _called("pg_restore", [*options, str(path)], url=url)
    if done.returncode:
        raise FatalError(
            f"pg_restore ended with code {done.returncode}.",
            where=shown(url, variable),
            rule="A dump goes into a server that is not older than its own, and its "
            "account may create tables and functions.",
            not_done="Nothing was written into this database.",
            next_step=f"Name another database in {variable}.",
        )


def _called(
    name: str, arguments: Sequence[str], *, url: str = ""
) -> subprocess.CompletedProcess[str]:
    program = require_program(name)
    environment, address = dict(os.environ), []
    if url:
        engine = postgres_engine(url)
        driver = engine.dialect.loaded_dbapi
        _, known = engine.dialect.create_connect_args(engine.url)
        # Everybody can read a command line; the environment is the owner's.
        if password := known.pop("password", ""):
            environment["PGPASSWORD"] = str(password)
        address = [f"--dbname={driver.extensions.make_dsn(**known)}"]
    return subprocess.run(
        [program, *address, *arguments],
        env={**environment, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
