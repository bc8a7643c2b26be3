"""How values and packets look on the wire between Oracle's driver and a listener.

Belongs here: encoding, decoding and framing. Not here: the meaning of a message (see
oracle_session.py) and the login (see oracle_login.py).

Two layers: TNS packets carry TTC messages. Written from the client's side of the
protocol and never compared with a real server.
"""

from __future__ import annotations

import datetime as dt
import socket
import struct
from collections.abc import Sequence
from decimal import Decimal

# TNS packet types.
ACCEPT, REFUSE, DATA, MARKER = 2, 4, 6, 12
# The third byte of a marker packet: "forget the call, both sides start afresh".
RESET_MARKER = b"\x01\x00\x02"

# Oracle type numbers.
VARCHAR, NUMBER, DATE, CHAR, TIMESTAMP = 1, 2, 12, 96, 180

# The scale of a NUMBER that was declared without precision.
NO_SCALE = -127

# The size of a packet that both sides agree on, and what a packet of ours leaves free.
PACKET_SIZE = 8192
HEADER_SIZE = 8
SLACK = 8

# A length byte of this value announces a text in chunks; longer ones are null.
LONGEST_SHORT_TEXT = 252
CHUNKS_FOLLOW = 254
NULL_LENGTHS = (0, 255)
CHUNK_SIZE = 32767

ZERO_NUMBER = b"\x80"
LONGEST_MANTISSA = 20


class MoreToCome(Exception):
    """The message goes on in the next packet."""


def uint(value: int) -> bytes:
    """An unsigned integer: one byte of length, then the significant bytes."""
    digits = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return bytes([len(digits)]) + digits


def text(value: bytes) -> bytes:
    """Bytes with a length in front; '' and null look the same, as Oracle has it."""
    if len(value) <= LONGEST_SHORT_TEXT:
        return bytes([len(value)]) + value
    parts = [bytes([CHUNKS_FOLLOW])]
    for start in range(0, len(value), CHUNK_SIZE):
        chunk = value[start : start + CHUNK_SIZE]
        parts += [uint(len(chunk)), chunk]
    return b"".join(parts) + b"\x00"


def sized_text(value: bytes) -> bytes:
    """Bytes with their length said twice, as names and keys are sent."""
    return uint(len(value)) + text(value) if value else uint(0)


def number(value: int | float | Decimal) -> bytes:
    """A NUMBER: an exponent byte and up to 20 digits of base 100, both with offsets.

    Negative numbers are written as complements, so that bytes sort like numbers.
    """
    exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if exact == 0:
        return ZERO_NUMBER
    sign, digits, exponent = exact.as_tuple()
    assert isinstance(exponent, int), "NUMBER knows neither infinity nor NaN"
    pairs, power = _base_100(digits, exponent)
    if sign == 0:
        return bytes([0xC0 + power, *(pair + 1 for pair in pairs)])
    end = [0x66] if len(pairs) < LONGEST_MANTISSA else []
    return bytes([0x3F - power, *(101 - pair for pair in pairs), *end])


def _base_100(digits: Sequence[int], exponent: int) -> tuple[list[int], int]:
    """Digits of base 100 without zeros at the end; how many stand before the point."""
    decimals = "".join(map(str, digits))
    if exponent % 2:
        decimals, exponent = decimals + "0", exponent - 1
    if len(decimals) % 2:
        decimals = "0" + decimals
    pairs = [int(decimals[i : i + 2]) for i in range(0, len(decimals), 2)]
    power = len(pairs) + exponent // 2
    while pairs[-1] == 0:
        pairs.pop()
    return pairs[:LONGEST_MANTISSA], power


