"""A folder on an SFTP server as a destination.

Opened by `workflows/targets/destinations.py`. The login is in `ssh/folder.py`, limits
and error texts are there too, the order of a delivery in `sequence.py`.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from d118_pipelines.delivery.files import opened
from d118_pipelines.delivery.remote import TAKES_AWAY, FileStat
from d118_pipelines.errors import DestinationError
from d118_pipelines.ssh.folder import OpenedFolder

if TYPE_CHECKING:
    import paramiko

    from d118_pipelines.ssh.calls import Watch

CHUNK_BYTES = 32768
"""The largest write that every SFTP server accepts."""
CHUNKS_UNDER_WAY = 32
"""Writes that may wait for their answer; one answer per write costs a round trip."""


class SftpRemote(OpenedFolder):
    """Keeps `Remote` in one folder of an SFTP server; opened by `with`."""

    folder_step = (
        "create the folder at the vendor, or correct `directory` in the target"
    )

    def put(
        self, local: Path, name: str, on_bytes: Callable[[int], None]
    ) -> int | None:
        """Upload with many writes under way; every answer of the server is read."""
        step = "check free space, quota and write permission of the folder"
        with (
            opened(local) as source,
            self._guarded(f"upload {name}", step, whole=True) as watch,
            self._client.open(name, "wb") as target,
        ):
            on_bytes(0)
            _send(source, target, watch, on_bytes)
            with suppress(OSError):  # a server need not tell
                return target.stat().st_size
        return None

    def stat(self, name: str) -> FileStat | None:
        """Size and time of a file, None if there is none."""
        with self._guarded(f"look at {name}"):
            try:
                found = self._client.stat(name)
            except OSError as exc:
                if exc.errno == errno.ENOENT:
                    return None
                raise
        if found.st_mode is not None and stat.S_ISDIR(found.st_mode):
            raise DestinationError(
                f"There is a folder named {name} where a file is to go",
                where=self._settings.where,
                not_done="nothing was put in its place",
                next_step="have the vendor remove the folder",
            )
        return FileStat(found.st_size, found.st_mtime)

    def set_mtime(self, name: str, mtime_seconds: int) -> None:
        """Set access and modification time."""
        step = f"for a server that refuses this, set_mtime: false in the target; {TAKES_AWAY}"
        with self._guarded(f"set the time of {name}", step):
            self._client.utime(name, (mtime_seconds, mtime_seconds))

    def replace(self, old: str, new: str) -> None:
        """Rename over the old file; in two steps where the server cannot do it in one."""
        step = (
            "for a server that refuses renames, use_temp_names: false in the target; "
            + TAKES_AWAY
        )
        with self._guarded(f"rename {old} to {new}", step):
            try:
                self._client.posix_rename(old, new)
            except OSError:
                if not self._is_open():
                    raise
                self._replace_in_two_steps(old, new)

    def _replace_in_two_steps(self, old: str, new: str) -> None:
        """Remove, then rename; but not if the server refuses every rename.

        A plain rename onto a file that is there fails without a reason; permission
        denied or a missing file is another matter, and the old file must stay.
        """
        try:
            self._client.rename(old, new)
        except OSError as exc:
            if exc.errno is not None or not self._is_open():
                raise
            self._client.remove(new)
            self._client.rename(old, new)

    def remove(self, name: str) -> None:
        """Delete a file."""
        with self._guarded(f"delete {name}"):
            self._client.remove(name)

    def sha256(self, name: str) -> str:
        """Read the file back (requests ahead of answers) and hash it."""
        digest = hashlib.sha256()
        step = (
            "for a server that refuses reading, confirm_hash: false in the target; "
            + TAKES_AWAY
        )
        with (
            self._guarded(f"read {name} back", step, whole=True) as watch,
            self._client.open(name, "rb") as source,
        ):
            source.prefetch()
            while chunk := source.read(CHUNK_BYTES):
                digest.update(chunk)
                watch.moved()
        return digest.hexdigest()

    def listing(self) -> list[str]:
        """Names of all entries, sorted."""
        with self._guarded("list the folder"):
            return sorted(self._client.listdir())


def _send(
    source: BinaryIO,
    target: paramiko.SFTPFile,
    watch: Watch,
    on_bytes: Callable[[int], None],
) -> None:
    """Write in chunks; a write that is not pipelined reads all answers so far.

    paramiko's own `put` never looks at the answers to the last hundred writes, so a
    full disk can go unnoticed there.
    """
    size = os.fstat(source.fileno()).st_size
    sent = 0
    for number, chunk in enumerate(iter(lambda: source.read(CHUNK_BYTES), b""), 1):
        sent += len(chunk)
        target.set_pipelined(sent < size and number % CHUNKS_UNDER_WAY != 0)
        target.write(chunk)
        watch.moved()
        on_bytes(sent)
