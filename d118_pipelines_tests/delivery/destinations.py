"""Destinations and sets of files for the delivery tests.

Belongs here: settings for a test server, the files that are sent. Not here: servers.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from d118_pipelines.config.delivery_options import DeliveryOptions
from d118_pipelines.delivery.files import FileToSend
from d118_pipelines.delivery.folder import FolderRemote
from d118_pipelines.delivery.remote import Remote
from d118_pipelines.delivery.sftp import SftpRemote
from d118_pipelines.ssh.address import Address
from d118_pipelines.ssh.settings import SftpSettings
from d118_pipelines_tests.support.sshd import FOLDER, Sshd

NOW = dt.datetime(2025, 2, 3, 18, 0, 0, tzinfo=dt.UTC)
NAMES = ("P1ProfileBasic.csv", "W2SSO.csv", "E1PlusEmployeeWorkSchedule.csv")
ORDERED = DeliveryOptions(set_mtime=True, ordered_mtimes=True)


@dataclass(frozen=True, slots=True)
class Destination:
    """How to connect, and the folder where the files arrive."""

    connect: Callable[[], Remote]
    folder: Path

    def contents(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}


def folder_destination(folder: Path) -> Destination:
    folder.mkdir(mode=0o700)
    return Destination(lambda: FolderRemote(folder), folder)


def sftp_destination(server: Sshd, base: Path, **changes: Any) -> Destination:
    settings = sftp_settings(server, base, **changes)
    return Destination(lambda: SftpRemote(settings), server.folder)


def sftp_settings(
    server: Sshd, base: Path, *, port: int | None = None, **changes: Any
) -> SftpSettings:
    """Key login with a known_hosts file that fits; `port` for a relay in between."""
    address = Address("127.0.0.1", port or server.port)
    known_hosts = base / f"known_hosts_{address.port}"
    line = f"[127.0.0.1]:{address.port} {server.keys.public('host_ed25519')}\n"
    known_hosts.write_text(line, encoding="ascii")
    settings = SftpSettings(
        address=address,
        username=server.account,
        password=None,
        key_file=server.keys.private("login"),
        key_passphrase=None,
        known_hosts=known_hosts,
        directory=f"./{FOLDER}",
        describe="$SFE_SFTP_ADDRESS",
        describe_login="$SFE_SFTP_USERNAME and private.pem",
    )
    return replace(settings, **changes)


def make_set(
    base: Path, *, sizes: Sequence[int] = (2000, 300, 70_000), tag: str = "new"
) -> list[FileToSend]:
    """P1, W2, E1 on the local disk; `tag` makes their bytes differ."""
    folder = base / f"export_{tag}"
    folder.mkdir()
    files = []
    for name, size in zip(NAMES, sizes, strict=True):
        line = f"{tag} {name}|".encode()
        data = (line * (size // len(line) + 1))[:size]
        (folder / name).write_bytes(data)
        sha256 = hashlib.sha256(data).hexdigest()
        files.append(FileToSend(name, folder / name, size, sha256))
    return files


def bytes_of(files: Sequence[FileToSend]) -> dict[str, bytes]:
    return {file.name: file.path.read_bytes() for file in files}


def now() -> dt.datetime:
    return NOW
