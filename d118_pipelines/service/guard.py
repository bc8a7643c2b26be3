"""The guard in front of Dagster's web server: which requests reach it.

Called by `web_server.py`, which puts it around Dagster's application in the same
process. Dagster runs mutations sent by GET and checks neither Host nor Origin, so that
without this any web page could release a held plan. Rules: docs/reference/web_guard.md.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
HEADERS = {
    "x-frame-options": "DENY",
    # Beside Dagster's own policy; browsers apply both.
    "content-security-policy": "frame-ancestors 'none'; form-action 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
PERSON: ContextVar[str] = ContextVar("person", default="")
"""Who sends the request that is at work, by their name in the audit; empty: not known."""
USER_HEADER = "x-forwarded-user"
_READS = {"GET", "HEAD"}
_JSON = "application/json"
_POLICY_VIOLATION = 1008  # WebSocket close code


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request does not reach Dagster. `code` is stable; `status` is HTTP's."""

    code: str
    status: int
    text: str


@dataclass(frozen=True, slots=True)
class Request:
    """What the guard judges a request by; header names are in lower case."""

    kind: str
    method: str
    path: str
    query: str
    headers: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, scope: Scope) -> Request:
        """The request of an ASGI scope of type `http` or `websocket`."""
        headers: dict[str, tuple[str, ...]] = {}
        for name, value in scope["headers"]:
            key = name.decode("latin-1").lower()
            headers[key] = (*headers.get(key, ()), value.decode("latin-1"))
        return cls(
            scope["type"],
            scope.get("method", "GET"),
            scope["path"],
            scope.get("query_string", b"").decode("latin-1"),
            headers,
        )

    def header(self, name: str) -> str:
        """The header's only value; empty if it is absent."""
        return self.headers.get(name, ("",))[-1]

    @property
    def is_graphql(self) -> bool:
        """Whether the path is GraphQL's, however it is spelled."""
        return self.path.strip("/").lower().endswith("graphql")

    @property
    def is_page(self) -> bool:
        """Whether a browser's tab asks for a page: a link may lead there from anywhere."""
        if self.kind != "http" or self.method not in _READS:
            return False
        wanted = (self.header("sec-fetch-mode"), self.header("sec-fetch-dest"))
        return wanted == ("navigate", "document")


class Guard:
    """An ASGI application around another one; only what may pass reaches it."""

    def __init__(
        self, app: App, *, hosts: Iterable[str] = (), proxies: Iterable[str] = ()
    ) -> None:
        """hosts: names beside the loopback ones that people use to reach the server.

        proxies: addresses whose word for who has signed in is taken.
        """
        self._app, self._proxies = app, frozenset(proxies)
        self._hosts = LOOPBACK_NAMES | {host.strip().lower() for host in hosts} - {""}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with the refusal."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request = Request.of(scope)
        found = refusal(request, self._hosts)
        PERSON.set(_person(request, scope, self._proxies))
        if found is None:
            await self._app(scope, receive, adding(send, HEADERS.items()))
        elif scope["type"] == "websocket":
            # Before it is accepted; the server turns this into status 403.
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        else:
            await _answer(send, found)


def _person(request: Request, scope: Scope, proxies: frozenset[str]) -> str:
    """Whom the proxy in front has let in, as `ui/NAME`; empty if nobody says so."""
    names = request.headers.get(USER_HEADER, ())
    is_trusted = (scope.get("client") or ("",))[0] in proxies
    return f"ui/{names[0]}" if is_trusted and len(names) == 1 and names[0] else ""


def refusal(request: Request, hosts: frozenset[str]) -> Refusal | None:
    """The first rule that the request breaks, or None."""
    return (
        _host(request, hosts)
        or _origin(request)
        or _graphql_by_get(request)
        or _graphql_body(request)
    )


def _host(request: Request, hosts: frozenset[str]) -> Refusal | None:
    given = request.headers.get("host", ())
    if len(given) == 1 and _host_name(given[0]) in hosts:
        return None
    return Refusal(
        "guard.host",
        421,
        "This server does not answer to that name. Use http://127.0.0.1, or add the "
        "name to D118_UI_HOSTS.",
    )


def _origin(request: Request) -> Refusal | None:
    """Everything but a page comes from a page of this server, or from no browser."""
    if request.is_page:
        return None
    origins = request.headers.get("origin", ())
    is_own = all(_is_origin(origin, request.header("host")) for origin in origins)
    site = request.headers.get("sec-fetch-site", ())
    if is_own and len(origins) <= 1 and set(site) <= {"same-origin", "none"}:
        return None
    return Refusal(
        "guard.origin", 403, "Refused: the request comes from another web page."
    )


def _graphql_by_get(request: Request) -> Refusal | None:
    if request.kind != "http" or not request.is_graphql or request.method == "POST":
        return None
    asks_for_page = "text/html" in request.header("accept")
    if request.method == "GET" and asks_for_page and not _has_query(request.query):
        return None
    return Refusal("guard.graphql_get", 405, "GraphQL is answered to POST only.")


def _graphql_body(request: Request) -> Refusal | None:
    """A form cannot send JSON, so that an old browser's form is refused too."""
    if request.kind != "http" or not request.is_graphql or request.method != "POST":
        return None
    # One: of two, Dagster reads the first, and then the address in place of the body.
    kinds = request.headers.get("content-type", ())
    if len(kinds) == 1 and kinds[0].split(";")[0].strip().lower() == _JSON:
        return None
    return Refusal("guard.graphql_body", 415, "GraphQL is answered to JSON only.")


def _has_query(query: str) -> bool:
    return any(name == "query" for name, _ in parse_qsl(query, keep_blank_values=True))


def _host_name(host: str) -> str:
    """The name in `name:port` or `[v6]:port`, in lower case; empty if it is malformed."""
    try:
        parts = urlsplit(f"//{host}")
        is_whole = parts.netloc == host and parts.username is None
        parts.port  # noqa: B018  raises for a port that is no number
    except ValueError:
        return ""
    return (parts.hostname or "") if is_whole else ""


def _is_origin(origin: str, host: str) -> bool:
    """Whether the origin is the server that Host names; TLS may end in front of it."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    is_plain = origin.lower() == f"{parts.scheme}://{parts.netloc}".lower()
    same = parts.netloc.lower() == host.lower()
    return is_plain and same and parts.scheme in ("http", "https")


def adding(
    send: Send, headers: Iterable[tuple[str, str]], *, is_missing_only: bool = False
) -> Send:
    """`send` with more headers in the answer; is_missing_only: but those it has itself."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = list(message.get("headers", []))
            known = {name.lower() for name, _ in own} if is_missing_only else set()
            added = [(k.encode(), v.encode()) for k, v in headers]
            own += [pair for pair in added if pair[0] not in known]
            message = {**message, "headers": own}
        await send(message)

    return sent


async def _answer(send: Send, found: Refusal) -> None:
    body = f"{found.text}\n({found.code})\n".encode()
    headers = {
        "content-type": "text/plain; charset=utf-8",
        "content-length": str(len(body)),
        "cache-control": "no-store",
        **HEADERS,
    }
    await send(
        {
            "type": "http.response.start",
            "status": found.status,
            "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": body})
