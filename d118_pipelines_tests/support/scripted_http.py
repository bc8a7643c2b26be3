"""An HTTP server on loopback that answers as a test says and writes down who asked.

Belongs here: sockets, replies, the record, a clock that does not wait. Not here: any
provider's protocol.
"""

from __future__ import annotations

import datetime as dt
import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it arrived. `target` is path and query as sent."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    at: float

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def authorization(self) -> str | None:
        return self.headers.get("Authorization")


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. delay: seconds before it, and pause between two bytes if drips.

    cut: bytes of the body that are left out before the connection is closed. raw: bytes
    in place of all this, also without end, with `drip` between them.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay: float = 0.0
    drip: float = 0.0
    cut: int = 0
    raw: Iterable[bytes] = ()


Answering = Callable[[Request], Reply]


def json_reply(value: Any, *, status: int = 200, **headers: str) -> Reply:
    """A JSON answer; `x_total_count=3` becomes the header `x-total-count: 3`."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(status, {**JSON, **named}, json.dumps(value).encode())


class ScriptedServer:
    """Answers every request with what `answer` gives while the block runs.

    clock: whose time stands in the record, for clients that do not really wait.
    """

    def __init__(self, answer: Answering, *, clock: VirtualClock | None = None) -> None:
        self.requests: list[Request] = []
        self._answer, self._clock = answer, clock
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> ScriptedServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def reply(self, handler: BaseHTTPRequestHandler) -> Reply:
        """Write the request down and make its answer."""
        length = int(handler.headers.get("Content-Length") or 0)
        request = Request(
            handler.command,
            handler.path,
            handler.headers,  # type: ignore[arg-type]
            handler.rfile.read(length),
            self._clock.monotonic() if self._clock else time.monotonic(),
        )
        self.requests.append(request)
        return self._answer(request)


def _handler(server: ScriptedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            reply = server.reply(self)
            time.sleep(reply.delay)
            if reply.raw:
                return self._send_raw(reply)
            self.send_response_only(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self._send_body(reply)

        do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

        def _send_raw(self, reply: Reply) -> None:
            self.close_connection = True
            with suppress(OSError):  # the client has had enough
                for part in reply.raw:
                    self.wfile.write(part)
                    time.sleep(reply.drip)

        def _send_body(self, reply: Reply) -> None:
            body = reply.body[: len(reply.body) - reply.cut]
            try:
                if not reply.drip:
                    self.wfile.write(body)
                for byte in body if reply.drip else b"":
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    time.sleep(reply.drip)
            except OSError:
                self.close_connection = True  # the client has had enough
            if reply.cut:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Nothing on the console."""

    return Handler


class VirtualClock:
    """A clock that moves only when somebody sleeps; `sleeps` has every wait."""

    def __init__(self, start: dt.datetime | None = None) -> None:
        self._start = start or dt.datetime.now(dt.UTC)
        self._elapsed = 0.0
        self.sleeps: list[float] = []

    def monotonic(self) -> float:
        return self._elapsed

    def now(self) -> dt.datetime:
        return self._start + dt.timedelta(seconds=self._elapsed)

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self._elapsed += seconds
