"""Everything that reaches the console or Dagster passes here first: who sends it, may they?

Called by `console_server.py`, which puts `guard.py` around it (Host and Origin). Without a
session or token only the sign-in and its style are answered. Dagster is below `/dagster`:
administrators may do everything there, viewers only read. Rule: docs/console.md.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, MutableMapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from d118_pipelines.console.identity import CALLER, READS, Caller, Refused, caller_of
from d118_pipelines.console.sign_in import set_cookie
from d118_pipelines.console.world import World
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.service.guard import App, Message, Receive, Scope, Send
from d118_pipelines.service.guard import Request as Asked

DAGSTER = "/dagster"
PUBLIC = ("/sign-in", "/oidc/start", "/oidc/return", "/static/console.css")
LARGEST_BODY = 4 * 2**20
NO_SESSION = "Sign in first."
ONLY_READS = "Your role may look at everything and change nothing."
_POLICY_VIOLATION = 1008
_MUTATION = "mutation"
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
        asked = Asked.of(scope)
        headers = {name: asked.header(name) for name in asked.headers}
        world = self._world
        return caller_of(headers, world.database, world.sessions, utc_now())

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
        for name, subject in mutations(body):
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
    if caller.newer_cookie is None or scope["type"] != "http":
        return send
    carrier = Response()
    set_cookie(carrier, caller.newer_cookie, is_secure=scope["scheme"] == "https")
    added = [pair for pair in carrier.raw_headers if pair[0] == b"set-cookie"]

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", []))
            is_own = any(name.lower() == b"set-cookie" for name, _ in headers)
            message = {**message, "headers": headers if is_own else headers + added}
        await send(message)

    return sent


def mutations(body: bytes) -> list[tuple[str, str]]:
    """The mutations in a GraphQL request: name, and the job or run that it is about.

    Raises: Refused if nobody can tell.
    """
    from graphql import GraphQLError, OperationDefinitionNode, parse
    from graphql.language import FieldNode

    try:
        asked = json.loads(body)
        document = parse(asked["query"], max_tokens=20_000)
    except (ValueError, TypeError, KeyError, RecursionError, GraphQLError):
        raise Refused(400, "This is no GraphQL request.") from None
    found = []
    for node in document.definitions:
        if not isinstance(node, OperationDefinitionNode):
            continue
        if node.operation.value != _MUTATION:
            continue
        names = [
            one.name.value if isinstance(one, FieldNode) else "..."
            for one in node.selection_set.selections
        ]
        subject = _subject(asked.get("variables"))
        found += [(name, subject) for name in names]
    return found


def _subject(variables: Any) -> str:
    """The job, run, schedule or sensor that the variables of a mutation name."""
    wanted = (
        "jobName",
        "pipelineName",
        "runId",
        "runIds",
        "scheduleName",
        "sensorName",
    )
    found: list[str] = []

    def look(value: Any, depth: int) -> None:
        if depth > 6 or not isinstance(value, dict):
            return
        for key, inner in value.items():
            if key in wanted and isinstance(inner, str | list):
                found.append(str(inner)[:80])
            look(inner, depth + 1)

    look(variables, 0)
    return ", ".join(found)[:200]


def _reading_only(receive: Receive, caller: Caller, refused: list[str]) -> Receive:
    """The messages of a socket; one that carries a mutation ends it for everybody.

    Dagster's own pages send mutations by POST.
    """

    async def received() -> Message:
        message = await receive()
        text = message.get("text") or ""
        if message["type"] == "websocket.receive" and _has_mutation(text):
            _log.warning("A mutation on a socket was refused (%s).", caller.account)
            refused.append(text)
            return {"type": "websocket.disconnect", "code": _POLICY_VIOLATION}
        return message

    return received


def _has_mutation(text: str) -> bool:
    """Whether a message starts anything but queries and subscriptions."""
    try:
        message = json.loads(text)
        payload = message.get("payload") if isinstance(message, dict) else None
        if not isinstance(payload, dict) or "query" not in payload:
            return False
        return bool(mutations(json.dumps(payload).encode()))
    except (ValueError, Refused):
        return True  # nobody can tell


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
