"""The layout of the messages between Oracle's thin driver and the listener.

Belongs here: which field stands where. Not here: who says what when (oracle_session.py)
and how one value is encoded (oracle_wire.py). The layout is that of a 19c database.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from d118_pipelines_tests.support import oracle_wire as wire
from d118_pipelines_tests.support.oracle_engine import Column, Value

# The first byte of a message from the listener.
PROTOCOL, DATA_TYPES, ERROR, ROW_HEADER = 1, 2, 4, 6
ROW, PARAMETERS, STATUS, DESCRIPTION = 7, 8, 9, 16

LAYOUT_19C = 12
LAYOUT_POSITION, CAPABILITIES_SIZE = 7, 53
LONG_TEXT, RUNTIME_POSITION, RUNTIME_SIZE = 4, 6, 11
UTF8, UTF16 = 873, 2000
# The flag of an answer that says "a transaction is open".
IN_TRANSACTION = 2
ENCRYPTION_REQUIRED = 0x10
FETCH_AT_ONCE = 0x40
TNS_VERSION = 317

TEXT_KINDS = (wire.VARCHAR, wire.CHAR)
MOMENT_KINDS = (wire.DATE, wire.TIMESTAMP)


@dataclass(frozen=True)
class Execution:
    """A full execute as the driver asks for it. `sql` is None for a known cursor."""

    cursor: int
    sql: str | None
    bind_kinds: list[int]
    row_count: int
    fetches_at_once: bool


def accept(requires_encryption: bool) -> bytes:
    """The answer to a connect. Demanding encryption makes the thin driver give up."""
    flags = ENCRYPTION_REQUIRED if requires_encryption else 0
    return struct.pack(">HH10xB9xI8x", TNS_VERSION, 0, flags, wire.PACKET_SIZE)


def refuse(code: int) -> bytes:
    """The answer to a connect that the listener does not want."""
    reason = f"(DESCRIPTION=(ERR={code})(VSNNUM=0))".encode()
    return struct.pack(">HH", 0, len(reason)) + reason


def protocol() -> bytes:
    """Character sets and capabilities: layout of 19c, texts of up to 32 kB."""
    compiled = bytearray(CAPABILITIES_SIZE)
    compiled[LAYOUT_POSITION] = LAYOUT_19C
    runtime = bytearray(RUNTIME_SIZE)
    runtime[RUNTIME_POSITION] = LONG_TEXT
    national = bytes(10) + struct.pack(">HB", UTF16, 0)
    return b"".join(
        [
            bytes([PROTOCOL, 6, 0]) + b"loopback\x00",
            struct.pack("<HBH", UTF8, 1, 0),
            struct.pack(">H", len(national)) + national,
            wire.text(bytes(compiled)) + wire.text(bytes(runtime)),
        ]
    )


def data_types() -> bytes:
    """No conversions: the driver's own representation of values is fine."""
    return bytes([DATA_TYPES, 0, 0])


def read_login(reader: wire.Reader) -> tuple[str, dict[str, str]]:
    """The user and the texts by key of either half of a login."""
    reader.skip("buub")  # pointer, length of the user, mode, pointer
    count = reader.uint()
    reader.skip("bb")
    user = (reader.text() or b"").decode()
    pairs = {}
    for _ in range(count):
        key, value = _sized_text(reader), _sized_text(reader)
        reader.skip("u")  # flags
        pairs[key] = value
    return user, pairs


def _sized_text(reader: wire.Reader) -> str:
    return (reader.text() or b"").decode() if reader.uint() else ""


def parameters(pairs: Mapping[str, tuple[str, int]]) -> bytes:
    """Texts and flags by key."""
    parts = [bytes([PARAMETERS]), wire.uint(len(pairs))]
    for key, (value, flags) in pairs.items():
        parts += [wire.sized_text(key.encode()), wire.sized_text(value.encode())]
        parts.append(wire.uint(flags))
    return b"".join(parts)


