"""One request over httpx, within its limits, with the project's errors.

Called by `client.py`, which has attempts, waiting, redirects and the meaning of a status.
"""

from __future__ import annotations

import logging
import ssl
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from d118_pipelines.errors import (
    ConnectionLostError,
    D118Error,
    SourceError,
    TimeLimitError,
)
from d118_pipelines.kernel.addresses import is_loopback, origin
from d118_pipelines.sources.http.timing import Clock

if TYPE_CHECKING:
    import httpx

MEBIBYTE = 1024 * 1024
HEADERS = {"Accept": "application/json", "User-Agent": "d118-pipelines"}


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """How long and how much. Rule: docs/reference/oneroster_rest.md, limits.

    connect, read, response: seconds to connect, without data, for a whole answer.
    total: seconds for one request with all its attempts. wait: the longest wait that a
    server may ask for, in seconds. size_bytes: of one answer, expanded.
    """

    connect: float = 10.0
    read: float = 30.0
    response: float = 120.0
    total: float = 900.0
    attempts: int = 6
    wait: float = 300.0
    size_bytes: int = 256 * MEBIBYTE


class Transport:
    """Keeps the connections; opens them when needed and again after `close`."""

    def __init__(self, *, code: str, limits: HttpLimits, clock: Clock) -> None:
        self._code, self._limits, self._clock = code, limits, clock
        self._clients: dict[bool, httpx.Client] = {}

    def close(self) -> None:
        """Close every connection."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    def request(self, url: str, where: str) -> httpx.Request:
        """A GET that can be sent. Raises: ConnectionLostError for no usable address."""
        import httpx  # heavy: only when something is asked

        try:
            return self._client(url).build_request("GET", url)
        except httpx.InvalidURL as exc:
            raise self._failure(exc, where) from None

    def send(
        self, request: httpx.Request, *, seconds: float, where: str
    ) -> httpx.Response:
        """Send once and read the whole answer; redirects are not followed.

        Raises: ConnectionLostError (refused, cut, cut short), TimeLimitError, SourceError
        (too large, or a certificate that cannot be trusted). No text of httpx is in them.
        """
        import httpx

        request.extensions["timeout"] = self._timeout(seconds)
        until = self._clock.monotonic() + min(seconds, self._limits.response)
        try:
            response = self._client(str(request.url)).send(request, stream=True)
            with closing(response):
                body = self._body(response, until, where)
        except httpx.TimeoutException:
            raise self._too_late(where) from None
        except (httpx.TransportError, httpx.DecodingError) as exc:
            raise self._failure(exc, where) from None
        # It is expanded now, and must not be a second time.
        response.headers.pop("content-encoding", None)
        return httpx.Response(
            response.status_code,
            headers=response.headers,
            content=body,
            request=request,
        )

    def _body(self, response: httpx.Response, until: float, where: str) -> bytes:
        parts, size = [], 0
        for part in response.iter_bytes():
            parts.append(part)
            size += len(part)
            if size > self._limits.size_bytes:
                raise self._too_large(where)
            if self._clock.monotonic() > until:
                raise self._too_late(where)
        return b"".join(parts)

    def _timeout(self, seconds: float) -> dict[str, float | None]:
        import httpx

        connect = max(0.1, min(self._limits.connect, seconds))
        read = max(0.1, min(self._limits.read, seconds))
        return httpx.Timeout(read, connect=connect).as_dict()

    def _client(self, url: str) -> httpx.Client:
        """The client for this address: a proxy of the environment is not for loopback."""
        import httpx

        place = origin(url)
        is_local = place is not None and is_loopback(place[1])
        if is_local not in self._clients:
            # They log addresses with their queries, and headers.
            for name in ("httpx", "httpcore"):
                logging.getLogger(name).setLevel(logging.WARNING)
            self._clients[is_local] = httpx.Client(
                trust_env=not is_local, headers=HEADERS
            )
        return self._clients[is_local]

    def _failure(self, exc: Exception, where: str) -> D118Error:
        if _is_certificate(exc):
            return SourceError(
                f"FAILED {self._code}.unreachable  The server's certificate is not "
                "trusted.",
                where=where,
                not_done="No credential was sent. The pull was not stored.",
                next_step="Check the host name and the certificate of the server.",
            )
        return ConnectionLostError(
            f"FAILED {self._code}.unreachable  No whole answer ({type(exc).__name__}).",
            where=where,
            not_done="The pull was not stored.",
            next_step="Check the address and whether the service is up.",
        )

    def _too_late(self, where: str) -> TimeLimitError:
        return TimeLimitError(
            f"FAILED {self._code}.unreachable  No whole answer in time.",
            where=where,
            rule=f"{self._limits.connect:g} s to connect, {self._limits.read:g} s "
            f"without data, {self._limits.response:g} s for an answer",
            not_done="The pull was not stored.",
            next_step="Ask for smaller pages, or run it again later.",
        )

    def _too_large(self, where: str) -> SourceError:
        return SourceError(
            f"FAILED {self._code}.bad_payload  The answer is too large.",
            where=where,
            rule=f"at most {self._limits.size_bytes // MEBIBYTE} MiB, expanded",
            not_done="The pull was not stored.",
            next_step="Ask for smaller pages.",
        )


def _is_certificate(exc: BaseException | None) -> bool:
    while exc is not None:
        if isinstance(exc, ssl.SSLCertVerificationError):
            return True
        exc = exc.__cause__ or exc.__context__
    return False
