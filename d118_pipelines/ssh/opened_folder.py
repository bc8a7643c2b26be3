"""One folder of an SFTP server between enter and exit: its session and its calls.

Belongs here: what reading and writing share. Not here: connecting and logging in
(`session.py`), limits and error texts (`calls.py`), the calls themselves (`folder.py`,
`delivery/sftp.py`).
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, ClassVar, Self

from d118_pipelines.ssh.calls import NOT_RECORDED, Line, Watch, guarded
from d118_pipelines.ssh.session import open_transport

if TYPE_CHECKING:
    from d118_pipelines.ssh.settings import SftpSettings


class OpenedFolder:
    """Opened by `with`; `_client` is in the folder.

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
