"""The console over a temporary project, in this process, and a person with a browser.

Belongs here: the application as `d118 serve` builds it, with a server in Dagster's
place that keeps what it was asked; a client that signs in and sends forms. Not here:
Dagster itself (`browser/test_console.py`), facts.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

from d118_pipelines.config.console import ConsoleSettings
from d118_pipelines.console.app import console_app
from d118_pipelines.console.world import World
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.state import accounts
from d118_pipelines.state.open import state_database
from d118_pipelines_tests.support.project import ProjectFolder

SECRET_KEY = "a key of the tests, long enough to sign sessions"
PASSWORD = "correct horse battery staple"
ADMIN, VIEWER = "tech@d118.example", "looks@d118.example"
URL = "http://127.0.0.1"
START_SECONDS = 400.0
RUN_ID = "6f0c7b7e-0000-4000-8000-000000000118"
_FORM_TOKEN = re.compile(r'name="csrf" value="([0-9a-f]+)"')


@dataclass
class InDagstersPlace:
    """Answers GraphQL as Dagster does when all goes well; `asked` has every request."""

    asked: list[str] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            socket = WebSocket(scope, receive, send)
            await socket.accept()
            async for text in socket.iter_text():
                self.asked.append(text)
                await socket.send_text("heard")
            return
        request = Request(scope, receive)
        body = (await request.body()).decode()
        self.asked.append(body or f"{request.method} {request.url.path}")
        answer = JSONResponse({"data": self._data(body)})
        await answer(scope, receive, send)

    def _data(self, body: str) -> dict[str, Any]:
        done = {"__typename": "LaunchRunSuccess", "run": {"runId": RUN_ID}}
        stopped = {"__typename": "TerminateRunSuccess"}
        return {"launchRun": done, "terminateRun": stopped, "reload": None}

    def launched(self) -> list[str]:
        """The jobs that were launched."""
        bodies = [json.loads(text) for text in self.asked if '"params"' in text]
        return [b["variables"]["params"]["selector"]["jobName"] for b in bodies]


class Person(TestClient):
    """A browser of one person on the console."""

    def sign_in(self, name: str = ADMIN, password: str = PASSWORD) -> httpx.Response:
        """Send the form."""
        form = {"name": name, "password": password}
        return self.post("/sign-in", data=form, follow_redirects=False)

    def form_token(self) -> str:
        """What the forms of this session carry."""
        found = _FORM_TOKEN.search(self.get("/runs").text)
        assert found, "no form on the page"
        return found[1]

    def submit(self, path: str, **form: str) -> httpx.Response:
        """Send a form of a page of this session."""
        data = {"csrf": self.form_token(), **form}
        return self.post(path, data=data, follow_redirects=False)


@dataclass
class RunningConsole:
    """The console: its application, what it shares, and what stands in Dagster's place."""

    project: ProjectFolder
    app: Any
    world: World
    dagster: InDagstersPlace

    def person(self, name: str = "") -> Person:
        """A new browser; signed in if a name is given."""
        client = Person(self.app, base_url=URL, raise_server_exceptions=False)
        if name:
            assert client.sign_in(name).status_code == 303
        return client

    def program(self, scope: str = "write", account: str = ADMIN) -> TestClient:
        """A program with a new token."""
        with self.world.database.transaction() as connection:
            _, key = accounts.add_token(
                *(connection, account, "test", scope),
                **{"days": 1, "by": "tester", "now": utc_now()},
            )
        headers = {"authorization": f"Bearer {key}"}
        return TestClient(
            self.app, base_url=URL, headers=headers, raise_server_exceptions=False
        )

    def audited(self) -> list[tuple[str, str, str]]:
        """Actor, action and object of the audit, oldest first."""
        from d118_pipelines.state.database import audit_log

        rows = self.project.rows(audit_log)
        return [(row.actor, row.action, row.object) for row in rows]


@contextmanager
def running_console(
    project: ProjectFolder, **settings: Any
) -> Iterator[RunningConsole]:
    """The console of a project, with an administrator and a viewer."""
    with project.entered(**project.environment):
        dagster = InDagstersPlace()
        world = World(project.project, ConsoleSettings(SECRET_KEY, **settings), dagster)
        with world.database.transaction() as connection:
            for name, role in ((ADMIN, "DISTRICT_ADMIN"), (VIEWER, "VIEWER")):
                if accounts.find_account(connection, name) is None:
                    accounts.add_account(
                        *(connection, name, role, PASSWORD), by="tester", now=utc_now()
                    )
        app = console_app(world, [])
        try:
            yield RunningConsole(project, app, world, dagster)
        finally:
            if "instance" in world.__dict__:
                world.instance.dispose()


@contextmanager
def on_loopback(console: RunningConsole) -> Iterator[str]:
    """The console of this process on a free port; its address."""
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(console.app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        end = time.monotonic() + START_SECONDS
        while not server.started:
            assert thread.is_alive() and time.monotonic() < end
            time.sleep(0.05)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def served_console(project: ProjectFolder) -> Iterator[str]:
    """`d118 serve` as a process, with both accounts; its address."""
    for name, role in ((ADMIN, "DISTRICT_ADMIN"), (VIEWER, "VIEWER")):
        with project.entered(), state_database(project.project).transaction() as c:
            accounts.add_account(c, name, role, PASSWORD, by="tester", now=utc_now())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {"API_PORT": str(port), "SECRET_KEY": SECRET_KEY}
    log = project.root / "serve.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("d118")), "serve"],
            cwd=project.root,
            env=project.variables({"PYTHONWARNINGS": "ignore", **settings}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        end = time.monotonic() + START_SECONDS
        while "Console: " not in log.read_text(encoding="utf-8", errors="replace"):
            assert process.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)
