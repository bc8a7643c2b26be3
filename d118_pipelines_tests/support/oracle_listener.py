"""A loopback Oracle listener for tests: the real thin driver in front, DuckDB behind.

Belongs here: starting, stopping, what was seen, what shall go wrong. Not here: the
protocol (oracle_session.py and below).

    with OracleListener(users={"reader": "word"}, connection=duckdb.connect()) as oracle:
        OracleSource("reader", "word", oracle.dsn)
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from d118_pipelines_tests.support.oracle_engine import Value
from d118_pipelines_tests.support.oracle_login import VERIFIER_12C
from d118_pipelines_tests.support.oracle_session import Session

if TYPE_CHECKING:
    import duckdb

LOOPBACK = "127.0.0.1"


@dataclass
class Faults:
    """What shall go wrong. May be changed while the listener runs.

    silent: accept connections and never say a word.
    delay_seconds: how long every SELECT takes.
    ignores_breaks: a SELECT that takes long cannot be cancelled.
    fetches_before_drop: cut the connection at the fetch after so many.
    requires_encryption: demand Oracle's native network encryption.
    verifier: the kind of password verifier (see oracle_login.py).
    login_error: an ORA- code for a login with the right password.
    """

    silent: bool = False
    delay_seconds: float = 0
    ignores_breaks: bool = False
    fetches_before_drop: int | None = None
    requires_encryption: bool = False
    verifier: int = VERIFIER_12C
    login_error: int | None = None


@dataclass(frozen=True)
class Statement:
    """A statement as it arrived, and whether its transaction was read-only by then."""

    session: int
    sql: str
    binds: Mapping[str, Value]
    read_only: bool


class OracleListener:
    """Listens on a free port of the loopback interface until it is closed."""

    def __init__(
        self,
        users: Mapping[str, str],
        connection: duckdb.DuckDBPyConnection,
        service: str = "PSPROD",
    ) -> None:
        self.users = {user.upper(): password for user, password in users.items()}
        self.service = service
        self.faults = Faults()
        self.statements: list[Statement] = []
        self.database = connection
        connection.execute("CREATE OR REPLACE VIEW dual AS SELECT 'X' AS dummy")
        self._lock = threading.Lock()
        self._sessions: list[tuple[socket.socket, threading.Thread]] = []
        self._socket = socket.create_server((LOOPBACK, 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name="oracle-listener")
        self._thread.start()

    @property
    def dsn(self) -> str:
        """`host:port/service`."""
        return f"{LOOPBACK}:{self.port}/{self.service}"

    @property
    def session_count(self) -> int:
        """How many connections there were so far."""
        return len(self._sessions)

    def open_database(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own for one session: DuckDB's are not shared."""
        with self._lock:
            return self.database.cursor()

    def record(
        self, session: int, sql: str, binds: Mapping[str, Value], read_only: bool
    ) -> None:
        """Remember a statement for the test."""
        self.statements.append(Statement(session, sql, binds, read_only))

    def close(self) -> None:
        """Cut every connection and wait until all threads have ended."""
        self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._thread.join()
        self._socket.close()
        for sock, thread in self._sessions:
            _cut(sock)
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _accept(self) -> None:
        for number in itertools.count(1):
            try:
                sock, _ = self._socket.accept()
            except OSError:
                return  # closed
            # Without it small answers wait for the driver's acknowledgement.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=self._serve, args=(sock, number))
            self._sessions.append((sock, thread))
            thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        with sock:
            try:
                if self.faults.silent:
                    while sock.recv(1):
                        pass
                else:
                    Session(self, sock, number).serve()
            except OSError:
                pass  # the driver has gone, or a fault cut the connection


def _cut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):  # cut before
        sock.shutdown(socket.SHUT_RDWR)
