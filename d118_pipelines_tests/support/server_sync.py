"""A whole sync against a real server, over a line that can be cut.

Belongs here: the settings that the target's YAML names, what stands on the server, what
only a verified delivery may change. Not here: the faults themselves.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

from d118_pipelines.delivery.files import DeliveryReport
from d118_pipelines.delivery.sftp import SftpRemote
from d118_pipelines.ssh.address import parse_address
from d118_pipelines.state import database as db
from d118_pipelines.targets.destination_model import SftpDestination
from d118_pipelines.workflows.targets.deliver import Delivered, deliver_plan
from d118_pipelines.workflows.targets.deliveries import file_set_of
from d118_pipelines.workflows.targets.destinations import FileDestination, sftp_settings
from d118_pipelines.workflows.targets.export import MadeExport
from d118_pipelines_tests.support.district import Person
from d118_pipelines_tests.support.project import ProjectFolder
from d118_pipelines_tests.support.relay import Relay
from d118_pipelines_tests.support.sshd import FOLDER, PASSWORD, Sshd, can_isolate
from d118_pipelines_tests.support.sync import Sync
from d118_pipelines_tests.support.watched_remote import WatchedRemote

INBOUND = "inbound"
PREFIX = {"hr_records": "HRRECORDS_SFTP", "smartfind": "SFE_SFTP"}
Files = dict[str, tuple[bytes, int]]


class Line(Relay):
    """One address for good, whatever happens behind it: the ledger belongs to it.

    limit: each new connection breaks after so many bytes from the client; None: never.
    """

    def __init__(self, port: int) -> None:
        self.limit: int | None = None
        super().__init__(port, self._limits_from_now_on())

    def _limits_from_now_on(self) -> Iterator[int | None]:
        while True:
            yield self.limit


class ServerSync(Sync):
    """A sync that delivers to the server; `environment` holds what its YAML names.

    SmartFind logs in with `private.pem`, HR Records with a password where the server
    has an account of its own, else with the key too.
    """

    def __init__(
        self,
        folder: Path,
        target: str,
        people: Iterable[Person],
        *,
        server: Sshd,
        port: int,
    ) -> None:
        prefix = PREFIX[target]
        self.server = server
        self.port = port
        self.environment = {
            f"{prefix}_ADDRESS": f"127.0.0.1:{port}",
            f"{prefix}_USERNAME": server.account,
        }
        changes: dict[str, Any] = {
            "destination.address_env": f"{prefix}_ADDRESS",
            "destination.directory": f"./{FOLDER}/{INBOUND}",
        }
        if target == "hr_records" and can_isolate():
            self.environment[f"{prefix}_PASSWORD"] = PASSWORD
        else:
            changes["destination.password_env"] = None
            changes["destination.key_file"] = "private.pem"
        super().__init__(folder, target, people, changes=changes)
        self.use_key("login")
        self.trust("host_ed25519")

    @classmethod
    def attached(cls, folder: Path, target: str, now: dt.datetime) -> ServerSync:
        """The sync that lives in a folder, with this process's own environment."""
        sync = cls.__new__(cls)
        sync.name = target
        sync.now = now
        sync.environment = {}
        sync._target = None
        sync._live_in(folder)
        return sync

    def copied(self, folder: Path) -> ServerSync:
        """As `Sync.copied`; the server is the same one."""
        other = super().copied(folder)
        assert isinstance(other, ServerSync)
        other.environment = dict(self.environment)
        return other

    def use_key(self, name: str) -> None:
        """Make a key of the server's set the project's `private.pem`."""
        shutil.copy(self.server.keys.private(name), self.project.root / "private.pem")

    def trust(self, key: str) -> None:
        """Make one key the only one in `known_hosts`; '' for none."""
        line = (
            f"[127.0.0.1]:{self.port} {self.server.keys.public(key)}\n" if key else ""
        )
        (self.project.root / "known_hosts").write_text(line, encoding="ascii")

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Have the settings in the environment."""
        with patch.dict(os.environ, self.environment):
            yield

    def seed(self, newest_dcid: int) -> None:
        """Import a watermark for the server."""
        with self.entered():
            super().seed(newest_dcid)

    def _make(self) -> MadeExport:
        with self.entered():
            return super()._make()

    def deliver(
        self,
        after: Callable[[str], None] | None = None,
        limits: Mapping[str, float] | None = None,
        **more: Any,
    ) -> Delivered[DeliveryReport]:
        """Send what this run made, without pauses; a minute passes.

        after: told of every call to the server. limits: other time limits. more: of
        the `FileSet`.
        """
        with self.entered():
            if after or limits:
                more["destination"] = self._destination(after, limits or {})
            still = {"clock": lambda: self.now, "sleep": lambda seconds: None}
            way = replace(file_set_of(self.project, self.target), **{**still, **more})
            delivered = deliver_plan(way, run_id=self.run_id)
        self.now += dt.timedelta(minutes=1)
        return delivered

    def _destination(
        self, after: Callable[[str], None] | None, limits: Mapping[str, float]
    ) -> FileDestination:
        wanted = self.target.model.destination
        assert isinstance(wanted, SftpDestination)
        address = parse_address(os.environ[wanted.address_env], describe="the server")
        settings = sftp_settings(self.project, self.target, wanted, address)
        settings = replace(settings, **limits)  # type: ignore[arg-type]
        return replace(
            file_set_of(self.project, self.target).destination,
            connect=lambda: WatchedRemote(
                SftpRemote(settings), after=after or (lambda call: None)
            ),
        )

    @property
    def inbound(self) -> Path:
        """The server's folder."""
        return self.server.folder / INBOUND

    @property
    def names(self) -> list[str]:
        """The final names of the set, in order."""
        return [file.file for file in self.target.model.files]

    def on_server(self) -> Files:
        """Bytes and modification time of everything in the server's folder, by name."""
        return {
            path.name: (path.read_bytes(), path.stat().st_mtime_ns)
            for path in self.inbound.iterdir()
        }

    def final_on_server(self) -> Files:
        """The same for the names that the vendor imports."""
        return {n: found for n, found in self.on_server().items() if n in self.names}

    def put_on_server(self, files: Files) -> None:
        """Make the server's folder hold exactly these files."""
        shutil.rmtree(self.inbound, ignore_errors=True)
        self.inbound.mkdir()
        for name, (data, time_ns) in files.items():
            (self.inbound / name).write_bytes(data)
            os.utime(self.inbound / name, ns=(time_ns, time_ns))

    def kept(self) -> dict[str, Any]:
        """What only a verified delivery may change; compare two of these."""
        verified = [row for row in self.deliveries() if row["status"] == "verified"]
        return {
            "ledger": self.ledger(),
            "seeds": self.rows(db.ledger_seeds),
            "verified": verified,
        }

    def ledger_facts(self) -> list[dict[str, Any]]:
        """The ledger without what differs from run to run: ids, and times within a day."""
        last = [r["id"] for r in self.deliveries() if r["status"] == "verified"][-1]
        return [
            {
                **row,
                "state_at": row["state_at"].date(),
                "first_delivered_at": row["first_delivered_at"].date(),
                "last_delivered_at": row["last_delivered_at"].date(),
                "last_delivery": row["last_delivery"] == last,
            }
            for row in self.ledger()
        ]


def use_server(project: ProjectFolder, server: Sshd, port: int) -> None:
    """Give a project folder the settings of both targets for the server, made empty."""
    for path in server.folder.iterdir():
        if path.is_file():
            path.unlink()
    project.edit(
        "mappings/targets/hr_records.yaml",
        "directory: /syncNine/Inbound",
        f"directory: ./{FOLDER}",
    )
    if not can_isolate():
        project.edit(
            "mappings/targets/hr_records.yaml",
            "password_env: HRRECORDS_SFTP_PASSWORD",
            "key_file: private.pem",
        )
    shutil.copy(server.keys.private("login"), project.root / "private.pem")
    line = f"[127.0.0.1]:{port} {server.keys.public('host_ed25519')}\n"
    (project.root / "known_hosts").write_text(line, encoding="ascii")
    for prefix in PREFIX.values():
        project.environment[f"{prefix}_ADDRESS"] = f"127.0.0.1:{port}"
        project.environment[f"{prefix}_USERNAME"] = server.account
    project.environment[f"{PREFIX['hr_records']}_PASSWORD"] = PASSWORD
