"""What is done with each written file: its hash, and its place in the one zip archive.

Called by `build.py`, which goes on rendering and checking meanwhile; the files are
written by `render.py`. The same files give the same bytes.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from d118_pipelines.kernel.hashes import sha256_of
from d118_pipelines.targets.model import Package

_CHUNK_BYTES = 1 << 20
_ORDINARY_FILE = 0o100644
_ZIP64_BYTES = 2_000_000_000
# A fifth of the time of the usual level 6; the archive is a quarter larger.
_LEVEL = 1
_T = TypeVar("_T")


class Packing:
    """Hashes and packs files one after another, in a thread of its own.

    A set that exceeds 4 GiB is written as ZIP64.
    """

    def __init__(self, package: Package | None, folder: Path) -> None:
        """package None: the files stay as they are, and are hashed alone."""
        self._thread = ThreadPoolExecutor(1, "packing")
        self.path, self._archive = folder, None
        if package is not None:
            self.path = folder / package.archive
            self.path.touch(mode=0o600)
            deflated = package.compression == "deflate"
            method = zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED
            self._archive = zipfile.ZipFile(
                self.path, "w", method, compresslevel=_LEVEL
            )

    def __enter__(self) -> Packing:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)
        if self._archive is not None:
            self._archive.close()

    def add(self, file: Path, *, is_delivered: bool) -> Future[str]:
        """The file's SHA-256; one that is delivered becomes a member and is removed."""
        if self._archive is None or not is_delivered:
            return self._thread.submit(sha256_of, file)
        return self._thread.submit(_packed, self._archive, file)

    def finish(
        self, then: Callable[[Path], _T] | None
    ) -> Future[tuple[str, _T | None]]:
        """The archive's SHA-256, and what `then` says of it when it is whole."""
        assert self._archive is not None
        return self._thread.submit(_finished, self._archive, self.path, then)


def _packed(archive: zipfile.ZipFile, file: Path) -> str:
    """Read a file once: for its hash, and into the archive's root."""
    digest = hashlib.sha256()
    is_large = file.stat().st_size > _ZIP64_BYTES
    with (
        file.open("rb") as source,
        # A name alone gets the earliest time that the format knows: a real one would
        # change the bytes.
        archive.open(file.name, "w", force_zip64=is_large) as member,
    ):
        while chunk := source.read(_CHUNK_BYTES):
            digest.update(chunk)
            member.write(chunk)
    archive.getinfo(file.name).external_attr = _ORDINARY_FILE << 16
    file.unlink()
    return digest.hexdigest()


def _finished(
    archive: zipfile.ZipFile, path: Path, then: Callable[[Path], _T] | None
) -> tuple[str, _T | None]:
    archive.close()
    return sha256_of(path), then(path) if then else None
