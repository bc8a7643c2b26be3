"""Pieces of a file that end with a line, so that each can be read by itself.

Called by `records.py` and `oneroster_csv/reading.py`; what the lines hold is found in
`splitter.py` and `arrow.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

from d118_pipelines.sources.delimited.encodings import (
    SURROGATE,
    UTF8,
    UnreadableError,
    decodes,
)

BLOCK_BYTES = 8 * 1024 * 1024
PIECE_BYTES = 128 * 1024


class Blocks:
    """Hands out blocks of about `BLOCK_BYTES`; what a reader left over comes again.

    max_record: bytes that one record may have; 0: any number.
    """

    def __init__(self, chunks: Iterator[bytes], max_record: int) -> None:
        self._chunks, self._max_record = chunks, max_record
        self._rest = b""

    def next(self) -> tuple[bytes, bool]:
        """The next block, and whether it is the last; it may be empty then.

        Raises: UnreadableError `csv.record_too_long` for text without lines.
        """
        parts, size = [self._rest], len(self._rest)
        self._rest = b""
        for chunk in self._chunks:
            parts.append(chunk)
            size += len(chunk)
            if size < BLOCK_BYTES:
                continue
            data = b"".join(parts)
            cut = _last_line_end(data)
            if cut > 0:
                self._rest = data[cut:]
                return data[:cut], False
            if self._max_record and size > BLOCK_BYTES + self._max_record:
                what = f"A record is longer than {self._max_record} bytes."
                raise UnreadableError("csv.record_too_long", what)
            parts = [data]
        return b"".join(parts), True

    def put_back(self, rest: bytes) -> None:
        """Give back the end of the last block: it begins the next one."""
        self._rest = rest + self._rest


def odd_lines(blocks: Blocks) -> Iterator[tuple[int, bytes, bool]]:
    """Each line with more than ASCII: its number, its bytes, and whether it is UTF-8,
    be it the form of a surrogate, which no other encoding has."""
    number, is_last = 1, False
    while not is_last:
        block, is_last = blocks.next()
        lines = block.splitlines()
        if not block.isascii():
            for at, line in enumerate(lines, number):
                if not line.isascii():
                    is_utf8 = decodes([line], UTF8) or SURROGATE.search(line)
                    yield at, line, bool(is_utf8)
        number += len(lines)


def _last_line_end(data: bytes) -> int:
    """Where the last whole line ends; a file may have carriage returns alone."""
    end = data.rfind(b"\n") + 1
    return end or data.rfind(b"\r", 0, len(data) - 1) + 1


def pieces(block: bytes) -> Iterator[tuple[bytes, bool]]:
    """A block in pieces of about `PIECE_BYTES`, so that a fault costs little.

    Each comes with whether it is the last; of an empty block one empty piece.
    """
    at, end = 0, -1
    while end < len(block):
        end = block.find(b"\n", at + PIECE_BYTES) + 1 or len(block)
        yield block[at:end], end == len(block)
        at = end
