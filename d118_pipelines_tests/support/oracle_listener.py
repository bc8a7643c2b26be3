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
from types import TracebackType
from typing import TYPE_CHECKING, Self

from d118_pipelines_tests.support.oracle_session import Session
from d118_pipelines_tests.support.oracle_world import OracleWorld

if TYPE_CHECKING:
    import duckdb

LOOPBACK = "127.0.0.1"


class OracleListener(OracleWorld):
    """Listens on a free port of the loopback interface until it is closed."""

    def __init__(
        self,
        users: Mapping[str, str],
        connection: duckdb.DuckDBPyConnection,
        service: str = "PSPROD",
    ) -> None:
        super().__init__(users, connection, service)
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
