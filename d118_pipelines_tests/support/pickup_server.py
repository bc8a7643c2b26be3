"""An SFTP server of a vendor that picks up every file as soon as it is closed.

Belongs here: the server, made of paramiko's SFTP server on loopback. Not here: OpenSSH
(`sshd.py`), which leaves files where they are.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paramiko

PASSWORD = "canary-Passw0rd-33"
PickUp = Callable[[Path, Path], None]


def move(path: Path, inbox: Path) -> None:
    path.replace(inbox / path.name)


def empty(path: Path, inbox: Path) -> None:
    """Keep the name, take the bytes."""
    (inbox / path.name).write_bytes(path.read_bytes())
    path.write_bytes(b"")


@dataclass(frozen=True, slots=True)
class PickupServer:
    """Any name may log in with `PASSWORD`. folder: of the login; inbox: what was taken."""

    port: int
    folder: Path
    inbox: Path

    def taken(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.inbox.iterdir()}


@contextmanager
def pickup_server(
    base: Path, host_key: Path, pick_up: PickUp = move
) -> Iterator[PickupServer]:
    """Serve until the end; pick_up: what happens to a file that was closed."""
    folder, inbox = base / "upload1", base / "inbox"
    for path in (folder, inbox):
        path.mkdir(parents=True)
    listener = socket.create_server(("127.0.0.1", 0))
    key = paramiko.Ed25519Key.from_private_key_file(str(host_key))
    transports: list[paramiko.Transport] = []

    def closed(path: Path) -> None:
        pick_up(path, inbox)

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transports.append(transport)
            transport.add_server_key(key)
            transport.set_subsystem_handler(
                "sftp", paramiko.SFTPServer, _Files, base, closed
            )
            transport.start_server(event=threading.Event(), server=_AnyName())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield PickupServer(listener.getsockname()[1], folder, inbox)
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for transport in transports:
            transport.close()
        thread.join()


class _AnyName(paramiko.ServerInterface):
    def check_auth_password(self, username: str, password: str) -> int:
        right = password == PASSWORD
        return paramiko.AUTH_SUCCESSFUL if right else paramiko.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED


class _Handle(paramiko.SFTPHandle):
    def __init__(self, path: Path, mode: str, closed: Callable[[Path], None]) -> None:
        super().__init__()
        self._path, self._closed = path, closed
        self.readfile = self.writefile = path.open(mode)  # type: ignore[assignment]
        self._is_written = "w" in mode

    def close(self) -> None:
        super().close()
        if self._is_written:
            self._closed(self._path)


class _Files(paramiko.SFTPServerInterface):
    def __init__(self, server: Any, base: Path, closed: Callable[[Path], None]) -> None:
        super().__init__(server)
        self._base, self._closed = base, closed

    def _at(self, path: str) -> Path:
        return self._base / path.lstrip("/")

    def stat(self, path: str) -> Any:
        try:
            return paramiko.SFTPAttributes.from_stat(self._at(path).stat())
        except OSError as exc:
            return paramiko.SFTPServer.convert_errno(exc.errno or 0)

    lstat = stat

    def open(self, path: str, flags: int, attr: Any) -> Any:
        try:
            return _Handle(self._at(path), "wb" if flags & 1 else "rb", self._closed)
        except OSError as exc:
            return paramiko.SFTPServer.convert_errno(exc.errno or 0)

    def rename(self, oldpath: str, newpath: str) -> int:
        try:
            self._at(oldpath).rename(self._at(newpath))
        except OSError as exc:
            return paramiko.SFTPServer.convert_errno(exc.errno or 0)
        return paramiko.SFTP_OK

    posix_rename = rename

    def chattr(self, path: str, attr: Any) -> int:
        try:
            paramiko.SFTPServer.set_file_attr(str(self._at(path)), attr)
        except OSError as exc:
            return paramiko.SFTPServer.convert_errno(exc.errno or 0)
        return paramiko.SFTP_OK
