"""One session of the loopback listener: who says what in which order.

Belongs here: the dialogue with Oracle's thin driver, and the faults that tests ask for.
Not here: layouts (oracle_messages.py), the login's keys (oracle_login.py), SQL
(oracle_engine.py).

Missing: DML, LOBs, PL/SQL, TLS, redirects, pooled sessions.
"""

from __future__ import annotations

import itertools
import re
import select
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from d118_pipelines_tests.support import oracle_engine as engine
from d118_pipelines_tests.support import oracle_messages as messages
from d118_pipelines_tests.support import oracle_wire as wire
from d118_pipelines_tests.support.oracle_engine import OracleError
from d118_pipelines_tests.support.oracle_login import Login

if TYPE_CHECKING:
    import duckdb

    from d118_pipelines_tests.support.oracle_world import OracleWorld

# The first byte of a message from the driver; the second one of a function says which.
PROTOCOL, DATA_TYPES, FUNCTION, PIGGYBACK = 1, 2, 3, 17
LOGIN_START, LOGIN_ANSWER = 118, 115
EXECUTE, EXECUTE_AGAIN, FETCH, CLOSE_CURSORS = 94, 78, 5, 105
COMMIT, ROLLBACK, PING, LOGOFF = 14, 15, 147, 9

# ORA- codes that the dialogue itself needs.
NO_SUCH_CURSOR, CANCELLED, WRONG_PASSWORD, END_OF_ROWS = 1001, 1013, 1017, 1403
WRONG_SERVICE = 12514

SERVER_VERSION_19_24 = 19 << 24 | 24 << 16
# Where the connect packet says how long the connect string is, and where that begins.
CONNECT_SIZE, CONNECT_START = slice(16, 18), 66

SERVICE = re.compile(r"SERVICE_NAME=([^)]*)\)", re.IGNORECASE)
READ_ONLY = re.compile(r"\s*SET\s+TRANSACTION\s+READ\s+ONLY\s*", re.IGNORECASE)
SELECT = re.compile(r"(\s|--.*\n)*(SELECT|WITH)\b", re.IGNORECASE)


@dataclass
class Cursor:
    """A statement that the driver may run or fetch from again."""

    number: int
    sql: str
    bind_kinds: list[int]
    result: engine.Result | None = None
    rows_sent: int = 0


