"""A whole file as records with their lines, whatever its encoding and dialect.

Called by `csv_files` for every row, and by `powerschool/csv_tables.py` to say where a
file is broken. OneRoster sets are read by blocks instead (`oneroster_csv/reading.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from d118_pipelines.sources.delimited.blocks import Blocks, pieces
from d118_pipelines.sources.delimited.encodings import UTF8, checked_text, utf8_chunks
from d118_pipelines.sources.delimited.splitter import Dialect, Record, Splitter

_CHUNK = 1024 * 1024


def file_chunks(path: Path) -> Iterator[bytes]:
    """The bytes of a file in pieces."""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def read_records(
    path: Path, dialect: Dialect, encoding: str = UTF8, width: int = 0
) -> Iterator[Record]:
    """Every record of a file in order, the header and blank lines among them.

    width: the number of columns, as for `Splitter`.

    Raises: NotUtf8Error with the line; UnreadableError as `Splitter.split` does.
    """
    chunks = utf8_chunks(file_chunks(path), encoding)
    blocks = Blocks(chunks, dialect.max_record_bytes)
    splitter = Splitter(dialect, width)
    line, is_last = 1, False
    while not is_last:
        block, is_last = blocks.next()
        rest = b""
        for piece, is_end in pieces(block):
            text = checked_text(rest + piece, line)
            split = splitter.split(text, line, is_last=is_last and is_end)
            line = split.next_line
            rest = split.rest.encode(UTF8)
            yield from split.records
        blocks.put_back(rest)
