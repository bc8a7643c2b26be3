"""A folder on an SFTP server to read from: its listing, and downloads with a check.

Used by the sources that read files; `OpenedFolder` by `delivery/sftp.py` too, which
writes. Connecting is in `session.py`, the time limits are kept by `calls.py`.
"""

from __future__ import annotations

import errno
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from d118_pipelines.errors import (
    ConnectionLostError,
    D118Error,
    DestinationError,
    IncompleteExtractError,
    TimeLimitError,
)
from d118_pipelines.ssh.calls import NOT_RECORDED, Watch
from d118_pipelines.ssh.session import open_transport

if TYPE_CHECKING:
    from d118_pipelines.ssh.settings import SftpSettings

CHUNK_BYTES = 32768
REQUESTS_UNDER_WAY = 64
NOT_READ = "no file of this folder was stored"
_REFUSALS = {
    None: "the server refused it without a reason",
    errno.ENOENT: "the server says that there is no such file or folder",
    errno.EACCES: "the server says permission denied",
}


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

    @contextmanager
    def _guarded(
        self, action: str, next_step: str = "", *, whole: bool = False
    ) -> Iterator[Watch]:
        """Run one call within its time limits and translate what it raises.

        action: what is being done, as in "upload W2SSO.csv". next_step: what helps when
        the server refuses it. whole: it is the transfer of a file.
        """
        import paramiko

        stall = self._settings.channel_timeout_seconds
        limit = self._settings.transfer_limit_seconds if whole else stall
        watch = Watch(self._transport.close, stall, limit)
        try:
            with watch:
                yield watch
        except (paramiko.SSHException, paramiko.SFTPError, EOFError, OSError) as exc:
            # What a server says may hold paths or names of accounts: it is not told.
            if watch.expired:
                raise TimeLimitError(
                    f"Could not {action}: it {watch.expired}",
                    where=self._settings.where,
                    not_done=self.not_done,
                    next_step="run again later; if it happens again, ask the vendor",
                ) from None
            raise self._translated(exc, action, next_step) from None

    def _translated(self, exc: Exception, action: str, next_step: str) -> D118Error:
        """Refused by the server, or broken on the way? paramiko uses OSError for both."""
        import paramiko

        number = exc.errno if isinstance(exc, OSError) else None
        is_broken = isinstance(exc, paramiko.SSHException | EOFError)
        if is_broken or not self._is_open() or number not in _REFUSALS:
            return ConnectionLostError(
                f"The connection was lost at the step: {action}",
                where=self._settings.where,
                not_done=self.not_done,
                next_step="run again; if it happens again, ask the vendor and the "
                "network team",
            )
        return DestinationError(
            f"Could not {action}: {_REFUSALS[number]}",
            where=self._settings.where,
            not_done=self.not_done,
            next_step=next_step or "check the folder and the account with the vendor",
        )

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
