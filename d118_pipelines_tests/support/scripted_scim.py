"""A SCIM service on loopback that errs as a test says; the fair one is scim2-server.

Belongs here: the least of the protocol, and faults. Not here: sockets
(scripted_http.py).
"""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections.abc import Callable, Mapping
from typing import Any

from d118_pipelines_tests.support.scripted_http import (
    Reply,
    Request,
    ScriptedServer,
    json_reply,
)

Fault = Callable[[Request], Reply | None]
_FILTER = re.compile(r'(externalId|userName) eq (".*")')


def never(request: Request) -> Reply | None:
    """No fault."""
    return None


class ScriptedScim:
    """Holds users by id and answers; `fault` may answer in its place.

    supports: any of `patch`, `bulk`, `filter`. bulk_limits: maxOperations and
    maxPayloadSize.
    """

    def __init__(
        self,
        *,
        fault: Fault = never,
        supports: tuple[str, ...] = ("patch", "filter"),
        bulk_limits: tuple[int, int] = (1000, 1_000_000),
    ) -> None:
        self.users: dict[str, dict[str, Any]] = {}
        self.supports, self._limits, self.fault = supports, bulk_limits, fault
        self._lock, self._ids = threading.Lock(), itertools.count(1)

    def server(self) -> ScriptedServer:
        """A server of this service, to be used in a `with` block."""
        return ScriptedServer(self.answer)

    def add(self, **user: Any) -> str:
        """A user that exists already; its id."""
        scim_id = f"u{next(self._ids)}"
        self.users[scim_id] = {**user, "id": scim_id}
        return scim_id

    def answer(self, request: Request) -> Reply:
        """The answer to one request."""
        with self._lock:
            refused = self.fault(request)
            if refused is not None:
                return refused
            if request.path == "/ServiceProviderConfig":
                return json_reply(self._config())
            if request.path == "/ResourceTypes":
                return json_reply({"Resources": []})
            body = json.loads(request.body) if request.body else {}
            if request.path == "/Bulk":
                return self._bulk(body)
            if request.method == "GET":
                return self._find(request.query["filter"])
            status, answer = self.change(request.method, request.path, body)
            return json_reply(answer, status=status)

    def change(
        self, method: str, path: str, body: Mapping[str, Any]
    ) -> tuple[int, dict[str, Any]]:
        """Status and answer of one change."""
        scim_id = path.removeprefix("/Users").strip("/")
        if method == "POST":
            taken = {user["userName"] for user in self.users.values()}
            if body["userName"] in taken:
                return 409, error(409, "uniqueness")
            return 201, self.users[self.add(**body)]
        if scim_id not in self.users:
            return 404, error(404)
        if method == "DELETE":
            return 204, self.users.pop(scim_id)
        if method == "PUT":
            self.users[scim_id] = {**body, "id": scim_id}
        for operation in body.get("Operations", ()):
            _apply(self.users[scim_id], operation)
        return 200, self.users[scim_id]

    def _config(self) -> dict[str, Any]:
        config: dict[str, Any] = {
            name: {"supported": name in self.supports}
            for name in ("patch", "filter", "bulk")
        }
        operations, size = self._limits
        config["bulk"] |= {"maxOperations": operations, "maxPayloadSize": size}
        return config

    def _find(self, text: str) -> Reply:
        asked = _FILTER.fullmatch(text)
        if asked is None:
            return json_reply(error(400, "invalidFilter"), status=400)
        value = json.loads(asked[2])
        found = [u for u in self.users.values() if u.get(asked[1]) == value]
        return json_reply({"totalResults": len(found), "Resources": found})

    def _bulk(self, body: Mapping[str, Any]) -> Reply:
        answers = []
        for asked in body["Operations"]:
            status, answer = self.change(
                asked["method"], asked["path"], asked.get("data") or {}
            )
            done = {"method": asked["method"], "status": str(status)}
            if asked["method"] == "POST":
                done["bulkId"] = asked["bulkId"]
            if status < 300:
                done["location"] = f"https://idp.example/v2/Users/{answer['id']}"
            else:
                done["response"] = answer
                done["location"] = f"https://idp.example/v2{asked['path']}"
            answers.append(done)
        return json_reply({"Operations": answers[::-1]})


def error(status: int, word: str = "") -> dict[str, Any]:
    """The body of a SCIM error; its text quotes a person, as those of some do."""
    return {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": str(status),
        "detail": "Canary Person may not do this",
        **({"scimType": word} if word else {}),
    }


def refusal(status: int, word: str = "", **headers: str) -> Reply:
    """An answer with a SCIM error."""
    return json_reply(error(status, word), status=status, **headers)


def _apply(user: dict[str, Any], operation: Mapping[str, Any]) -> None:
    path = operation.get("path")
    if operation["op"] == "remove":
        attribute, _, part = path.partition(".")
        if part:
            user[attribute].pop(part)
        else:
            user.pop(attribute)
    elif path:
        user[path] = operation["value"]
    else:
        user.update(operation["value"])
