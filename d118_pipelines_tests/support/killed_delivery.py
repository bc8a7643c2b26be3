"""A delivery in a process of its own that kills itself after a chosen call.

Belongs here: the process. Not here: what must hold afterwards.

    python -m d118_pipelines_tests.support.killed_delivery JOB.json

The job names the call (`replace 2`), the files, and a folder or an SFTP server.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from d118_pipelines.config.delivery_options import DeliveryOptions
from d118_pipelines.delivery.files import FileToSend
from d118_pipelines.delivery.folder import FolderRemote
from d118_pipelines.delivery.remote import Remote
from d118_pipelines.delivery.sequence import deliver_set
from d118_pipelines.delivery.sftp import SftpRemote
from d118_pipelines.ssh.address import Address
from d118_pipelines.ssh.settings import SftpSettings
from d118_pipelines_tests.support.watched_remote import WatchedRemote


def run_and_kill(
    job: Path, call: str, files: Sequence[FileToSend], target: Path | SftpSettings
) -> int:
    """Deliver in a child process that kills itself after the call; its return code."""
    content: dict[str, Any] = {
        "call": call,
        "files": [
            [file.name, str(file.path), file.size_bytes, file.sha256] for file in files
        ],
    }
    if isinstance(target, Path):
        content["folder"] = str(target)
    else:
        content["sftp"] = {
            "port": target.address.port,
            "username": target.username,
            "key_file": str(target.key_file),
            "known_hosts": str(target.known_hosts),
            "directory": target.directory,
        }
    job.write_text(json.dumps(content), encoding="utf-8")
    command = [sys.executable, "-m", __name__, str(job)]
    return subprocess.run(command, timeout=400).returncode


def _connect(job: dict[str, Any]) -> Remote:
    if "folder" in job:
        return FolderRemote(Path(job["folder"]))
    sftp = job["sftp"]
    return SftpRemote(
        SftpSettings(
            address=Address("127.0.0.1", sftp["port"]),
            username=sftp["username"],
            password=None,
            key_file=Path(sftp["key_file"]),
            key_passphrase=None,
            known_hosts=Path(sftp["known_hosts"]),
            directory=sftp["directory"],
        )
    )


def _main(path: Path) -> None:
    job = json.loads(path.read_text(encoding="utf-8"))
    files = [
        FileToSend(name, Path(local), size, sha256)
        for name, local, size, sha256 in job["files"]
    ]

    def kill(call: str) -> None:
        if call == job["call"]:
            os.kill(os.getpid(), signal.SIGKILL)

    deliver_set(
        lambda: WatchedRemote(_connect(job), after=kill),
        files,
        DeliveryOptions(set_mtime=True, ordered_mtimes=True),
        now=lambda: dt.datetime.now(dt.UTC),
    )


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
