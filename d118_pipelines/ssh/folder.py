"""A folder on an SFTP server to read from: its listing, and downloads with a check.

Used by the sources that read files; `OpenedFolder` by `delivery/sftp.py` too, which
writes. Connecting is in `session.py`, limits and error texts are in `calls.py`.
"""

from __future__ import annotations

import stat
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from d118_pipelines.errors import IncompleteExtractError
from d118_pipelines.ssh.calls import NOT_RECORDED, Line, Watch, guarded
from d118_pipelines.ssh.session import open_transport

if TYPE_CHECKING:
    from d118_pipelines.ssh.settings import SftpSettings

CHUNK_BYTES = 32768
REQUESTS_UNDER_WAY = 64
NOT_READ = "no file of this folder was stored"


class OpenedFolder:
    """One folder between enter and exit; `_client` is in it.

    Raises on enter: ConfigurationError, AuthenticationError, HostKeyError; in every
    call DestinationError (refused), ConnectionLostError, TimeLimitError.
    """

    # What was not done when a call fails, and what helps when there is no such folder.
    not_done: ClassVar[str] = NOT_RECORDED
    folder_step: ClassVar[str] = "correct the folder's path"

    def __init__(self, settings: SftpSettings) -> None:
        self._settings = settings

    def __enter__(self) -> Self:
        self._transport = open_transport(self._settings)
        try:
            self._open_folder()
        except BaseException:
            self._transport.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._transport.close()

    def _open_folder(self) -> None:
        import paramiko

        with self._guarded("open the SFTP service"):
            self._channel = self._transport.open_session()
            self._channel.invoke_subsystem("sftp")
            self._client = paramiko.SFTPClient(self._channel)
        with self._guarded("open the folder", self.folder_step):
            self._client.chdir(self._settings.directory)

    def _guarded(
        self, action: str, next_step: str = "", *, whole: bool = False
    ) -> AbstractContextManager[Watch]:
        """Limits and errors of one call; `whole` for the transfer of a file."""
        stall = self._settings.channel_timeout_seconds
        line = Line(
            where=self._settings.where,
            close=self._transport.close,
            is_open=self._is_open,
            stall_seconds=stall,
            whole_seconds=self._settings.transfer_limit_seconds if whole else stall,
            not_done=self.not_done,
        )
        return guarded(line, action, next_step)

    def _is_open(self) -> bool:
        return self._transport.is_active() and not self._channel.closed


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
