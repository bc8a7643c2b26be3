"""A OneRoster service on loopback: 1.1 or 1.2, with the ways in which real ones err.

Belongs here: the protocol and its quirks. Not here: data (oneroster_data.py), sockets.
"""

from __future__ import annotations

import base64
import hmac
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol
from urllib.parse import parse_qsl, urlencode

from authlib.oauth1.rfc5849.base_server import BaseServer
from authlib.oauth1.rfc5849.errors import OAuth1Error
from authlib.oauth1.rfc5849.signature import generate_signature_base_string
from authlib.oauth1.rfc5849.util import escape
from authlib.oauth1.rfc5849.wrapper import OAuth1Request

from d118_pipelines_tests.support.scripted_http import (
    JSON,
    Reply,
    Request,
    ScriptedServer,
    VirtualClock,
    json_reply,
)

Row = Mapping[str, Any]
BASES = {"1.1": "/ims/oneroster/v1p1", "1.2": "/ims/oneroster/rostering/v1p2"}
TOKEN_PATH = "/oauth2/token"
NextLink = Literal["right", "skips", "sticks", "foreign", "bare"]


@dataclass(frozen=True, slots=True)
class Quirks:
    """How a service errs. The defaults are a service that does everything right.

    max_limit: rows of a page at most, whatever `limit` says. total: what the count says
    (`True` the truth, `None` nothing, a list: one after the other, `page` the rows of
    the page, `so far` also those before it). next_link: `skips` counts with the limit
    asked for, `sticks` never moves on, `foreign` names another host, `bare` has a
    cursor in place of an offset. repeats: the page (0 the first) that is sent again in
    place of the next one. revisions: of ClassLink's header, one after the other.
    end_status: behind the last row. statuses: collection -> status for all its
    requests. replies: number of a list request (0 the first of all) -> its answer.
    """

    max_limit: int | None = None
    total: Literal[True, "page", "so far"] | int | Sequence[int] | None = True
    next_link: NextLink | None = None
    foreign_host: str = "http://sis.internal.example"
    ignores_offset: bool = False
    repeats: int | None = None
    revisions: Sequence[str] = ()
    refuses_sort: bool = False
    end_status: int | None = None
    statuses: Mapping[str, int] = field(default_factory=dict)
    replies: Mapping[int, Reply] = field(default_factory=dict)


class Gate(Protocol):
    """Says who may read."""

    def admits(self, request: Request, url: str) -> bool: ...


class OneRosterServer:
    """Serves `data` (last part of the path -> rows) while the block runs.

    gate: who may read; nobody is asked without one. clock: see ScriptedServer.
    """

    def __init__(
        self,
        data: Mapping[str, Sequence[Row]],
        *,
        version: Literal["1.1", "1.2"] = "1.1",
        quirks: Quirks | None = None,
        gate: Gate | None = None,
        clock: VirtualClock | None = None,
    ) -> None:
        self.data, self.quirks, self.gate = data, quirks or Quirks(), gate
        self._base = BASES[version]
        self._lock = threading.Lock()
        self._lists = 0
        self._pages: dict[str, int] = {}
        self._server = ScriptedServer(self._answer, clock=clock)

    @property
    def url(self) -> str:
        """The base address."""
        return self._server.url + self._base

    @property
    def token_url(self) -> str:
        """The token endpoint, where the gate has one."""
        return self._server.url + TOKEN_PATH

    @property
    def requests(self) -> list[Request]:
        """Every request, tokens included."""
        return self._server.requests

    def asked(self, collection: str) -> list[Request]:
        """The requests for one collection."""
        return [r for r in self.requests if r.path.endswith(f"/{collection}")]

    def __enter__(self) -> OneRosterServer:
        self._server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__()

    def _answer(self, request: Request) -> Reply:
        with self._lock:
            if request.path == TOKEN_PATH and isinstance(self.gate, TokenGate):
                return self.gate.token(request)
            return self._list(request)

    def _list(self, request: Request) -> Reply:
        number, self._lists = self._lists, self._lists + 1
        if number in self.quirks.replies:
            return self.quirks.replies[number]
        if self.gate and not self.gate.admits(request, self._server.url):
            return failure(401, "unauthorisedrequest")
        name = request.path.removeprefix(self._base).strip("/")
        if status := self.quirks.statuses.get(name):
            return failure(status, "forbidden" if status == 403 else "invaliddata")
        if not request.path.startswith(self._base) or name not in self.data:
            return failure(404, "unknownobject")
        if "sort" in request.query and self.quirks.refuses_sort:
            return failure(400, "invalid_sort_field")
        return self._page(request, name)

    def _page(self, request: Request, name: str) -> Reply:
        query = request.query
        limit = min(int(query.get("limit", 100)), self.quirks.max_limit or 10**9)
        offset = int(query.get("offset", query.get("cursor", 0)))
        all_rows = self.data[name]
        begin = 0 if self.quirks.ignores_offset else offset
        page = self._pages[name] = self._pages.get(name, -1) + 1
        if self.quirks.repeats is not None and page == self.quirks.repeats + 1:
            begin = max(0, begin - limit)
        rows = all_rows[begin : begin + limit]
        if not rows and begin and self.quirks.end_status:
            return failure(self.quirks.end_status, "invaliddata")
        headers = {**JSON, **self._count(len(all_rows), offset, len(rows))}
        if offset + len(rows) < len(all_rows):
            headers |= self._link(query, offset, len(rows))
        if self.quirks.revisions:
            last = len(self.quirks.revisions) - 1
            headers["x-perm-rev"] = self.quirks.revisions[min(self._lists - 1, last)]
        return Reply(200, headers, json.dumps({name: list(rows)}).encode())

    def _count(self, true: int, offset: int, rows: int) -> dict[str, str]:
        total = self.quirks.total
        if isinstance(total, str):
            total = rows if total == "page" else offset + rows
        if total is None:
            return {}
        if isinstance(total, Sequence):
            total = total[min(self._lists - 1, len(total) - 1)]
        return {"X-Total-Count": str(true if total is True else total)}

    def _link(self, query: Mapping[str, str], offset: int, rows: int) -> dict[str, str]:
        kind = self.quirks.next_link
        if kind is None:
            return {}
        steps = {"skips": int(query.get("limit", 100)), "sticks": 0}
        value = offset + steps.get(kind, rows)
        text = urlencode({**query, "offset": value})
        if kind == "bare":
            text = urlencode({"cursor": value, "limit": query.get("limit", 100)})
        host = self.quirks.foreign_host if kind == "foreign" else self._server.url
        return {"Link": f'<{host}/elsewhere/users?{text}>; rel="next", <x>; rel="last"'}


