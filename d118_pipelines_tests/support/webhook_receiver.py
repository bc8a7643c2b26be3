"""A receiver of webhooks in a process of its own, which checks them by other means.

Belongs here: the process, and what it noted. It verifies with the library of Standard
Webhooks and with its own HMAC; of the product it knows nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SECRET = "canary-secret-of-webhooks-0123456789"


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where it listens, and the file of its notes.

    Paths: /ok; /fail answers 500; /once fails at first; /redirect; /drip never ends an
    answer; /silent never begins one.
    """

    port: int
    notes: Path

    def url(self, path: str = "/ok") -> str:
        """An address of it."""
        return f"http://127.0.0.1:{self.port}{path}"

    def got(self) -> list[dict[str, Any]]:
        """What arrived, in order: path, headers, body, and whether it was verified."""
        lines = self.notes.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def events(self) -> list[str]:
        """The events that arrived, in order."""
        return [json.loads(one["body"])["event"] for one in self.got() if one["body"]]


@contextmanager
def running_receiver(folder: Path) -> Iterator[Receiver]:
    """Start the process and end it afterwards."""
    notes = folder / "received.jsonl"
    notes.touch()
    command = [sys.executable, "-m", __name__, str(notes)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Receiver(int(process.stdout.readline()), notes)
        finally:
            process.kill()


class _Handler(BaseHTTPRequestHandler):
    notes: Path
    failed = 0

    def do_GET(self) -> None:
        """A ping."""
        self._note(b"")
        self._answer()

    def do_POST(self) -> None:
        """A webhook."""
        self._note(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _note(self, body: bytes) -> None:
        note = {
            "method": self.command,
            "path": self.path,
            "headers": dict(self.headers),
            "body": body.decode("utf-8"),
            "verified": bool(body) and self._is_verified(body),
        }
        with self.notes.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(note)}\n")

    def _is_verified(self, body: bytes) -> bool:
        from standardwebhooks import Webhook, WebhookVerificationError

        own = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        try:
            Webhook(SECRET.encode()).verify(body, dict(self.headers))
        except WebhookVerificationError:
            return False
        return self.headers["X-Webhook-Signature"] == f"sha256={own}"

    def _answer(self) -> None:
        if self.path == "/silent":
            time.sleep(600)
        if self.path == "/drip":
            while True:
                self.wfile.write(b"H")
                time.sleep(0.05)
        status = {"/fail": 500, "/redirect": 302}.get(self.path, 204)
        if self.path == "/once":
            status = 204 if _Handler.failed else 500
            _Handler.failed = 1
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/ok")
        self.end_headers()


def _main(notes: str) -> None:
    _Handler.notes = Path(notes)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    _main(sys.argv[1])