class Session:
    """Serves one connection until the driver goes or a fault cuts it."""

    def __init__(self, world: OracleWorld, sock: socket.socket, number: int) -> None:
        self._world = world
        self._faults = world.faults
        self._packets = wire.PacketStream(sock)
        self._number = number
        self._login = Login(None)
        self._database: duckdb.DuckDBPyConnection | None = None
        self._cursors: dict[int, Cursor] = {}
        self._cursor_numbers = itertools.count(1)
        self._read_only = False

    def serve(self) -> None:
        """Answer one message after the other. Raises OSError when the driver goes."""
        if not self._connect():
            return
        message = b""
        while True:
            kind, body = self._packets.receive()
            if kind == wire.MARKER:
                # The driver gave up while the answer was already on its way.
                self._packets.answer_break()
                answer = self._cancelled()
            else:
                message += body[2:]
                try:
                    answer = self._answer(wire.Reader(message))
                except wire.MoreToCome:
                    continue
                except OracleError as error:
                    answer = messages.end(self._read_only, error.code, error.message)
            message = b""
            self._packets.send_message(answer)

    def _connect(self) -> bool:
        """Accept or refuse the connection; whether the session goes on."""
        _, body = self._packets.receive()
        size = int.from_bytes(body[CONNECT_SIZE], "big")
        # A long connect string comes in a packet of its own.
        data = body[CONNECT_START:] or self._packets.receive()[1][2:]
        service = SERVICE.search(data[:size].decode())
        if service is None or service[1].upper() != self._world.service.upper():
            self._packets.send(wire.REFUSE, messages.refuse(WRONG_SERVICE))
            return False
        answer = messages.accept(self._faults.requires_encryption)
        self._packets.send(wire.ACCEPT, answer)
        self._packets.accepted = True
        return True

    def _answer(self, reader: wire.Reader) -> bytes:
        kind = reader.byte()
        while kind == PIGGYBACK:
            self._close_cursors(reader)
            kind = reader.byte()
        if kind == PROTOCOL:
            return messages.protocol()
        if kind == DATA_TYPES:
            return messages.data_types()
        if kind != FUNCTION:
            raise OracleError(engine.UNSUPPORTED, f"message {kind} is not served")
        function = reader.byte()
        reader.skip("b")  # sequence number
        return self._call(function, reader)

    def _close_cursors(self, reader: wire.Reader) -> None:
        """A note ahead of the next call: these cursors are not used any more."""
        function = reader.byte()
        if function != CLOSE_CURSORS:
            raise OracleError(engine.UNSUPPORTED, f"note {function} is not served")
        reader.skip("bb")  # sequence number, pointer
        for _ in range(reader.uint()):
            self._cursors.pop(reader.uint(), None)

    def _call(self, function: int, reader: wire.Reader) -> bytes:
        if function == LOGIN_START:
            return self._start_login(reader)
        if function == LOGIN_ANSWER:
            return self._finish_login(reader)
        if function == EXECUTE:
            return self._execute(reader)
        if function == EXECUTE_AGAIN:
            return self._execute_again(reader)
        if function == FETCH:
            return self._fetch(reader)
        if function not in (COMMIT, ROLLBACK, PING, LOGOFF):
            raise OracleError(engine.UNSUPPORTED, f"call {function} is not served")
        if function != PING:
            self._read_only = False
        return messages.status(self._read_only)

    def _start_login(self, reader: wire.Reader) -> bytes:
        user, _ = messages.read_login(reader)
        self._login = Login(self._world.users.get(user.upper()))
        challenge = self._login.challenge(self._faults.verifier)
        return messages.parameters(challenge) + messages.status(self._read_only)

    def _finish_login(self, reader: wire.Reader) -> bytes:
        _, answer = messages.read_login(reader)
        proof = self._login.proof(answer)
        if proof is None:
            raise OracleError(WRONG_PASSWORD, "invalid username/password; logon denied")
        if self._faults.login_error is not None:
            raise OracleError(self._faults.login_error, "logon denied")
        self._database = self._world.open_database()
        facts = {
            "AUTH_VERSION_NO": (str(SERVER_VERSION_19_24), 0),
            "AUTH_SESSION_ID": (str(self._number), 0),
            "AUTH_SERIAL_NUM": ("1", 0),
            "AUTH_SVR_RESPONSE": (proof, 0),
        }
        return messages.parameters(facts) + messages.status(self._read_only)

    def _execute(self, reader: wire.Reader) -> bytes:
        """A full execute, of a new statement or of a known one with other binds."""
        wanted = messages.read_execution(reader)
        number = wanted.cursor
        if wanted.sql is not None:
            number = next(self._cursor_numbers)
            self._cursors[number] = Cursor(number, wanted.sql, wanted.bind_kinds)
        cursor = self._known(number)
        cursor.bind_kinds = wanted.bind_kinds
        answer = self._run(cursor, reader)
        if cursor.result is None:
            return answer
        rows = wanted.row_count if wanted.fetches_at_once else 0
        return messages.describe(cursor.result.columns) + self._rows(cursor, rows)

    def _execute_again(self, reader: wire.Reader) -> bytes:
        """A short execute of a known cursor: the driver remembers the columns."""
        cursor, rows = self._known(reader.uint()), reader.uint()
        reader.skip("uu")  # options
        self._run(cursor, reader)
        return self._rows(cursor, rows)

    def _known(self, number: int) -> Cursor:
        if number not in self._cursors:
            raise OracleError(NO_SUCH_CURSOR, "invalid cursor")
        return self._cursors[number]

    def _run(self, cursor: Cursor, reader: wire.Reader) -> bytes:
        """Run a statement; the answer of one without rows."""
        values = messages.read_binds(reader, cursor.bind_kinds)
        binds = dict(zip(engine.bind_names(cursor.sql), values, strict=True))
        self._world.record(self._number, cursor.sql, binds, self._read_only)
        cursor.result, cursor.rows_sent = None, 0
        if READ_ONLY.fullmatch(cursor.sql):
            self._read_only = True
        elif not SELECT.match(cursor.sql):
            raise OracleError(engine.NO_PRIVILEGE, "insufficient privileges")
        else:
            self._wait_like_a_slow_query()
            assert self._database is not None, "the driver logs in first"
            cursor.result = engine.select(self._database.cursor(), cursor.sql, binds)
        return messages.end(self._read_only, cursor=cursor.number)

    def _wait_like_a_slow_query(self) -> None:
        """Wait as long as the test wants, or until the driver's break."""
        sock = self._packets.socket
        if not select.select([sock], [], [], self._faults.delay_seconds)[0]:
            return
        kind, _ = self._packets.receive()
        assert kind == wire.MARKER, "a waiting driver sends nothing but a break"
        if self._faults.ignores_breaks:
            self._packets.receive()  # ends with OSError when the driver gives up
        self._packets.answer_break()
        raise OracleError(CANCELLED, "user requested cancel of current operation")

    def _fetch(self, reader: wire.Reader) -> bytes:
        cursor, count = self._known(reader.uint()), reader.uint()
        if self._faults.fetch_errors:
            raise OracleError(self._faults.fetch_errors.pop(0), "on request")
        if self._faults.fetches_before_drop is not None:
            if self._faults.fetches_before_drop == 0:
                raise ConnectionResetError("cut on request")
            self._faults.fetches_before_drop -= 1
        return self._rows(cursor, count)

    def _rows(self, cursor: Cursor, count: int) -> bytes:
        """The next rows; the end is announced with the last ones, as ORA-01403."""
        assert cursor.result is not None, "the driver fetches from queries only"
        values = list(itertools.islice(cursor.result.rows, count))
        cursor.rows_sent += len(values)
        code = END_OF_ROWS if len(values) < count else 0
        return messages.rows(cursor.result.columns, values) + messages.end(
            self._read_only, code, "no data found", cursor.number, cursor.rows_sent
        )

    def _cancelled(self) -> bytes:
        reason = "user requested cancel of current operation"
        return messages.end(self._read_only, CANCELLED, reason)
