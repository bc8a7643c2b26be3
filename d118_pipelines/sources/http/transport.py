"""One request over httpx, within its limits, with the project's errors.

Called by `client.py`, which has attempts, waiting, redirects and the meaning of a
status.
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from d118_pipelines.errors import (
    ConnectionLostError,
    D118Error,
    SourceError,
    TimeLimitError,
)
from d118_pipelines.kernel.addresses import is_loopback, origin
from d118_pipelines.kernel.certificates import trusted

if TYPE_CHECKING:
    import httpx

MEBIBYTE = 1024 * 1024
CODINGS = {"identity", "", "gzip", "x-gzip", "deflate"}
HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip",
    "User-Agent": "d118-pipelines",
}


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """How long and how much. Rule: docs/reference/oneroster_rest.md, limits.

    connect, read, response: seconds to connect, without data, from there to the last
    byte of the answer.
    total: seconds for one request with all its attempts. wait: the longest wait that a
    server may ask for, in seconds. size_bytes: of one answer, expanded.
    """

    connect: float = 10.0
    read: float = 30.0
    response: float = 120.0
    total: float = 900.0
    attempts: int = 6
    wait: float = 300.0
    size_bytes: int = 64 * MEBIBYTE


class Transport:
    """Keeps the connections; opens them when needed and again after `close`."""

    def __init__(self, *, code: str, limits: HttpLimits) -> None:
        self._code, self._limits = code, limits
        self._clients: dict[bool, httpx.Client] = {}
        self._sockets: WeakSet[socket.socket] = WeakSet()

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

        Raises: ConnectionLostError (refused, cut, cut short), TimeLimitError,
        SourceError (too large, packed twice, or a certificate that is not trusted). No
        text of httpx is in them.
        """
        import httpx

        client = self._client(str(request.url))
        # Of this moment: the answer with the token may have set one.
        request.headers.pop("cookie", None)
        client.cookies.set_cookie_header(request)
        with self._cut_after(request, seconds) as is_cut:
            try:
                with closing(client.send(request, stream=True)) as response:
                    body = self._body(response, where)
            except httpx.TimeoutException:
                raise self._too_late(where) from None
            except (httpx.TransportError, zlib.error, EOFError) as exc:
                if is_cut():
                    raise self._too_late(where) from None
                raise self._failure(exc, where) from None
        # What has no length ends with the connection, also with one that was cut.
        if is_cut():
            raise self._too_late(where)
        # It is expanded now, and must not be a second time.
        response.headers.pop("content-encoding", None)
        return httpx.Response(
            response.status_code,
            headers=response.headers,
            content=body,
            request=request,
        )

    @contextmanager
    def _cut_after(
        self, request: httpx.Request, seconds: float
    ) -> Iterator[Callable[[], bool]]:
        """Cut every connection at the end of the time for one answer.

        httpx limits single steps: a server with a byte now and then never ends them.
        Gives: whether they were cut.
        """
        is_over = threading.Event()

        def cut() -> None:
            is_over.set()
            for connection in list(self._sockets):
                # Not the method of TLS, which would disturb the thread that reads.
                with suppress(OSError):
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)

        def note(event: str, info: Mapping[str, Any]) -> None:
            if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
                self._sockets.add(info["return_value"].get_extra_info("socket"))
                if is_over.is_set():
                    cut()

        request.extensions.update(timeout=self._timeout(seconds), trace=note)
        timer = threading.Timer(max(0.1, min(seconds, self._limits.response)), cut)
        timer.daemon = True
        timer.start()
        try:
            yield is_over.is_set
        finally:
            timer.cancel()

    def _body(self, response: httpx.Response, where: str) -> bytes:
        """The body, expanded step by step and never beyond the limit."""
        coding = response.headers.get("content-encoding", "identity").strip().lower()
        if coding not in CODINGS:
            raise self._unusable("The answer is packed twice or not as asked.", where)
        unzip = None if coding == "identity" else zlib.decompressobj(wbits=47)
        body, limit = bytearray(), self._limits.size_bytes
        for part in response.iter_raw():
            if unzip is None:
                body += part
            elif not unzip.eof:
                body += unzip.decompress(part, limit + 1 - len(body))
            if len(body) > limit:
                raise self._unusable("The answer is too large.", where)
        if unzip and response.num_bytes_downloaded and not unzip.eof:
            raise EOFError
        return bytes(body)

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
                verify=trusted(httpx.create_ssl_context, is_local=is_local),
                trust_env=not is_local,
                headers=HEADERS,
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

    def _unusable(self, what: str, where: str) -> SourceError:
        mebibytes = self._limits.size_bytes / MEBIBYTE
        return SourceError(
            f"FAILED {self._code}.bad_payload  {what}",
            where=where,
            rule=f"at most {mebibytes:g} MiB, expanded; Content-Encoding gzip, once",
            not_done="The pull was not stored.",
            next_step="Ask for smaller pages (pageSize), or ask the operator of the service.",
        )


def _is_certificate(exc: BaseException | None) -> bool:
    while exc is not None:
        if isinstance(exc, ssl.SSLCertVerificationError):
            return True
        exc = exc.__cause__ or exc.__context__
    return False
