"""What all sessions of a loopback listener share: accounts, data, faults, a log.

Belongs here: what a test sets and reads. Not here: sockets (`oracle_listener.py`), the
protocol (`oracle_session.py`).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from d118_pipelines_tests.support.oracle_engine import Value
from d118_pipelines_tests.support.oracle_login import VERIFIER_12C

if TYPE_CHECKING:
    import duckdb


@dataclass
class Faults:
    """What shall go wrong. May be changed while the listener runs.

    silent: accept connections and never say a word.
    delay_seconds: how long every SELECT takes.
    ignores_breaks: a SELECT that takes long cannot be cancelled.
    fetches_before_drop: cut the connection at the fetch after so many.
    fetch_errors: the ORA- codes of the next fetches.
    requires_encryption: demand Oracle's native network encryption.
    verifier: the kind of password verifier (see oracle_login.py).
    login_error: an ORA- code for a login with the right password.
    """

    silent: bool = False
    delay_seconds: float = 0
    ignores_breaks: bool = False
    fetches_before_drop: int | None = None
    fetch_errors: list[int] = field(default_factory=list)
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


class OracleWorld:
    """The database behind the listener, as its sessions see it."""

    def __init__(
        self,
        users: Mapping[str, str],
        connection: duckdb.DuckDBPyConnection,
        service: str,
    ) -> None:
        self.users = {user.upper(): password for user, password in users.items()}
        self.service = service
        self.faults = Faults()
        self.statements: list[Statement] = []
        self.database = connection
        connection.execute("CREATE OR REPLACE VIEW dual AS SELECT 'X' AS dummy")
        self._lock = threading.Lock()

    def open_database(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own for one session: DuckDB's are not shared."""
        with self._lock:
            return self.database.cursor()

    def record(
        self, session: int, sql: str, binds: Mapping[str, Value], read_only: bool
    ) -> None:
        """Remember a statement for the test."""
        self.statements.append(Statement(session, sql, binds, read_only))
