"""A local folder as a destination: where files go while no address is set.

Opened by `workflows/targets/destinations.py`; a server is in `sftp.py`, the order of a
delivery in `sequence.py`.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from d118_pipelines.delivery.files import opened
from d118_pipelines.delivery.remote import FileStat
from d118_pipelines.errors import DestinationError
from d118_pipelines.kernel.hashes import sha256_of
from d118_pipelines.kernel.outages import outage_of

CHUNK_BYTES = 1 << 20


class FolderRemote:
    """Keeps `Remote` in one folder, made with mode 0700; its files have mode 0600.

    is_ours: false for one of somebody else, which is never made: a share may be
    missing.
    """

    def __init__(self, path: Path, *, is_ours: bool = True) -> None:
        self._path = path
        self._is_ours = is_ours

    def __enter__(self) -> Self:
        if self._is_ours:
            with self._translated("create the folder"):
                self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            return self
        with self._translated("open the folder"):
            os.scandir(self._path).close()
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing: each call has closed what it opened."""

    def put(self, local: Path, name: str, on_bytes: Callable[[int], None]) -> int:
        """Copy the file and flush it to the disk."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with opened(local) as source, self._translated(f"write {name}"):
            descriptor = os.open(self._path / name, flags, 0o600)
            with os.fdopen(descriptor, "wb") as target:
                on_bytes(0)
                while chunk := source.read(CHUNK_BYTES):
                    target.write(chunk)
                    target.flush()
                    on_bytes(target.tell())
                # A rename may reach the disk before the data does.
                os.fsync(descriptor)
                return os.fstat(descriptor).st_size

    def stat(self, name: str) -> FileStat | None:
        """Size and time of a file, None if there is none."""
        with self._translated(f"look at {name}"):
            try:
                found = (self._path / name).stat()
            except FileNotFoundError:
                return None
            if stat.S_ISDIR(found.st_mode):
                raise IsADirectoryError(None, "there is a folder of this name")
        return FileStat(found.st_size, int(found.st_mtime))

    def set_mtime(self, name: str, mtime_seconds: int) -> None:
        """Set access and modification time."""
        with self._translated(f"set the time of {name}"):
            os.utime(self._path / name, (mtime_seconds, mtime_seconds))

    def replace(self, old: str, new: str) -> None:
        """Rename in one step and flush the folder."""
        with self._translated(f"rename {old} to {new}"):
            (self._path / old).replace(self._path / new)
            descriptor = os.open(self._path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def remove(self, name: str) -> None:
        """Delete a file."""
        with self._translated(f"delete {name}"):
            (self._path / name).unlink()

    def sha256(self, name: str) -> str:
        """SHA-256 of the file as it is on the disk."""
        with self._translated(f"read {name} back"):
            return sha256_of(self._path / name)

    def listing(self) -> list[str]:
        """Names of all entries, sorted."""
        with self._translated("list the folder"):
            return sorted(entry.name for entry in self._path.iterdir())

    @contextmanager
    def _translated(self, action: str) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            refused = DestinationError(
                f"Could not {action}: {exc.strerror or 'the disk refused it'}",
                where=f"local folder {self._path}",
                not_done="the delivery is not recorded as done",
                next_step="check free space, owner and permissions of the folder, "
                "then run again",
            )
            if outage := outage_of(exc):
                refused.exit_code = outage.exit_code
            raise refused from exc
