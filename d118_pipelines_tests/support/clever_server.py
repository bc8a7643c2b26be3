"""A loopback stand-in for the Clever Data API, made from plain dictionaries.

It answers as docs/reference/clever_api.md says Clever does: lists in an envelope, pages
by `starting_after`, links relative to the host, rate limit headers, the token endpoint.
`quirks` are the ways in which a server may misbehave. It invents no data.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, urlencode, urlsplit

Record = Mapping[str, Any]
Quirk = Literal[
    "foreign_next",  # next names another host
    "foreign_path",  # next leads to another collection
    "stuck_next",  # next asks for the page that was just read
    "repeated_id",  # the second page begins with the last object of the first
    "html",  # the second page is an error page in HTML
    "truncated",  # the second page breaks off in the middle of the JSON
    "no_data",  # the second page lacks the key `data`
    "no_inner_data",  # the objects of the second page are not wrapped
    "data_is_object",  # `data` of the second page is no list
    "lost_page",  # the second page is answered with 500, always
    "no_links",  # the second page lacks the key `links`
    "moved",  # the second page is a redirect to another host
]
V3 = ("districts", "schools", "terms", "courses", "users", "sections", "resources")
PEOPLE = ("students", "teachers", "school_admins", "district_admins", "contacts")
V2 = ("districts", "schools", "terms", "courses", *PEOPLE, "sections")
CLIENT_ID, CLIENT_SECRET = "client-id", "client-secret"


class CleverServer:
    """Serves `data` (collection -> objects) of one district while the block runs."""

    def __init__(
        self,
        data: Mapping[str, Sequence[Record]],
        *,
        token: str = "district-token",
        district: str = "63c0a1f0a1b2c3d4e5f6d118",
        cap: int = 10_000,
        quirks: Mapping[str, Quirk] | None = None,
        statuses: Mapping[str, Sequence[int]] | None = None,
        remaining: Sequence[int] = (),
        reset_in: float = 1.0,
        scopes: Sequence[str] | None = None,
    ) -> None:
        """Serve.

        cap: at most so many objects on a page, whatever `limit` asks for.
        quirks: collection, or `users?role=<role>`, -> how its pages misbehave.
        statuses: collection -> what its next requests are answered with, 200 is usual.
        remaining: what `X-RateLimit-Remaining` of the next answers says.
        reset_in: seconds until `X-RateLimit-Reset`.
        scopes: the collections that are shared; others are 404.
        """
        self.data = {
            name: sorted(rows, key=lambda r: str(r["id"]))
            for name, rows in data.items()
        }
        self.token, self.district, self.cap = token, district, cap
        self.quirks = dict(quirks or {})
        self.statuses = {name: list(codes) for name, codes in (statuses or {}).items()}
        self.remaining, self.reset_in, self.scopes = list(remaining), reset_in, scopes
        # Collection and role, as `users?role=staff` -> objects as they are by then.
        self.changes: dict[str, Record] = {}
        self.requests: list[str] = []
        self.refused = 0
        self.token_requests: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}
        )

    @property
    def host(self) -> str:
        """`http://127.0.0.1:<port>`; also the host of the token endpoint."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def url(self, version: str = "v3.0") -> str:
        """The base URL of one version."""
        return f"{self.host}/{version}"

    def __enter__(self) -> CleverServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Answer(Exception):
    """An answer that ends the request early."""

    def __init__(self, status: int, message: str | None = None) -> None:
        self.status = status
        self.body = (
            b"" if message is None else json.dumps({"message": message}).encode()
        )


