"""What `make ui` starts, over a temporary project: web server, daemon and code server.

Belongs here: starting it, asking it by GraphQL, ending it with all its processes. Not
here: the project's files and environment (`project.py`), the browser (`browser/`).
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from d118_pipelines_tests.support.project import ProjectFolder

START_SECONDS = 400.0
STOP_SECONDS = 15.0
RUN_SECONDS = 400.0
CLIENT = httpx.Client(verify=False, limits=httpx.Limits(max_keepalive_connections=0))
"""A new one for each question would read all certificates, which takes longer."""
FINISHED = {"SUCCESS", "FAILURE", "CANCELED"}

_ASSETS = "{ assetNodes { assetKey { path } } }"
_RUN = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
_RUNS = "{ runsOrError { ... on Runs { results { runId } } } }"
_EVENTS = """query($id: ID!, $after: String) { logsForRun(runId: $id, afterCursor: $after) {
  ... on EventConnection { cursor hasMore events {
    __typename
    ... on MessageEvent { message stepKey }
    ... on DisplayableEvent { label description metadataEntries { label description
      ... on TextMetadataEntry { text }
      ... on MarkdownMetadataEntry { mdStr } } }
    ... on ErrorEvent { error { message stack causes { message stack } } }
} } } }"""
_LAUNCH = """mutation($params: ExecutionParams!) {
  launchRun(executionParams: $params) { __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on RunConfigValidationInvalid { errors { message } }
    ... on PythonError { message } } }"""


@dataclass(frozen=True, slots=True)
class DagsterUi:
    """A running server: `url` without a slash at its end, and the project it serves.

    headers: what is sent beside each question.
    """

    url: str
    project: ProjectFolder

    headers: Mapping[str, str] = field(default_factory=dict)

    def graphql(self, query: str, **variables: Any) -> dict[str, Any]:
        """Ask the server; returns `data` and fails on any GraphQL error."""
        body = {"query": query, "variables": variables}
        answer = CLIENT.post(
            f"{self.url}/graphql", json=body, headers=self.headers, timeout=30
        ).json()
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    def launch(
        self, job: str, run_config: Mapping[str, Any] | None = None, **tags: str
    ) -> str:
        """Launch a job with tags, as typed by a person, and return the run's id."""
        selector = {
            "repositoryLocationName": "d118",
            "repositoryName": "__repository__",
            "jobName": job,
        }
        params = {
            "selector": selector,
            "runConfigData": dict(run_config or {}),
            "executionMetadata": {
                "tags": [{"key": key, "value": value} for key, value in tags.items()]
            },
        }
        launched = self.graphql(_LAUNCH, params=params)["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        run_id: str = launched["run"]["runId"]
        return run_id

    def wait_for_run(self, run_id: str) -> str:
        """Wait until the run is over and return its status."""
        end = time.monotonic() + RUN_SECONDS
        while time.monotonic() < end:
            status: str = self.graphql(_RUN, id=run_id)["runOrError"]["status"]
            if status in FINISHED:
                return status
            time.sleep(0.5)
        raise TimeoutError(f"run {run_id} did not end in {RUN_SECONDS:g} s")

    def run_ids(self) -> list[str]:
        """All runs, newest first."""
        return [r["runId"] for r in self.graphql(_RUNS)["runsOrError"]["results"]]

    def events(self, run_id: str) -> list[dict[str, Any]]:
        """The event log of a run with its messages, metadata and errors."""
        events: list[dict[str, Any]] = []
        after, more = None, True
        while more:
            page = self.graphql(_EVENTS, id=run_id, after=after)["logsForRun"]
            events += page["events"]
            after, more = page["cursor"], page["hasMore"]
        return events


def materialize_all(project: ProjectFolder) -> None:
    """What `make demo` does: every asset, in a process of its own."""
    answer = project.run_d118("run", "--all")
    assert answer.code == 0, answer.out + answer.err


@contextmanager
def running_dagster(project: ProjectFolder) -> Iterator[DagsterUi]:
    """Start the services on a free port; at the end no process of them is left."""
    process, url = _start(project)
    try:
        yield DagsterUi(url, project)
    finally:
        _stop(process)
        left = _processes_of(project)
        assert not left, f"processes are left: {left}"


def _start(project: ProjectFolder) -> tuple[subprocess.Popen[bytes], str]:
    """Start on a free port; another process may take it first, so try a few."""
    log = project.root / "services.log"
    for _ in range(3):
        port = _free_port()
        url = f"http://127.0.0.1:{port}"
        process = _spawn(project, port, log)
        try:
            if _is_ready(url, process):
                return process, url
        except BaseException:
            _stop(process)
            raise
        _stop(process)
    text = log.read_text(encoding="utf-8", errors="replace")
    raise RuntimeError(f"the services did not start:\n{text}")


def _spawn(project: ProjectFolder, port: int, log: Path) -> subprocess.Popen[bytes]:
    settings = {"PYTHONWARNINGS": "ignore", "D118_UI_PORT": str(port)}
    with log.open("wb") as output, project.entered(**settings):
        return subprocess.Popen(
            [sys.executable, "-m", "d118_pipelines.service.services"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def _is_ready(url: str, process: subprocess.Popen[bytes]) -> bool:
    """Wait for the webserver, then until it lists the assets of the code server."""
    end = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        with suppress(httpx.TransportError, ValueError, KeyError, TypeError):
            CLIENT.get(f"{url}/server_info", timeout=5).raise_for_status()
            body = {"query": _ASSETS}
            answer = CLIENT.post(f"{url}/graphql", json=body, timeout=10).json()
            if answer["data"]["assetNodes"]:
                return True
        time.sleep(0.2)
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM and a while to end in order, then SIGKILL to the whole group."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _processes_of(project: ProjectFolder) -> list[int]:
    """Live processes whose home is the project, that is, all that it started (Linux)."""
    mark = f"HOME={project.root}".encode()
    end = time.monotonic() + 5
    while left := [pid for pid in _pids() if mark in _environment(pid)]:
        if time.monotonic() > end:
            return left
        time.sleep(0.1)
    return []


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").glob("[0-9]*")]


def _environment(pid: int) -> list[bytes]:
    """Empty for processes that ended or belong to somebody else."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
