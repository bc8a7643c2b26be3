"""Names and kinds of the members of an archive: what is refused before reading.

Called by `zip_safety.py`, which reads the bytes, and by `container.py`. Rule:
docs/reference/oneroster_csv.md, archives.
"""

from __future__ import annotations

import re
import stat
import unicodedata
import zipfile
from collections.abc import Sequence

from d118_pipelines.kernel.finding import Findings
from d118_pipelines.sources.oneroster_csv.findings import fatal
from d118_pipelines.sources.oneroster_csv.limits import Limits

_ARCHIVE_NAME = re.compile(r"\.(zip|gz|tgz|bz2|xz|7z|rar|tar)$", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SIGNATURES = (
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"\x1f\x8b",
    b"BZh",
    b"\xfd7zXZ\x00",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07",
)
_ENCRYPTED_BITS = 0x1 | 0x40 | 0x2000
_IGNORED = re.compile(r"(^|/)(__MACOSX/.*|\.DS_Store|Thumbs\.db)$", re.IGNORECASE)


def check_entry(entry: zipfile.ZipInfo, file: str, limits: Limits) -> None:
    """Refuse one entry for its name, kind, method or encryption."""
    name = entry.orig_filename
    if _is_dangerous(name, limits):
        fatal("zip.traversal", "A member's name leads out of the archive.", file=file)
    kind = stat.S_IFMT(entry.external_attr >> 16)
    allowed = stat.S_IFDIR if name.endswith("/") else stat.S_IFREG
    if kind not in (0, allowed):
        fatal("zip.special_file", "A member is a link or a device.", file=file)
    if entry.flag_bits & _ENCRYPTED_BITS:
        fatal("zip.encrypted", "A member is encrypted.", file=file)
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        what = f"A member has compression method {entry.compress_type}."
        fatal("zip.method", what, file=file)
    if _ARCHIVE_NAME.search(name):
        fatal("zip.nested_archive", "A member is an archive itself.", file=file)


def check_content(start: bytes, file: str) -> None:
    """Refuse a member that begins as an archive does; `start` has 512 bytes."""
    if start.startswith(_SIGNATURES) or start[257:262] == b"ustar":
        fatal("zip.nested_archive", "A member is an archive itself.", file=file)


def check_unique(entries: Sequence[zipfile.ZipInfo], file: str) -> None:
    """Refuse names that some file system would take for the same."""
    names = [_folded(entry.orig_filename) for entry in entries]
    if len(set(names)) != len(names):
        fatal("zip.duplicate_entry", "Two members have the same name.", file=file)


def plain_names(
    entries: Sequence[zipfile.ZipInfo], file: str, findings: Findings
) -> dict[str, zipfile.ZipInfo]:
    """Names of the members at the root, or in the one folder that all lie in."""
    kept = []
    for entry in entries:
        if entry.is_dir() or _IGNORED.search(entry.filename):
            findings.add("zip.ignored_entry", "info", file)
        else:
            kept.append(entry)
    folders = {entry.filename.rpartition("/")[0] for entry in kept}
    if len(folders) == 1 and folders != {""}:
        findings.add("zip.in_folder", "warn", file, detail="the folder is ignored")
        return {entry.filename.rpartition("/")[2]: entry for entry in kept}
    return {entry.filename: entry for entry in kept}


def _is_dangerous(name: str, limits: Limits) -> bool:
    return (
        name.startswith("/")
        or "\\" in name
        or re.match(r"[A-Za-z]:", name) is not None
        or ".." in name.split("/")
        or _CONTROL.search(name) is not None
        or len(name.encode("utf-8", errors="surrogatepass")) > limits.max_name_bytes
    )


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold().rstrip("/")
