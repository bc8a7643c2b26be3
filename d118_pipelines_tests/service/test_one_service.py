"""`d118 service PART`: each service a process of its own, as systemd and containers run them."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from d118_pipelines.kernel.processes import daemons
from d118_pipelines_tests.service.test_services import LAUNCH
from d118_pipelines_tests.support.dagster_ui import CLIENT
from d118_pipelines_tests.support.project import ProjectFolder, program

pytestmark = [pytest.mark.real, pytest.mark.long, pytest.mark.timeout(900)]
START_SECONDS = 200.0


def two_free_ports() -> int:
    """The lower of two neighbours that nobody listens on."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


@contextmanager
def running(project: ProjectFolder, part: str, foreign: str) -> Iterator[None]:
    """The service of the folder, started in another one with another's variables."""
    basis = project.variables({"DAGSTER_HOME": foreign, "D118_HOME": foreign})
    process = subprocess.Popen(
        [program("d118"), "--project", str(project.root), "service", part],
        cwd=project.root.parent,
        env=basis,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
        assert process.poll() is None, f"{part} ended"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def wait_for(url: str) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        try:
            CLIENT.get(url)
            return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError(f"{url} does not answer")


def asked(port: int, query: str) -> str:
    url = f"http://127.0.0.1:{port}/graphql"
    return CLIENT.post(url, json={"query": query}, timeout=60).text


def test_they_meet_at_the_socket_and_the_view_changes_nothing(tmp_path: Path) -> None:
    project = ProjectFolder(tmp_path / "north")
    port = two_free_ports()
    (project.root / ".env").touch(mode=0o600)
    (project.root / ".env").write_text(f"D118_UI_PORT={port}\n")

    with ExitStack() as stack:
        for part in ("web", "view", "daemon", "code"):  # whichever comes first waits
            stack.enter_context(running(project, part, str(tmp_path / "foreign")))
        for server in (port, port + 1):
            wait_for(f"http://127.0.0.1:{server}/server_info")
        assert "hr_records" in asked(port + 1, "{ assetNodes { assetKey { path } } }")
        refused, done = (asked(p, LAUNCH % "approve") for p in (port + 1, port))
        assert len(daemons(project.root)) == 1
        sockets = project.home / "run"
        assert sockets.stat().st_mode & 0o777 == 0o700
        strange = CLIENT.get(
            f"http://127.0.0.1:{port + 1}/", headers={"Host": "other.example"}
        )

    assert "UnauthorizedError" in refused
    assert "UnauthorizedError" not in done
    assert strange.status_code == 421, "the guard is before both"
    assert not (tmp_path / "foreign").exists()


def test_a_part_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    project = ProjectFolder(tmp_path / "north")

    answer = project.d118("service", "webserver")

    assert answer.code == 2
    assert "code, daemon, web, view" in answer.err
