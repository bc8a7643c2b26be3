"""scim2-server as a process of its own that keeps its users over a restart.

Belongs here: the process, the file of its users, what it is told to support and when it
dies. Not here: SCIM, which is scim2-server's. As a script: the server itself.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any, Self

TOKEN = "canary-scim-token"
START_SECONDS = 120


class ScimServer:
    """Starts the server in a `with` block; `restart` starts it again on its port.

    store: JSON lines of every write, read at the start. supports: any of `bulk`,
    `patch`. die_after: writes after which it kills itself, before it answers. latency:
    seconds before each answer.
    """

    def __init__(
        self,
        store: Path,
        *,
        supports: tuple[str, ...] = ("bulk", "patch"),
        die_after: int | None = None,
        latency: float = 0.0,
    ) -> None:
        self.store, self._supports, self._die_after = store, supports, die_after
        self._latency = latency
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = probe.getsockname()[1]

    @property
    def url(self) -> str:
        """The base URL of the SCIM service."""
        return f"http://127.0.0.1:{self._port}/v2"

    def __enter__(self) -> Self:
        self._start(self._die_after)
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """End it as a power failure would."""
        self._process.kill()
        self._process.wait(10)

    def restart(self) -> None:
        """Start it again, with what it had stored; it does not kill itself again."""
        self.kill()
        self._start(None)

    def users(self) -> list[dict[str, Any]]:
        """The users that it has stored, as it writes them."""
        return [user for user in stored(self.store) if "userName" in user]

    def writes(self) -> Counter[str]:
        """Writes since the store was made, by kind: create, update, delete."""
        lines = self.store.read_text(encoding="utf-8").splitlines()
        return Counter(json.loads(line)["write"] for line in lines)

    def _start(self, die_after: int | None) -> None:
        self.store.touch()
        options = ["--port", str(self._port), "--store", str(self.store)]
        options += ["--supports", ",".join(self._supports)]
        options += ["--latency", str(self._latency)]
        if die_after is not None:
            options += ["--die-after", str(die_after)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + START_SECONDS
        while not self._answers():
            assert time.monotonic() < until, "the SCIM server did not start"
            assert self._process.poll() is None, "the SCIM server ended at once"
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/ServiceProviderConfig", timeout=5):
                return True
        except OSError:
            return False


def stored(store: Path) -> list[dict[str, Any]]:
    """The resources that the lines of the store leave, in the order of creation."""
    found: dict[str, dict[str, Any]] = {}
    for line in store.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if entry["write"] == "delete":
            found.pop(entry["id"], None)
        else:
            found[entry["id"]] = entry["resource"]
    return list(found.values())


def serve(given: argparse.Namespace) -> None:
    """Serve until killed."""
    from wsgiref.simple_server import WSGIRequestHandler, make_server

    from scim2_models import ScimProvider
    from scim2_server.service import ScimService
    from scim2_server.testserver.application import BearerTokenApplication
    from scim2_server.testserver.cli import ThreadingWSGIServer
    from scim2_server.utils import (
        load_default_resource_types,
        load_default_schemas,
        load_default_service_provider_config,
    )

    class Quiet(WSGIRequestHandler):
        def log_message(self, *_: object) -> None:
            """Nothing on the console."""

    supports = given.supports.split(",")
    config: Any = load_default_service_provider_config()
    config.bulk.supported = "bulk" in supports
    config.patch.supported = "patch" in supports
    provider = ScimProvider.from_discovery(
        load_default_schemas().values(), load_default_resource_types().values(), config
    )
    application = BearerTokenApplication(
        _storage(given.store, provider, given.die_after),
        provider,
        ScimService(provider, secret="canary-cursors"),
        [TOKEN],
    )

    def answer(*request: Any) -> Any:
        time.sleep(given.latency)
        return application(*request)

    with make_server("127.0.0.1", given.port, answer, ThreadingWSGIServer, Quiet) as it:
        it.serve_forever()


def _storage(store: Path, provider: Any, die_after: int | None) -> Any:
    from scim2_server.memory import InMemoryStorage

    file = store.open("a", encoding="utf-8")
    numbers = itertools.count(1)

    def write(kind: str, resource_id: str, resource: Any) -> None:
        body = None if resource is None else resource.model_dump()
        entry = {"write": kind, "id": resource_id, "resource": body}
        file.write(json.dumps(entry) + "\n")
        file.flush()
        if next(numbers) == die_after:
            os.kill(os.getpid(), signal.SIGKILL)

    class Stored(InMemoryStorage):
        def create(self, resource_type: Any, resource: Any) -> Any:
            with self.lock:
                made = super().create(resource_type, resource)
                write("create", str(made.id), made)
                return made

        def update(self, resource_type: Any, resource: Any, **options: Any) -> Any:
            with self.lock:
                made = super().update(resource_type, resource, **options)
                write("update", str(made.id), made)
                return made

        def delete(self, resource_type: Any, resource_id: str, **options: Any) -> None:
            with self.lock:
                super().delete(resource_type, resource_id, **options)
                write("delete", resource_id, None)

    storage = Stored()
    storage.resources = [
        provider.model_for(entry["meta"]["resourceType"]).model_validate(entry)
        for entry in stored(store)
    ]
    return storage


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--supports", default="")
    parser.add_argument("--die-after", type=int)
    parser.add_argument("--latency", type=float, default=0.0)
    serve(parser.parse_args())


if __name__ == "__main__":
    _main()
