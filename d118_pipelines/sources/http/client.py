"""Reads from one service: attempts, waiting, credentials, redirects, limits.

Belongs here: what is sent where, how often, and when it is given up. Not here: httpx
(transport.py), credentials (oauth1.py, oauth2.py, bearer.py), pages and rows.
Rule: docs/reference/oneroster_rest.md. An error names the place without its query; no
body, header, token or secret is in it.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote, urlencode, urljoin, urlsplit

from d118_pipelines.errors import (
    AuthenticationError,
    D118Error,
    RetriableError,
    SourceError,
    UnavailableError,
)
from d118_pipelines.sources.http.addresses import checked_address, host, origin
from d118_pipelines.sources.http.answers import Answer
from d118_pipelines.sources.http.timing import Clock, Pacer, SystemClock
from d118_pipelines.sources.http.transport import HttpLimits, Transport

OK = frozenset({200})
REPEATED = frozenset({429, 500, 502, 503, 504})
REDIRECTS = frozenset({301, 302, 303, 307, 308})
MAX_REDIRECTS = 5
LONGEST_PAUSE = 60.0
CLOCK_TOLERANCE = 300.0
NOT_STORED = "The pull was not stored."

Query = Sequence[tuple[str, str]]


class Auth(Protocol):
    """A way to prove who asks."""

    def headers(self, client: HttpClient, method: str, url: str) -> Mapping[str, str]:
        """The headers for one request; made anew for every repetition.

        Raises: what a token endpoint raises; that is final.
        """

    def renew(self, client: HttpClient) -> bool:
        """After a 401: whether one repetition makes sense."""


@dataclass(slots=True)
class _Budget:
    """What is left for one request, repetitions and redirects included."""

    until: float
    attempts: int


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
        self._transport = Transport(code=code, limits=self._limits, clock=self.clock)
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

    def post_form(self, url: str, form: Query, *, headers: Mapping[str, str]) -> Answer:
        """Post to a token endpoint and give back its answer, whatever it says.

        429 and 5xx are repeated, a redirect is not followed. The client's own credential
        is not sent. Raises: UnavailableError, ConnectionLostError, TimeLimitError,
        SourceError.
        """
        typed = {"Content-Type": "application/x-www-form-urlencoded", **headers}
        return self._attempt(
            "POST", url, self._budget(), headers=lambda: typed, content=urlencode(form)
        )

    def _budget(self) -> _Budget:
        until = self.clock.monotonic() + self._limits.total
        return _Budget(min(until, self._deadline), self._attempts)

    def _read(self, url: str, expect: Collection[int]) -> Answer:
        budget = self._budget()
        redirects, renewals = MAX_REDIRECTS, 1
        while True:
            answer = self._signed(url, budget)
            if answer.status in REDIRECTS and redirects:
                url = self._redirected(answer)
                redirects -= 1
            elif answer.status == 401 and renewals and self.auth is not None:
                renewals = 0
                if not self.auth.renew(self):
                    break
            else:
                break
        if answer.status not in expect:
            raise self._refused(answer, "GET")
        return answer

    def _signed(self, url: str, budget: _Budget) -> Answer:
        def headers() -> Mapping[str, str]:
            return self.auth.headers(self, "GET", url) if self.auth else {}

        return self._attempt("GET", url, budget, headers=headers)

    def _attempt(
        self,
        method: str,
        url: str,
        budget: _Budget,
        *,
        headers: Callable[[], Mapping[str, str]],
        content: str | None = None,
    ) -> Answer:
        """Ask until there is an answer that is not to be repeated."""
        longest = 1.0
        while True:
            self._turn(method, url, budget)
            # Outside of the try: a token that cannot be had is not tried here again.
            # After the turn: a signature is only good for a moment.
            sent = headers()
            wait: float | None = None
            failure: D118Error
            try:
                answer = self._send(method, url, sent, content, budget)
            except RetriableError as exc:
                failure = exc
            else:
                if answer.status not in REPEATED:
                    return answer
                failure = self._refused(answer, method)
                wait = answer.wait_asked(self.clock.now())
            if wait is None:
                wait = self._jitter(longest)
            self._pause(min(wait, self._limits.wait), failure, budget)
            longest = min(longest * 2, LONGEST_PAUSE)

    def _turn(self, method: str, url: str, budget: _Budget) -> None:
        """Wait until the next request may go."""
        wait = self._pacer.seconds_to_wait()
        if self.clock.monotonic() + wait > budget.until:
            raise UnavailableError(
                f"FAILED {self._code}.rate_limited  The service wants {wait:.0f} s "
                "without requests.",
                where=self._place(method, url),
                not_done=NOT_STORED,
                next_step="Run it again later.",
            )
        self._pacer.step()

    def _pause(self, wait: float, failure: D118Error, budget: _Budget) -> None:
        """Wait before the next attempt, or raise what the last one met."""
        budget.attempts -= 1
        if budget.attempts < 1 or self.clock.monotonic() + wait > budget.until:
            raise failure
        self._pacer.hold(wait)

    def _send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: str | None,
        budget: _Budget,
    ) -> Answer:
        answer = self._transport.send(
            method,
            url,
            headers=headers,
            content=content.encode("ascii") if content is not None else None,
            seconds=budget.until - self.clock.monotonic(),
            where=self._place(method, url),
        )
        if answer.is_used_up and method == "GET":
            reset = answer.reset(self.clock.now()) or 0.0
            self._pacer.hold(min(reset, self._limits.wait))
        return answer

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
        status, words = answer.status, answer.words()
        kind: type[D118Error] = SourceError
        name, advice = "http", "Ask who runs the service."
        if status == 401:
            kind, name = AuthenticationError, "auth"
            advice = "Check the credential of this provider."
            seconds = answer.clock_differs(self.clock.now())
            if seconds > CLOCK_TOLERANCE:
                words += f"; the server's clock differs by {seconds:.0f} s"
        elif status == 403:
            name, advice = "forbidden", "Ask for the right (scope) to read this."
        elif status == 404:
            name, advice = "not_found", "Check base_url and the version."
        elif status in REPEATED:
            kind, advice = UnavailableError, "Run it again later."
            name = "rate_limited" if status == 429 else "http"
        return kind(
            f"FAILED {self._code}.{name}  The service refused ({words}).",
            where=self._place(method, answer.url),
            not_done=NOT_STORED,
            next_step=advice,
        )
