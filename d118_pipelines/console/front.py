"""Everything that reaches the console or Dagster passes here first: who sends it, may they?

Called by `console_server.py`, which puts `guard.py` around it (Host and Origin).
Without a session or token only the sign-in and its style are answered. Dagster is below
`/dagster`: administrators may do everything there, viewers only read. Rule:
docs/console.md.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, MutableMapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from starlette.responses import Response

from d118_pipelines.console.identity import CALLER, READS, Caller, Refused, caller_of
from d118_pipelines.console.sign_in import set_cookie
from d118_pipelines.console.world import World
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.service.graphql import DAGSTER, has_mutation, mutations
from d118_pipelines.service.guard import (
    PERSON,
    App,
    Message,
    Receive,
    Scope,
    Send,
    adding,
)
from d118_pipelines.service.guard import Request as Asked

ICON = "/favicon.ico"  # a browser asks for it by itself, before sign-in too
PUBLIC = ("/sign-in", "/oidc/start", "/oidc/return", "/static/console.css", ICON)
LARGEST_BODY = 4 * 2**20
NO_SESSION = "Sign in first."
ONLY_READS = "Your role may look at everything and change nothing."
_POLICY_VIOLATION = 1008
_log = logging.getLogger(__name__)
Answer = Callable[[Scope, int, str], Response]


class Front:
    """The application in front of the console's pages and of Dagster's web server."""

    def __init__(
        self, world: World, console: App, dagster: App, answer: Answer
    ) -> None:
        """answer: what is sent for a request that goes no further."""
        self._world, self._console, self._dagster = world, console, dagster
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it."""
        if scope["type"] not in ("http", "websocket"):
            await self._console(scope, receive, send)
            return
        path = scope["path"]
        if path in PUBLIC:
            await self._console(scope, receive, send)
            return
        caller = await run_in_threadpool(self._caller, scope)
        if caller is None:
            await self._refuse(scope, receive, send, 401, NO_SESSION)
            return
        scope[CALLER] = caller
        PERSON.set(caller.account)
        if scope["type"] == "http":
            send = _renewing(send, caller, scope)
        try:
            if path == DAGSTER or path.startswith(f"{DAGSTER}/"):
                await self._to_dagster(caller, scope, receive, send)
                return
            if scope["type"] == "websocket":
                raise Refused(404, "There is nothing here.")
            # Whoever only reads may still sign out.
            is_write = scope["method"] not in READS and path != "/sign-out"
            if is_write and not caller.may_write:
                raise Refused(403, ONLY_READS)
            await self._console(scope, receive, send)
        except Refused as exc:
            await self._refuse(scope, receive, send, exc.status, str(exc))

    def _caller(self, scope: Scope) -> Caller | None:
        asked, world = HTTPConnection(scope), self._world
        return caller_of(asked, world.database, world.sessions, utc_now())

    async def _refuse(
        self, scope: Scope, receive: Receive, send: Send, status: int, text: str
    ) -> None:
        if scope["type"] == "websocket":
            # Before it is accepted; the server turns this into status 403.
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
            return
        await self._answer(scope, status, text)(scope, receive, send)

    async def _to_dagster(
        self, caller: Caller, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if scope["type"] == "websocket":
            refused: list[str] = []
            heard = _reading_only(receive, caller, refused)
            await self._dagster(scope, heard, send)
            if refused:
                await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
            return
        asked = Asked.of(scope)
        if asked.method in READS:
            await self._dagster(scope, receive, send)
            return
        if not asked.is_graphql:
            if not caller.may_write:
                raise Refused(403, ONLY_READS)
            await self._record(caller, asked.path.removeprefix(DAGSTER), "")
            await self._dagster(scope, receive, send)
            return
        body = await _body(receive)
        try:
            found = mutations(body)
        except ValueError as exc:
            raise Refused(400, str(exc)) from None
        for name, subject in found:
            if not caller.may_write:
                raise Refused(403, ONLY_READS)
            await self._record(caller, name, subject)
        await self._dagster(scope, _again(body, receive), send)

    async def _record(self, caller: Caller, name: str, subject: str) -> None:
        """Before it is done, so that nothing is done without it."""
        await run_in_threadpool(
            self._world.record, caller.account, f"dagster {name}", subject
        )


def _renewing(send: Send, caller: Caller, scope: Scope) -> Send:
    """The answer with a newer cookie, where the session's has become old."""
    if caller.newer_cookie is None:
        return send
    carrier = Response()
    set_cookie(carrier, caller.newer_cookie, is_secure=scope["scheme"] == "https")
    cookie = [("set-cookie", carrier.headers["set-cookie"])]
    return adding(send, cookie, is_missing_only=True)


def _reading_only(receive: Receive, caller: Caller, refused: list[str]) -> Receive:
    """The messages of a socket; one that carries a mutation ends it for everybody.

    Dagster's own pages send mutations by POST.
    """

    async def received() -> Message:
        message = await receive()
        text = message.get("text") or ""
        if message["type"] == "websocket.receive" and has_mutation(text):
            _log.warning("A mutation on a socket was refused (%s).", caller.account)
            refused.append(text)
            return {"type": "websocket.disconnect", "code": _POLICY_VIOLATION}
        return message

    return received


async def _body(receive: Receive) -> bytes:
    """The whole body. Raises: Refused if it is too large."""
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b""
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > LARGEST_BODY:
            raise Refused(413, "The request is too large.")
        if not message.get("more_body"):
            return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """The body once more, then what comes after it."""
    sent = False

    async def received() -> MutableMapping[str, Any]:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return received