def failure(status: int, word: str) -> Reply:
    """An error in the standard's shape; its description quotes a person."""
    field_ = {
        "imsx_codeMinorFieldName": "TargetEndSystem",
        "imsx_codeMinorFieldValue": word,
    }
    envelope = {
        "imsx_codeMajor": "failure",
        "imsx_severity": "error",
        "imsx_description": "canary-description Zqperson",
        "imsx_CodeMinor": {"imsx_codeMinorField": [field_]},
    }
    return json_reply(envelope, status=status)


class BearerGate:
    """One key, which a test may change."""

    def __init__(self, key: str) -> None:
        self.key = key

    def admits(self, request: Request, url: str) -> bool:
        return request.authorization == f"Bearer {self.key}"


class TokenGate:
    """OAuth 2 client credentials; each token is good for `uses` requests.

    scopes: known ones, all if empty. replies: number of a token request -> its answer.
    """

    def __init__(
        self,
        client_id: str = "client-id",
        client_secret: str = "canary-client-secret",
        *,
        uses: int = 10**9,
        scopes: Sequence[str] = (),
        expires_in: object = 3600,
        replies: Mapping[int, Reply] | None = None,
    ) -> None:
        self._pair = (client_id, client_secret)
        self._uses, self._scopes, self._expires_in = uses, scopes, expires_in
        self._replies = dict(replies or {})
        self.forms: list[dict[str, str]] = []
        self._left: dict[str, int] = {}

    def token(self, request: Request) -> Reply:
        form = {**request.query, **dict(parse_qsl(request.body.decode()))}
        self.forms.append(form)
        number = len(self.forms) - 1
        if number in self._replies:
            return self._replies[number]
        if self._login(request, form) != self._pair:
            return json_reply({"error": "invalid_client"}, status=401)
        if self._scopes and not set(form["scope"].split()) <= set(self._scopes):
            return json_reply({"error": "invalid_scope"}, status=400)
        token = f"canary-token-{number}"
        self._left[token] = self._uses
        life = {} if self._expires_in is None else {"expires_in": self._expires_in}
        return json_reply({"access_token": token, "token_type": "Bearer", **life})

    def admits(self, request: Request, url: str) -> bool:
        token = (request.authorization or "").removeprefix("Bearer ")
        self._left[token] = self._left.get(token, 0) - 1
        return self._left[token] >= 0

    def _login(self, request: Request, form: Mapping[str, str]) -> tuple[str, str]:
        if "client_secret" in form:
            return form["client_id"], form["client_secret"]
        coded = (request.authorization or "").removeprefix("Basic ")
        name, _, password = base64.b64decode(coded).decode().partition(":")
        return name, password


class SignatureGate(BaseServer):  # type: ignore[misc]
    """OAuth 1.0a without tokens as authlib checks it; a nonce is good once."""

    def __init__(
        self,
        key: str = "consumer-key",
        secret: str = "canary-consumer-secret",
        methods: Sequence[str] = ("HMAC-SHA1", "HMAC-SHA256"),
    ) -> None:
        self._key, self._secret = key, secret
        self.SUPPORTED_SIGNATURE_METHODS = methods
        self.SIGNATURE_METHODS = {
            **BaseServer.SIGNATURE_METHODS,
            "HMAC-SHA256": _verify_hmac_sha256,
        }
        self._nonces: set[str] = set()

    def admits(self, request: Request, url: str) -> bool:
        headers = {"Authorization": request.authorization}
        try:
            asked = OAuth1Request(request.method, url + request.target, headers=headers)
            asked.client = self
            self.validate_timestamp_and_nonce(asked)
            self.validate_oauth_signature(asked)
        except OAuth1Error:
            return False
        return asked.client_id == self._key

    def get_client_secret(self) -> str:
        """What authlib asks of `client`."""
        return self._secret

    def exists_nonce(self, nonce: str, request: OAuth1Request) -> bool:
        is_old = nonce in self._nonces
        self._nonces.add(nonce)
        return is_old


def _verify_hmac_sha256(request: OAuth1Request) -> bool:
    """authlib's base string; of the hashes it only knows SHA-1."""
    base = generate_signature_base_string(request)
    key = f"{escape(request.client_secret)}&".encode()
    digest = hmac.new(key, base.encode(), "sha256").digest()
    return base64.b64encode(digest).decode() == str(request.signature)
