"""The bytes of a file as UTF-8 text, whatever it was written in.

Called by `blocks.py`'s readers, which begin again with another encoding where a byte
says that the first one was wrong. Lines and cells are in `splitter.py`.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator
from itertools import chain

UTF8 = "utf-8"
CP1252 = "cp1252"
UTF16 = "utf-16"
MIXED = "mixed"  # UTF-8 but for some rows, which are Windows-1252
NAMES = {CP1252: "Windows-1252", UTF16: "UTF-16"}
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: UTF16,
    codecs.BOM_UTF16_BE: UTF16,
}
# The UTF-8 form of a lone surrogate, which is no character.
SURROGATE = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")
BY_BYTE = "d118.by_byte"


class UnreadableError(Exception):
    """A file that cannot be read as a whole: a code, what is wrong, and the line."""

    def __init__(self, code: str, what: str, line: int | None = None) -> None:
        super().__init__(what)
        self.code, self.what, self.line = code, what, line


class NotUtf8Error(Exception):
    """The file is not UTF-8; `line` has the first byte that says so."""

    def __init__(self, line: int = 1) -> None:
        super().__init__(line)
        self.line = line


def marked_encoding(start: bytes) -> str | None:
    """The encoding that a byte order mark names, if the bytes begin with one."""
    return next((name for mark, name in _MARKS.items() if start.startswith(mark)), None)


def utf8_chunks(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """The text as UTF-8 without byte order mark, in pieces of any length.

    UTF-8 itself is passed on unchecked. Raises: NotUtf8Error where the file begins as
    UTF-16 and `encoding` is UTF-8; UnreadableError `csv.undecodable`.
    """
    first = next(chunks, b"")
    while len(first) < len(codecs.BOM_UTF8) and (more := next(chunks, b"")):
        first += more
    if encoding == UTF8:
        if marked_encoding(first) == UTF16:
            raise NotUtf8Error
        yield first.removeprefix(codecs.BOM_UTF8)
        yield from chunks
        return
    decoder, rest = _decoder(encoding), b""
    try:
        for chunk in chain([first], chunks):
            data = rest + chunk
            # The form of a surrogate is looked at as a whole.
            cut = data.rfind(b"\xed", -2) if encoding == MIXED else -1
            data, rest = (data[:cut], data[cut:]) if cut >= 0 else (data, b"")
            yield decoder.decode(data).encode(UTF8)
        yield decoder.decode(rest, final=True).encode(UTF8)
    except UnicodeError:
        what = f"Bytes that are not {NAMES.get(encoding, encoding)}."
        raise UnreadableError("csv.undecodable", what) from None


def _decoder(encoding: str) -> codecs.IncrementalDecoder:
    if encoding == MIXED:
        return codecs.getincrementaldecoder("utf-8-sig")(BY_BYTE)
    errors = BY_BYTE if encoding == UTF16 else "strict"
    return codecs.getincrementaldecoder(encoding)(errors)


def _by_byte(error: UnicodeError) -> tuple[str, int]:
    """What is not UTF-8 as Windows-1252; where that fails NUL, which rejects the row."""
    assert isinstance(error, UnicodeDecodeError)
    data, start, end = error.object, error.start, error.end
    if error.encoding.startswith("utf-16"):
        if error.reason == "truncated data":
            raise error
        return "\0", end
    if SURROGATE.match(data, start):
        return "\0", start + 3
    try:
        return data[start:end].decode(CP1252), end
    except UnicodeDecodeError:
        return "\0", end


codecs.register_error(BY_BYTE, _by_byte)


def decodes(chunks: Iterable[bytes], encoding: str) -> bool:
    """Whether the encoding gives every byte a meaning, or a row at the least."""
    decoder = _decoder(encoding)
    try:
        for chunk in chunks:
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeError:
        return False
    return True


def checked_text(data: bytes, first_line: int = 1) -> str:
    """UTF-8 bytes as text. Raises: NotUtf8Error with the line, counted from `first_line`."""
    try:
        return data.decode(UTF8)
    except UnicodeDecodeError as exc:
        raise NotUtf8Error(first_line + data.count(b"\n", 0, exc.start)) from None