def read_execution(reader: wire.Reader) -> Execution:
    """A full execute, up to the values of the binds."""
    options, cursor = reader.uint(), reader.uint()
    reader.skip("bu" + "bu" + "bb" + "u")  # text, numbers, outputs, prefetch buffer
    rows = reader.uint()
    reader.skip("u" + "b")  # longest LONG; pointer to the binds
    bind_count = reader.uint()
    reader.skip("bbbbb" + "bu" + "u" + "bb" + "bu" + "bu" + "u")  # defines, objects
    reader.skip("bub" + "bu" + "bu" + "b" + "bu")  # row counts, signature, id, chunks
    sql = None if cursor else (reader.text() or b"").decode()
    reader.skip("u" * 13)
    kinds = [_read_bind_kind(reader) for _ in range(bind_count)]
    return Execution(cursor, sql, kinds, rows, bool(options & FETCH_AT_ONCE))


def _read_bind_kind(reader: wire.Reader) -> int:
    kind = reader.byte()
    reader.skip("bbb" + "uuu" + "uu" + "ub" + "uu")  # size, object type, character set
    return kind


def read_binds(reader: wire.Reader, kinds: list[int]) -> list[Value]:
    """One row of bind values."""
    if kinds:
        reader.skip("b")  # "a row follows"
    return [_read_bind(reader.text(), kind) for kind in kinds]


def _read_bind(data: bytes | None, kind: int) -> Value:
    if data is None:
        return None
    if kind == wire.NUMBER:
        return wire.read_number(data)
    if kind in MOMENT_KINDS:
        return wire.read_timestamp(data)
    assert kind in TEXT_KINDS, f"binds of type {kind} are not served"
    return data.decode()


def describe(columns: list[Column]) -> bytes:
    """Names and types of a result, ahead of its rows."""
    head = bytes([DESCRIPTION, 0]) + wire.uint(0) + wire.uint(len(columns)) + b"\x01"
    return head + b"".join(_describe(column) for column in columns) + bytes(6)


def _describe(column: Column) -> bytes:
    is_text = column.kind in TEXT_KINDS
    name = column.name.encode()
    return b"".join(
        [
            bytes([column.kind, 0, column.precision, column.scale & 0xFF]),
            wire.uint(column.size) + bytes(4),  # array, flags, object type and version
            wire.uint(UTF8 if is_text else 0) + bytes([is_text]),
            wire.uint(column.size if is_text else 0) + bytes(1),
            bytes([1, len(name)]) + wire.sized_text(name),  # may be null, name
            bytes(2) + bytes(1) + bytes(1),  # object type's names, position, flags
        ]
    )


def rows(columns: list[Column], values: list[tuple[Value, ...]]) -> bytes:
    """Rows of a result."""
    parts = [bytes([ROW_HEADER]) + bytes(7)]
    for row in values:
        parts.append(bytes([ROW]))
        parts += [c.encode(value) for c, value in zip(columns, row, strict=True)]
    return b"".join(parts)


def status(in_transaction: bool) -> bytes:
    """The end of an answer without a cursor."""
    return bytes([STATUS]) + _call_flags(in_transaction) + wire.uint(0)


def end(
    in_transaction: bool,
    code: int = 0,
    message: str = "",
    cursor: int = 0,
    row_count: int = 0,
) -> bytes:
    """The end of an answer with a cursor, or an ORA- error. Code 0 is success."""
    parts = [
        bytes([ERROR]) + _call_flags(in_transaction),
        bytes(2) + wire.uint(code) + bytes(2),  # sequence, row; array element
        wire.uint(cursor) + bytes(1) + bytes(6),  # position; flags
        bytes(5) + bytes(6),  # row id; operating system, call, iterations
        bytes(3),  # errors of a batch
        wire.uint(code) + wire.uint(row_count),
    ]
    if code:
        parts.append(wire.text(f"ORA-{code:05d}: {message}\n".encode()))
    return b"".join(parts)


def _call_flags(in_transaction: bool) -> bytes:
    return wire.uint(IN_TRANSACTION if in_transaction else 0)
