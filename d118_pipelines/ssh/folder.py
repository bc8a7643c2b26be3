"""A folder on an SFTP server to read from: its listing, and downloads with a check.

Belongs here: reading. Not here: writing (`delivery/sftp.py`), opening
(`opened_folder.py`), what the files mean.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path

from d118_pipelines.errors import IncompleteExtractError
from d118_pipelines.ssh.opened_folder import OpenedFolder

CHUNK_BYTES = 32768
REQUESTS_UNDER_WAY = 64
NOT_READ = "no file of this folder was stored"


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A regular file of the folder; bytes, and seconds since 1970 UTC."""

    name: str
    size_bytes: int
    mtime_seconds: int


class SftpFolder(OpenedFolder):
    """One folder of an SFTP server, open for reading between enter and exit.

    Raises in every call: DestinationError (refused), ConnectionLostError,
    TimeLimitError; on enter also ConfigurationError, AuthenticationError, HostKeyError.
    """

    not_done = NOT_READ

    def files(self) -> list[RemoteFile]:
        """The regular files, sorted by name; links and folders are left out."""
        with self._guarded("list the folder"):
            entries = self._client.listdir_attr()
        return sorted(
            (
                RemoteFile(e.filename, e.st_size or 0, e.st_mtime or 0)
                for e in entries
                if e.st_mode is not None
                and stat.S_ISREG(e.st_mode)
                and "/" not in e.filename  # a name from outside, used as a local one
            ),
            key=lambda file: file.name,
        )

    def read_start(self, name: str, limit_bytes: int) -> bytes:
        """The first bytes of a file."""
        with self._guarded(f"read {name}"), self._client.open(name, "rb") as source:
            return source.read(limit_bytes)

    def download(self, file: RemoteFile, target: Path) -> None:
        """Copy a file, readable by the owner alone, and compare with the listing.

        Raises: also IncompleteExtractError if the file has another size than listed,
        or changed while it was read.
        """
        size = 0
        with (
            self._guarded(f"download {file.name}", whole=True) as watch,
            self._client.open(file.name, "rb") as source,
            target.open("xb") as local,
        ):
            target.chmod(0o600)
            source.prefetch(file.size_bytes, REQUESTS_UNDER_WAY)
            while size <= file.size_bytes and (chunk := source.read(CHUNK_BYTES)):
                size += len(chunk)
                local.write(chunk)
                watch.moved()
        if size != file.size_bytes or self._now(file.name) != file:
            raise IncompleteExtractError(
                "A file changed while it was downloaded.",
                where=f"{self._settings.where}, {file.name}",
                rule="the size of a download equals the size in the listing",
                not_done=NOT_READ,
                next_step="run again when the upload is done",
            )

    def _now(self, name: str) -> RemoteFile:
        with self._guarded(f"look at {name}"):
            found = self._client.stat(name)
        return RemoteFile(name, found.st_size or 0, found.st_mtime or 0)