def read_number(data: bytes) -> int | Decimal:
    """The reverse of `number`."""
    if data == ZERO_NUMBER:
        return 0
    positive = bool(data[0] & 0x80)
    if positive:
        power, pairs = data[0] - 0xC0, [byte - 1 for byte in data[1:]]
    else:
        power, pairs = 0x3F - data[0], [101 - byte for byte in data[1:].rstrip(b"\x66")]
    sign = "" if positive else "-"
    mantissa = "".join(f"{pair:02d}" for pair in pairs)
    # From text, because arithmetic would round to 28 digits.
    value = Decimal(f"{sign}{mantissa}E{2 * (power - len(pairs))}")
    return int(value) if value == value.to_integral_value() else value


def date(value: dt.date) -> bytes:
    """A DATE: seven bytes with offsets, down to the second."""
    moment = value if isinstance(value, dt.datetime) else dt.datetime(*_day(value))
    century, year = divmod(moment.year, 100)
    day = [century + 100, year + 100, moment.month, moment.day]
    return bytes([*day, moment.hour + 1, moment.minute + 1, moment.second + 1])


def _day(value: dt.date) -> tuple[int, int, int]:
    return value.year, value.month, value.day


def timestamp(value: dt.datetime) -> bytes:
    """A TIMESTAMP: a DATE and, unless they are zero, the nanoseconds."""
    if not value.microsecond:
        return date(value)
    return date(value) + struct.pack(">I", value.microsecond * 1000)


def read_timestamp(data: bytes) -> dt.datetime:
    """The reverse of `date` and `timestamp`."""
    year = (data[0] - 100) * 100 + data[1] - 100
    hour, minute, second = (part - 1 for part in data[4:7])
    microsecond = int.from_bytes(data[7:11], "big") // 1000
    return dt.datetime(year, data[2], data[3], hour, minute, second, microsecond)


class Reader:
    """Reads the values of one message, from left to right."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def raw(self, size: int) -> bytes:
        """The next bytes as they are."""
        end = self._position + size
        if end > len(self._data):
            raise MoreToCome
        data, self._position = self._data[self._position : end], end
        return data

    def byte(self) -> int:
        """The next byte."""
        return self.raw(1)[0]

    def uint(self) -> int:
        """The next unsigned integer."""
        return int.from_bytes(self.raw(self.byte()), "big")

    def text(self) -> bytes | None:
        """The next bytes with a length in front; null has no bytes."""
        size = self.byte()
        if size in NULL_LENGTHS:
            return None
        if size != CHUNKS_FOLLOW:
            return self.raw(size)
        chunks = []
        while size := self.uint():
            chunks.append(self.raw(size))
        return b"".join(chunks)

    def skip(self, layout: str) -> None:
        """Pass over fields: `b` is a byte (mostly "a pointer follows"), `u` a uint."""
        for kind in layout:
            if kind == "b":
                self.byte()
            else:
                self.uint()


class PacketStream:
    """TNS packets on a socket. Lengths have two bytes until the connect is accepted."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.accepted = False

    def receive(self) -> tuple[int, bytes]:
        """The type and the body of the next packet."""
        header = self._read(HEADER_SIZE)
        size = int.from_bytes(header[:4] if self.accepted else header[:2], "big")
        return header[4], self._read(size - HEADER_SIZE)

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise ConnectionResetError("the driver has gone")
            data += more
        return data

    def send(self, kind: int, body: bytes) -> None:
        """Send one packet."""
        size = len(body) + HEADER_SIZE
        length = (
            struct.pack(">I", size) if self.accepted else struct.pack(">HH", size, 0)
        )
        self.socket.sendall(length + bytes([kind, 0, 0, 0]) + body)

    def send_message(self, message: bytes) -> None:
        """Send a TTC message in as many data packets as it needs."""
        room = PACKET_SIZE - HEADER_SIZE - SLACK
        for start in range(0, len(message), room):
            self.send(DATA, b"\x00\x00" + message[start : start + room])

    def answer_break(self) -> None:
        """Tell the driver that its break was seen, and wait until it agrees."""
        self.send(MARKER, RESET_MARKER)
        while self.receive()[0] != MARKER:
            pass
