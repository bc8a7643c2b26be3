"""Reads from one service: attempts, waiting, credentials, redirects, limits.

Called by `sources/clever/` and `sources/oneroster_rest/`, which know pages and rows.
httpx is in `transport.py`; credentials are in `oauth1.py`, `oauth2.py`, `bearer.py`.
Rule: docs/reference/oneroster_rest.md. An error names the place without its query; no
body, header, token or secret is in it.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote, urlencode, urljoin, urlsplit

from d118_pipelines.errors import (
    AuthenticationError,
    D118Error,
    RetriableError,
    SourceError,
    UnavailableError,
)
from d118_pipelines.kernel.addresses import checked_address, host, origin
from d118_pipelines.kernel.log_level import is_debugged, own
from d118_pipelines.kernel.retry import retried
from d118_pipelines.sources.http.answers import Answer
from d118_pipelines.sources.http.timing import Clock, Pacer, SystemClock
from d118_pipelines.sources.http.transport import HttpLimits, Transport

if TYPE_CHECKING:
    import httpx

OK = frozenset({200})
REPEATED = frozenset({429, 500, 502, 503, 504})
REDIRECTS = frozenset({301, 302, 303, 307, 308})
MAX_REDIRECTS = 5
LONGEST_PAUSE = 60.0
CLOCK_TOLERANCE = 300.0
NOT_STORED = "The pull was not stored."
# Status -> kind of error, second word of its code, what to do.
_ANY_OTHER: tuple[type[D118Error], str, str]
_ANY_OTHER = SourceError, "http", "Ask the operator of the service."
_FINAL: dict[int, tuple[type[D118Error], str, str]] = {
    **dict.fromkeys(REPEATED, (UnavailableError, "http", "Run it again later.")),
    429: (UnavailableError, "rate_limited", "Run it again later."),
    401: (AuthenticationError, "auth", "Check the credential of this provider."),
    403: (SourceError, "forbidden", "Ask for the right (scope) to read this."),
    404: (SourceError, "not_found", "Check base_url and the version."),
}

Query = Sequence[tuple[str, str]]


class Auth(Protocol):
    """A way to prove who asks: the part of `httpx.Auth` that is needed."""

    def auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """Yield what is to be sent and take each response.

        The last response to the given request counts. What is raised is final: a token
        that cannot be had is not asked for again.
        """


@dataclass(slots=True)
class _Read:
    """How far one read has come, repetitions and redirects included.

    expect: statuses that are no failure. until: when it is given up. failure: what the
    last attempt met that may pass.
    """

    url: str
    expect: Collection[int]
    until: float
    redirects: int = MAX_REDIRECTS
    refusals: int = 0
    failure: RetriableError | None = None


def full_jitter(longest: float) -> float:
    """A random pause up to `longest` seconds."""
    return random.uniform(0.0, longest)


class HttpClient:
    """Asks one service, one request at a time.

    base_url: used as given, escapes included. code: the first word of error codes.
    requests_per_minute, min_interval: the least distance between two requests, the
    longer one counts. Raises: ConfigurationError for an address that may not be asked.
    """

    def __init__(
        self,
        base_url: str,
        *,
        auth: Auth | None = None,
        code: str = "rest",
        limits: HttpLimits | None = None,
        requests_per_minute: int | None = None,
        min_interval: float = 0.0,
        clock: Clock | None = None,
        jitter: Callable[[float], float] = full_jitter,
    ) -> None:
        self.base_url = checked_address(base_url, name="base_url")
        self.clock: Clock = clock or SystemClock()
        self.auth, self._code, self._jitter = auth, code, jitter
        self._limits = limits or HttpLimits()
        spread = 60.0 / requests_per_minute if requests_per_minute else 0.0
        self._pacer = Pacer(self.clock, max(min_interval, spread))
        self._transport = Transport(code=code, limits=self._limits)
        self._deadline = float("inf")
        self._attempts = self._limits.attempts

    def within(self, seconds: float, *, auth: Auth | None = None) -> HttpClient:
        """The same client for a quick question: no repetition, an end in time.

        auth: takes the place of the client's own.
        """
        quick = copy.copy(self)
        quick._deadline = min(self._deadline, self.clock.monotonic() + seconds)
        quick._attempts = 1
        quick.auth = auth or self.auth
        return quick

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        self._transport.close()

    def get(
        self, path: str, query: Query = (), *, expect: Collection[int] = OK
    ) -> Answer:
        """Read `path` below the base address.

        query: pairs, sent in this order and escaped by RFC 3986. expect: the statuses
        that the caller can use. Raises: AuthenticationError, SourceError,
        UnavailableError, ConnectionLostError, TimeLimitError.
        """
        text = urlencode(query, quote_via=quote, safe="")
        url = f"{self.base_url}{path}{'?' if text else ''}{text}"
        return self.get_url(url, expect=expect)

    def get_url(self, url: str, *, expect: Collection[int] = OK) -> Answer:
        """Read an absolute address of the same scheme, host and port; else SourceError."""
        if origin(url) != origin(self.base_url):
            raise self._elsewhere("A link", url)
        return self._read(url, expect)

    def _read(self, url: str, expect: Collection[int]) -> Answer:
        until = self.clock.monotonic() + self._limits.total
        read = _Read(url, expect, min(until, self._deadline))
        answer = retried(
            partial(self._answer, read),
            attempts=self._attempts,
            pause=partial(self._pause, read),
            until=read.until,
            now=self.clock.monotonic,
            sleep=self._pacer.hold,
        )
        if answer.status not in expect:
            raise self._refused(answer, "GET")
        return answer

    def _pause(self, read: _Read, attempt: int, exc: Exception) -> float | None:
        """Seconds before the next attempt; None for what only repeats itself."""
        if read.failure is None or exc is not read.failure:
            return None
        asked = read.failure.wait_seconds
        if asked is None:
            asked = self._jitter(min(2.0 ** (attempt - 1), LONGEST_PAUSE))
        return min(asked, self._limits.wait)

    def _answer(self, read: _Read, attempt: int) -> Answer:
        """One attempt, up to an answer that leads nowhere else."""
        while True:
            answer = Answer.of(self._proven(read))
            if answer.status not in REDIRECTS or not read.redirects:
                return answer
            read.url = self._redirected(answer)
            read.redirects -= 1

    def _proven(self, read: _Read) -> httpx.Response:
        """Send what the credential makes of the request, one after the other."""
        import httpx

        auth = self.auth or httpx.Auth()
        # Before the credential is made: a signature is only good for a moment.
        self._turn("GET", read)
        request = self._transport.request(read.url, self._place("GET", read.url))
        with closing(auth.auth_flow(request)) as flow:
            sent = next(flow)
            while True:
                response = self._sent(sent, read)
                if sent is request:
                    answer = response
                    read.refusals += answer.status_code == 401
                    if read.refusals > 1:
                        return answer
                try:
                    sent = flow.send(response)
                except StopIteration:
                    return answer
                self._turn(sent.method, read)

    def _turn(self, method: str, read: _Read) -> None:
        """Wait until the next request may go."""
        wait = self._pacer.seconds_to_wait()
        if self.clock.monotonic() + wait > read.until:
            raise UnavailableError(
                f"FAILED {self._code}.rate_limited  The service wants {wait:.0f} s "
                "without requests.",
                where=self._place(method, read.url),
                not_done=NOT_STORED,
                next_step="Run it again later.",
            )
        self._pacer.step()

    def _sent(self, request: httpx.Request, read: _Read) -> httpx.Response:
        """Send once; what may pass is noted as such and raised."""
        where = self._place(request.method, str(request.url))
        began = self.clock.monotonic()
        try:
            response = self._transport.send(
                request, seconds=read.until - self.clock.monotonic(), where=where
            )
            answer = Answer.of(response)
            if is_debugged():
                took = self.clock.monotonic() - began
                own.debug("%s: %s in %.3f s", where, answer.status, took)
            if answer.status in REPEATED and answer.status not in read.expect:
                raise self._refused(answer, request.method)
        except RetriableError as exc:
            read.failure = exc
            raise
        if answer.is_used_up and request.method == "GET":
            reset = answer.reset(self.clock.now()) or 0.0
            self._pacer.hold(min(reset, self._limits.wait))
        return response

    def _redirected(self, answer: Answer) -> str:
        """Where a redirect leads. Raises: SourceError unless it is the same place."""
        try:
            url = urljoin(answer.url, answer.headers.get("location", ""))
        except ValueError:
            url = ""
        if origin(url) != origin(answer.url):
            raise self._elsewhere("A redirect", url)
        return url

    def _elsewhere(self, what: str, url: str) -> SourceError:
        return SourceError(
            f"FAILED {self._code}.http  {what} leads to another place, {host(url)}.",
            where=host(self.base_url),
            rule="the same scheme, host and port",
            not_done=f"It was not contacted. {NOT_STORED}",
            next_step="If the service has moved, correct base_url.",
        )

    def _place(self, method: str, url: str) -> str:
        """Method, path below the base address and host; never a query."""
        if origin(url) != origin(self.base_url):
            return f"{method} at {host(url)}"
        path = urlsplit(url).path.removeprefix(urlsplit(self.base_url).path)
        return f"{method} {path or '/'} at {host(url)}"

    def _refused(self, answer: Answer, method: str) -> D118Error:
        """The error for a status that is final."""
        kind, word, advice = _FINAL.get(answer.status, _ANY_OTHER)
        words = answer.words()
        seconds = answer.clock_differs(self.clock.now())
        if answer.status == 401 and seconds > CLOCK_TOLERANCE:
            words += f"; the server's clock differs by {seconds:.0f} s"
        error = kind(
            f"FAILED {self._code}.{word}  The service refused ({words}).",
            where=self._place(method, answer.url),
            not_done=NOT_STORED,
            next_step=advice,
        )
        if isinstance(error, RetriableError):
            error.wait_seconds = answer.wait_asked(self.clock.now())
        return error
