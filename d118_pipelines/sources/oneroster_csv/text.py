"""The bytes of a file as UTF-8 text, whatever it was written in.

Belongs here: byte order marks and encodings. Not here: lines and fields. A file is
taken for UTF-8 until a byte says otherwise (`NotUtf8Error`); it is then read again as
Windows-1252. Rule: docs/reference/oneroster_csv.md, text.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from d118_pipelines.sources.oneroster_csv.findings import fatal

UTF8 = "utf-8"
CP1252 = "cp1252"
UTF16 = "utf-16"
NAMES = {CP1252: "Windows-1252", UTF16: "UTF-16"}
_BYTE_ORDER_MARK = codecs.BOM_UTF8


class NotUtf8Error(Exception):
    """The file is not UTF-8; its reader begins again with another encoding."""


def utf8_chunks(chunks: Iterator[bytes], encoding: str, file: str) -> Iterator[bytes]:
    """The text as UTF-8 without byte order mark, in pieces of any length.

    UTF-8 itself is passed on unchecked. Raises: NotUtf8Error where the file begins as
    UTF-16 and `encoding` is not that; IncompleteExtractError `csv.undecodable`.
    """
    first = next(chunks, b"")
    while len(first) < len(_BYTE_ORDER_MARK) and (more := next(chunks, b"")):
        first += more
    if encoding == UTF8:
        if starts_as_utf16(first):
            raise NotUtf8Error
        yield first.removeprefix(_BYTE_ORDER_MARK)
        yield from chunks
        return
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        yield decoder.decode(first).encode(UTF8)
        for chunk in chunks:
            yield decoder.decode(chunk).encode(UTF8)
        decoder.decode(b"", final=True)
    except UnicodeError:
        fatal("csv.undecodable", f"Bytes that are not {NAMES[encoding]}.", file=file)


def starts_as_utf16(start: bytes) -> bool:
    """Whether the bytes begin with the byte order mark of UTF-16."""
    return start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
