"""A zip archive from outside: its structures are checked, then its bytes are counted.

Called by `container.py`; names are checked in `zip_names.py`. A member is a stream that
ends with an error where size, checksum or ratio are not as promised. No member is ever
unpacked to a file by its name. Rule: docs/reference/oneroster_csv.md, archives.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from d118_pipelines.sources.oneroster_csv.findings import fatal
from d118_pipelines.sources.oneroster_csv.limits import Limits
from d118_pipelines.sources.oneroster_csv.zip_names import (
    check_content,
    check_entry,
    check_unique,
)

_END = struct.Struct("<4s4H2LH")  # end of central directory, without its comment
_END64_LOCATOR_BYTES = 20
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCAL = struct.Struct("<4s5H3L2H")
_MAX_COMMENT = 65_535
_DIRECTORY_BYTES_PER_ENTRY = 46 + 3 * 65_535
_HAS_DESCRIPTOR = 0x8
_FULL_32 = 0xFFFFFFFF
_CHUNK = 1024 * 1024


def checked_entries(
    archive: BinaryIO, file: str, limits: Limits
) -> list[zipfile.ZipInfo]:
    """The entries of an archive whose structures are as they should be.

    Raises: IncompleteExtractError with a code `zip.*`; nothing was expanded but the
    first bytes of each member.
    """
    _check_end(archive, file, limits)
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = opened.infolist()
            directory_at = opened.start_dir
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error):
        fatal("zip.not_a_zip", "The directory of the archive is damaged.", file=file)
    if len(entries) > limits.max_entries:
        _too_many(file, limits)
    for entry in entries:
        check_entry(entry, file, limits)
    check_unique(entries, file)
    _check_places(archive, entries, directory_at, file)
    _check_sizes(entries, file, limits)
    for entry in entries:
        if entry.file_size:
            start = next(expanded(archive, entry, file, limits, chunk=512))
            check_content(start, file)
    return entries


def expanded(
    archive: BinaryIO,
    entry: zipfile.ZipInfo,
    file: str,
    limits: Limits,
    *,
    chunk: int = _CHUNK,
) -> Iterator[bytes]:
    """The bytes of a member in pieces; size, ratio and checksum are checked on the way.

    Raises: IncompleteExtractError `zip.crc`, `zip.ratio`, `zip.too_large`.
    """
    total = checksum = 0
    for piece in _inflated(archive, entry, file, chunk):
        total += len(piece)
        checksum = zlib.crc32(piece, checksum)
        if total > limits.max_entry_bytes:
            fatal("zip.too_large", "A member is larger than allowed.", file=file)
        _check_ratio(total, entry.compress_size, file, limits)
        if total > entry.file_size:
            fatal("zip.crc", "A member goes on after its end.", file=file)
        yield piece
    if total != entry.file_size or checksum != entry.CRC:
        fatal("zip.crc", "A member has another size or checksum.", file=file)


def _inflated(
    archive: BinaryIO, entry: zipfile.ZipInfo, file: str, chunk: int
) -> Iterator[bytes]:
    position = _data_start(archive, entry, file)
    left = entry.compress_size
    inflate = None
    if entry.compress_type == zipfile.ZIP_DEFLATED:
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    while left > 0:
        archive.seek(position)
        data = archive.read(min(chunk, left))
        if not data:
            fatal("zip.crc", "The archive ends inside a member.", file=file)
        position += len(data)
        left -= len(data)
        if inflate is None:
            yield data
            continue
        try:
            while data:
                if piece := inflate.decompress(data, chunk):
                    yield piece
                data = inflate.unconsumed_tail
        except zlib.error:
            fatal("zip.crc", "A member cannot be expanded.", file=file)
    if inflate is not None and (not inflate.eof or inflate.unused_data):
        fatal("zip.crc", "A member's data do not end where they should.", file=file)


def _check_end(archive: BinaryIO, file: str, limits: Limits) -> None:
    """One volume, not too many entries; before the directory is read into memory."""
    size = archive.seek(0, 2)
    if size > limits.max_compressed_bytes:
        fatal("zip.too_large", "The archive is larger than allowed.", file=file)
    start = max(0, size - _END.size - _MAX_COMMENT)
    archive.seek(start)
    tail = archive.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        fatal("zip.not_a_zip", "The file is not a zip archive.", file=file)
    _, disk, first_disk, here, count, directory, _, _ = _END.unpack_from(tail, at)
    if disk not in (0, 0xFFFF) or first_disk not in (0, 0xFFFF) or here != count:
        fatal("zip.not_a_zip", "The archive has several volumes.", file=file)
    end64 = at - _END64_LOCATOR_BYTES - _END64.size
    if end64 >= 0 and tail[end64 : end64 + 4] == b"PK\x06\x06":
        fields = _END64.unpack_from(tail, end64)
        count, directory = fields[7], fields[8]
    elif directory == _FULL_32 or count == 0xFFFF:
        fatal("zip.not_a_zip", "The archive's ZIP64 record is missing.", file=file)
    allowed = limits.max_entries * _DIRECTORY_BYTES_PER_ENTRY
    if count > limits.max_entries or directory > allowed:
        _too_many(file, limits)


def _too_many(file: str, limits: Limits) -> None:
    what = f"The archive has more than {limits.max_entries} members."
    fatal("zip.too_many_entries", what, file=file)


def _check_places(
    archive: BinaryIO, entries: Sequence[zipfile.ZipInfo], directory_at: int, file: str
) -> None:
    """Members follow one another, and their headers say what the directory says."""
    free_from = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.header_offset < free_from:
            fatal("zip.overlap", "Two members overlap.", file=file)
        if free_from == 0 and entry.header_offset != 0:
            fatal("zip.overlap", "There is data before the first member.", file=file)
        free_from = _data_start(archive, entry, file) + entry.compress_size
    if free_from > directory_at:
        fatal("zip.overlap", "A member overlaps the directory.", file=file)


def _data_start(archive: BinaryIO, entry: zipfile.ZipInfo, file: str) -> int:
    """Where the data of a member begin; its local header agrees with the directory."""
    archive.seek(entry.header_offset)
    header = archive.read(_LOCAL.size)
    if len(header) != _LOCAL.size or not header.startswith(b"PK\x03\x04"):
        fatal("zip.overlap", "A member has no header of its own.", file=file)
    fields: tuple[int, ...] = _LOCAL.unpack(header)[2:]
    flags, method, _, _, _, packed, size, name_size, extra_size = fields
    name = archive.read(name_size)
    extra = archive.read(extra_size)
    if _FULL_32 in (packed, size):
        packed, size = _zip64_sizes(extra, packed, size)
    known = (packed, size) == (entry.compress_size, entry.file_size)
    later = bool(flags & _HAS_DESCRIPTOR) and packed in (0, entry.compress_size)
    encoding = "utf-8" if flags & 0x800 else "cp437"
    if (
        name.decode(encoding, errors="replace") != entry.orig_filename
        or method != entry.compress_type
        or not (known or later)
    ):
        fatal("zip.overlap", "A header differs from the directory.", file=file)
    return entry.header_offset + _LOCAL.size + name_size + extra_size


def _zip64_sizes(extra: bytes, packed: int, size: int) -> tuple[int, int]:
    """Sizes out of the ZIP64 field, which holds those that are full, the large first."""
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        if kind == 1:
            count = min(length, len(extra) - 4) // 8
            values = list(struct.unpack_from(f"<{count}Q", extra, 4))
            if size == _FULL_32 and values:
                size = values.pop(0)
            if packed == _FULL_32 and values:
                packed = values.pop(0)
            break
        extra = extra[4 + length :]
    return packed, size


def _check_sizes(entries: Sequence[zipfile.ZipInfo], file: str, limits: Limits) -> None:
    """What the directory promises; what is really there is counted while reading."""
    if max((entry.file_size for entry in entries), default=0) > limits.max_entry_bytes:
        fatal("zip.too_large", "A member is larger than allowed.", file=file)
    total = sum(entry.file_size for entry in entries)
    if total > limits.max_total_bytes:
        fatal("zip.too_large", "The members together are too large.", file=file)
    for entry in entries:
        _check_ratio(entry.file_size, entry.compress_size, file, limits)
    _check_ratio(total, sum(entry.compress_size for entry in entries), file, limits)


def _check_ratio(size: int, packed: int, file: str, limits: Limits) -> None:
    if size > limits.ratio_free_bytes and size > packed * limits.max_ratio:
        fatal("zip.ratio", "A member expands more than allowed.", file=file)
