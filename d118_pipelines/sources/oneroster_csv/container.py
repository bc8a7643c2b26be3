"""Where the files of a set come from: members of a zip archive or files of a folder.

Called by `source.py`, `place.py` and `arrival.py`; what the files mean is in
`manifest.py` and `file_set.py`. Loose files keep the limits of archives. Rule:
docs/reference/oneroster_csv.md, limits.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from d118_pipelines.kernel.finding import Findings
from d118_pipelines.sources.oneroster_csv.findings import fatal
from d118_pipelines.sources.oneroster_csv.limits import Limits
from d118_pipelines.sources.oneroster_csv.zip_names import plain_names
from d118_pipelines.sources.oneroster_csv.zip_safety import checked_entries, expanded

_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a set: its name, size in bytes, and its bytes in pieces."""

    name: str
    size_bytes: int
    chunks: Callable[[], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Container:
    """The files of a set by name."""

    members: Mapping[str, Member]


@contextmanager
def open_container(
    found: Path, findings: Findings, limits: Limits
) -> Iterator[Container]:
    """Open what `find_set` found: a zip archive or a folder.

    Raises: IncompleteExtractError for what is not there, unsafe or too large; and on
    leaving, when a file has changed in the meantime.
    """
    with ExitStack() as stack:
        before = signature(found)
        if found.is_dir():
            yield _folder(found, limits)
        else:
            archive = stack.enter_context(_opened(found))
            yield _archive(archive, found.name, findings, limits)
        if signature(found) != before:
            fatal("bundle.changed", "The set changed while it was read.")


def find_set(path: Path, zip_name: str | None = None) -> Path:
    """The archive or the folder that holds the set; in a folder `zip_name`, or its only
    zip file where it has no manifest. Raises: IncompleteExtractError."""
    found = path / zip_name if zip_name else path
    if found.is_dir() and not (found / "manifest.csv").exists():
        archives = [p for p in _regular_files(found) if p.suffix.lower() == ".zip"]
        if len(archives) == 1:
            found = archives[0]
    if not found.exists():
        fatal("bundle.not_found", "There is no file set.", file=str(found))
    return found


def signature(found: Path) -> list[tuple[str, int, int]]:
    """Name, size and time (ns) of each file: changes when somebody writes there."""
    paths = _regular_files(found) if found.is_dir() else [found]
    try:
        stats = [(path.name, path.stat()) for path in paths]
    except FileNotFoundError:
        fatal("bundle.changed", "A file disappeared while it was checked.")
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]


def content_hash(found: Path) -> str:
    """SHA-256 over the archive, or over names and contents of a folder's files."""
    whole = hashlib.sha256()
    for path in _regular_files(found) if found.is_dir() else [found]:
        with _opened(path) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        name = path.name if found.is_dir() else ""
        whole.update(f"{name}\n{digest}\n".encode())
    return whole.hexdigest()


def _regular_files(folder: Path) -> list[Path]:
    """Files below a folder's root by name; links are not followed."""
    paths = (path for path in folder.iterdir() if not path.name.startswith("."))
    return sorted(path for path in paths if path.is_file() and not path.is_symlink())


def _folder(folder: Path, limits: Limits) -> Container:
    members = {}
    for path in _regular_files(folder):
        size = path.stat().st_size
        if path.suffix.lower() == ".csv":
            members[path.name] = Member(path.name, size, partial(_read, path))
            if size > limits.max_entry_bytes:
                what = "The file is larger than allowed."
                fatal("zip.too_large", what, file=path.name)
    if sum(member.size_bytes for member in members.values()) > limits.max_total_bytes:
        fatal("zip.too_large", "The files together are too large.")
    return Container(members)


def _opened(path: Path) -> BufferedReader:
    try:
        return path.open("rb")
    except OSError as exc:
        what = f"A file cannot be read: {exc.strerror}."
        fatal("bundle.not_found", what, file=path.name)


def _read(path: Path) -> Iterator[bytes]:
    with _opened(path) as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _archive(
    archive: BinaryIO, file: str, findings: Findings, limits: Limits
) -> Container:
    entries = checked_entries(archive, file, limits)

    def member(name: str, entry: zipfile.ZipInfo) -> Member:
        chunks = partial(expanded, archive, entry, file, limits)
        return Member(name, entry.file_size, chunks)

    names = plain_names(entries, file, findings)
    members = {name: member(name, entry) for name, entry in names.items()}
    return Container(members)