def _handler(server: CleverServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # headers and body go together, without a delay between them

        def do_GET(self) -> None:
            try:
                status, body, extra = _answer(server, self.path, dict(self.headers))
            except _Answer as answer:
                status, body, extra = answer.status, answer.body, {}
            self.send_response(status)
            headers = {"Content-Type": "application/json", **_limits(server), **extra}
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    return Handler


def _limits(server: CleverServer) -> dict[str, str]:
    left = server.remaining.pop(0) if server.remaining else 1199
    return {
        "X-RateLimit-Limit": "1200",
        "X-RateLimit-Remaining": str(left),
        "X-RateLimit-Reset": str(int(time.time() + server.reset_in)),
        "X-RateLimit-Bucket": "district",
    }


Reply = tuple[int, bytes, dict[str, str]]


def _answer(server: CleverServer, target: str, headers: Mapping[str, str]) -> Reply:
    parts = urlsplit(target)
    query = {k: v[-1] for k, v in parse_qs(parts.query).items()}
    if parts.path == "/oauth/tokens":
        server.token_requests.append(target)
        return _tokens(server, query, headers)
    server.requests.append(target)
    if headers.get("Authorization") != f"Bearer {server.token}":
        server.refused += 1
        raise _Answer(401, "unauthorized")
    version, _, name = parts.path.strip("/").partition("/")
    known = {"v3.0": V3, "v3.1": V3, "v2.1": V2, "v2.0": V2}.get(version, ())
    if name not in known or name not in (server.scopes or known):
        raise _Answer(404, "not found")
    waiting = server.statuses.get(name, [])
    status = waiting.pop(0) if waiting else 200
    if status != 200:
        raise _Answer(status, None if status == 429 else "no")
    return _list(server, parts.path, name, query)


def _tokens(
    server: CleverServer, query: Mapping[str, str], headers: Mapping[str, str]
) -> Reply:
    pair = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
    if headers.get("Authorization") != f"Basic {pair}":
        raise _Answer(401, "unauthorized")
    token = {
        "id": "63c0a1f0a1b2c3d4e5f6aaaa",
        "created": "2026-08-01T00:00:00.000Z",
        "owner": {"type": "district", "id": server.district},
        "access_token": server.token,
        "scopes": ["read:district_admins"],
    }
    found = [token] if query.get("district") in (None, server.district) else []
    return 200, json.dumps({"data": found}).encode(), {}


def _list(
    server: CleverServer, path: str, name: str, query: Mapping[str, str]
) -> Reply:
    limit, role, after = (
        int(query.get("limit", 100)),
        query.get("role"),
        query.get("starting_after", ""),
    )
    if limit > 10_000:
        raise _Answer(413, "limit")
    if limit < 1:
        raise _Answer(400, "limit")
    quirk = server.quirks.get(f"{name}?role={role}", server.quirks.get(name))
    rows = [r for r in server.data.get(name, []) if not role or role in r["roles"]]
    limit = min(limit, server.cap)
    newer = server.changes.get(f"{name}?role={role}", {})
    rows = [newer if r["id"] == newer.get("id") else r for r in rows]
    rest = [r for r in rows if str(r["id"]) > after]
    page, more = rest[:limit], len(rest) > limit
    if quirk == "repeated_id" and after:
        page = [r for r in rows if str(r["id"]) <= after][-1:] + page
    # Clever: the last page may be empty, since a full page says that there is more.
    has_next = bool(page) and (more or (len(page) == limit))
    links = [{"rel": "self", "uri": f"{path}?{urlencode(query)}"}]
    if has_next:
        last = after if quirk == "stuck_next" and after else str(page[-1]["id"])
        following = urlencode({**query, "starting_after": last})
        links.append({"rel": "next", "uri": _next(quirk, path, following)})
    body = {"data": [{"data": r, "uri": f"{path}/{r['id']}"} for r in page]}
    return _spoilt(quirk if after else None, {**body, "links": links})


def _next(quirk: Quirk | None, path: str, query: str) -> str:
    if quirk == "foreign_next":
        return f"http://localhost:9{path}?{query}"
    if quirk == "foreign_path":
        return f"{path.rpartition('/')[0]}/resources?{query}"
    return f"{path}?{query}"


def _spoilt(quirk: Quirk | None, body: dict[str, Any]) -> Reply:
    if quirk == "html":
        return 200, b"<html><body>Sorry</body></html>", {"Content-Type": "text/html"}
    if quirk == "lost_page":
        return 500, b"<html>Gateway</html>", {"Content-Type": "text/html"}
    if quirk == "moved":
        return 302, b"", {"Location": "http://localhost:9/v3.0/users"}
    if quirk == "no_data":
        del body["data"]
    elif quirk == "no_links":
        del body["links"]
    elif quirk == "data_is_object":
        body["data"] = {}
    elif quirk == "no_inner_data":
        body["data"] = [entry["data"] for entry in body["data"]]
    text = json.dumps(body).encode()
    return 200, text[: len(text) // 2] if quirk == "truncated" else text, {}
