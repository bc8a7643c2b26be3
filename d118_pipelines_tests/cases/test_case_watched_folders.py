"""Folders far away that a sensor watches: what is told when nobody can look into them.

The cases of watched folders; a test is named after its number.
"""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from pytest_httpserver import HTTPServer

from d118_pipelines.definitions import build_definitions
from d118_pipelines.workflows.providers.arrivals import UNREACHED_LOOKS, FailedLook
from d118_pipelines_tests.support.roster_sync import RosterProject, entry, files
from d118_pipelines_tests.support.sshd import FOLDER, Sshd

HOOK = "/hooks/canary"
CHICAGO = ZoneInfo("America/Chicago")
START = dt.datetime(2026, 11, 27, 12, 0, tzinfo=dt.UTC)


class Watched:
    """A provider whose sets come by SFTP, its sensor, and who is told."""

    def __init__(self, base: Path, server: Sshd, httpserver: HTTPServer) -> None:
        httpserver.expect_request(HOOK, method="POST").respond_with_data("ok")
        self.server, self._http = server, httpserver
        sftp = {
            "host": "127.0.0.1",
            "port": server.port,
            "username": server.account,
            "privateKeyPath": "private.pem",
        }
        config = {"sftp": sftp, "remotePath": f"./{FOLDER}"}
        self.project = RosterProject(base, entry("far", "ONEROSTER_CSV", config))
        key = server.keys.private("login").read_bytes()
        (base / "private.pem").write_bytes(key)
        (base / "private.pem").chmod(0o600)
        self.show("host_ed25519")
        self.project.environment["ALERT_WEBHOOK_URL"] = httpserver.url_for(HOOK)
        self._sensor = build_definitions(self.project.project).resolve_sensor_def(
            "far_files_sensor"
        )

    def show(self, key: str) -> None:
        """Make this key the known one."""
        line = f"[127.0.0.1]:{self.server.port} {self.server.keys.public(key)}\n"
        (self.project.root / "known_hosts").write_text(line)

    def allow(self, key: str) -> None:
        """Let this key log in, and no other."""
        path = self.server.folder.parents[1] / "authorized_keys"
        path.write_text(self.server.keys.public(key) + "\n")

    def look(self) -> str:
        """Evaluate the sensor as the daemon does; what the tick says."""
        with self.project.entered():
            try:
                found = self._sensor.evaluate_tick(dg.build_sensor_context())
            except dg.Failure as exc:
                return f"failed: {exc}"
        return f"skipped: {found.skip_message}"

    def told(self) -> list[dict[str, str]]:
        return [json.loads(request.data) for request, _ in self._http.log]

    def status(self) -> dict[str, str]:
        answer = self.project.d118("status", "--provider", "far", "--json").json()
        return dict(answer)


@pytest.fixture
def watched(tmp_path: Path, sshd: Sshd, httpserver: HTTPServer) -> Watched:
    return Watched(tmp_path / "project", sshd, httpserver)


@pytest.mark.long
@pytest.mark.real
def test_case_32_a_changed_login_is_told_at_the_first_look(watched: Watched) -> None:
    assert watched.look().startswith("skipped")
    watched.allow("other_ed25519")

    looks = [watched.look() for _ in range(3)]

    assert all("failed" in look and "refused the key" in look for look in looks)
    [alert] = watched.told()
    assert alert["title"] == "FAILED: far; nobody can look for its files"
    assert "refused the key" in alert["text"]
    assert watched.server.log_text().count("Failed publickey") == 2, "1 and 2, not 3"
    assert "refused the key" in watched.status()["failed_look"]
    table = watched.project.d118("status", "--provider", "far").out
    assert "cannot look for files" in table

    watched.allow("login")
    assert watched.look().startswith("skipped")
    assert watched.status()["failed_look"] == ""


@pytest.mark.long
@pytest.mark.real
def test_case_32_a_changed_host_key_is_told_at_the_first_look(watched: Watched) -> None:
    watched.show("other_ed25519")

    looks = [watched.look() for _ in range(3)]

    assert all("another host key" in look for look in looks)
    [alert] = watched.told()
    assert "another host key" in alert["text"]
    assert watched.server.login_attempts == 0
    assert "another host key" in watched.status()["failed_look"]

    (watched.project.root / "known_hosts").unlink()
    watched.look()
    assert len(watched.told()) == 2, "another cause"


@pytest.mark.real
def test_case_32_an_unreachable_server_only_skips(
    watched: Watched,
) -> None:
    watched.server.process.kill()
    watched.server.process.wait()

    looks = [watched.look() for _ in range(3)]

    assert all("skipped" in look and "cannot be reached" in look for look in looks)
    assert watched.told() == []
    assert "cannot be reached" in watched.status()["failed_look"]
    path = watched.project.home / "looks/far.json"
    kept = json.loads(path.read_bytes())
    path.write_text(json.dumps({**kept, "looks": UNREACHED_LOOKS - 1}))
    watched.look()
    watched.look()
    [alert] = watched.told()
    assert "cannot be reached" in alert["text"]


@pytest.mark.parametrize(
    ("schedule", "hours", "looks", "is_told"),
    [
        (None, 1, UNREACHED_LOOKS - 1, False),
        (None, 1, UNREACHED_LOOKS, True),
        ("0 9 * * *", 2, 5, False),
        ("0 9 * * *", 4, 5, True),
    ],
)
def test_case_32_an_unreachable_server_is_told_past_the_deadline(
    tmp_path: Path,
    schedule: str | None,
    hours: int,
    looks: int,
    is_told: bool,
) -> None:
    """Since 12:00 UTC, which is 06:00 in the district; its files are due at 9."""
    failed = FailedLook(
        START.isoformat(),
        (START + dt.timedelta(hours=hours)).isoformat(),
        looks,
        "not reached",
        "not reached",
        is_refused=False,
        is_unreached=True,
    )
    far = files(tmp_path, "far", schedule=schedule)
    [provider] = RosterProject(tmp_path / "project", far).project.providers()

    alert = failed.alert(provider, CHICAGO)

    assert (alert is not None) is is_told
