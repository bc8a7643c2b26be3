"""One request to a service provider: waiting, repeating, giving up.

Belongs here: httpx2, attempts, pauses, what a status means for all users. Not here:
which requests a user needs. No address, header or body is in an error.
Rule: docs/reference/scim.md, requests.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import threading
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from d118_pipelines.delivery.scim.changes import ScimSettings, is_local
from d118_pipelines.errors import (
    AuthenticationError,
    ConnectionLostError,
    D118Error,
    DestinationError,
    TimeLimitError,
)

if TYPE_CHECKING:
    import httpx2

NOT_SENT = "Users that are not confirmed stay pending."
# RFC 7644, table 9: the only words of an answer that are shown.
WORDS = frozenset(
    [
        "invalidFilter",
        "tooMany",
        "uniqueness",
        "mutability",
        "invalidSyntax",
        "invalidPath",
        "noTarget",
        "invalidValue",
        "invalidVers",
        "sensitive",
    ]
)


class RefusedError(Exception):
    """The provider refused one request; only this room sees it. Its text is safe."""

    def __init__(self, status: int, word: str = "") -> None:
        self.status = status
        super().__init__(f"HTTP {status} {word if word in WORDS else ''}".strip())

    @property
    def may_pass(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status == 429 or (self.status >= 500 and self.status != 501)


class PatientClient:
    """Asks through an httpx2 client, waits, repeats and never follows redirects.

    Safe for threads: a Retry-After holds the requests of all of them.
    """

    def __init__(self, settings: ScimSettings) -> None:
        import httpx2

        # They log addresses with their queries, which hold user names.
        for name in ("httpx2", "httpcore2"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._settings, self._lock = settings, threading.Lock()
        self._not_before, self.requests = 0.0, 0
        self.client = httpx2.Client(
            base_url=settings.base_url,
            timeout=settings.timeout_seconds,
            headers={"Authorization": f"Bearer {settings.token}"},
            trust_env=not is_local(urlsplit(settings.base_url).hostname or ""),
            follow_redirects=False,
            limits=httpx2.Limits(max_connections=settings.concurrency),
        )

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def request(self, method: str, url: str, **options: Any) -> httpx2.Response:
        """Ask, and ask again after 429, 5xx or a lost connection.

        Raises: RefusedError for 4xx and 5xx; AuthenticationError, DestinationError,
        ConnectionLostError, TimeLimitError, which concern all users.
        """
        response: httpx2.Response | None = None
        failure: D118Error | None = None
        for pause in (0.0, *self._settings.pauses_seconds):
            if not self._wait(pause, response):
                break
            response, failure = self._once(method, url, options)
            if response is not None and not _refusal(response).may_pass:
                break
        if response is None:
            raise failure or _lost("no answer")
        return _usable(response)

    def _wait(self, pause: float, last: httpx2.Response | None) -> bool:
        """Wait for the next attempt; false if the provider asks for too long a pause."""
        if last is not None:
            asked = _retry_after(last.headers.get("retry-after", ""))
            if asked > self._settings.longest_pause_seconds:
                return False
            with self._lock:
                self._not_before = max(self._not_before, time.monotonic() + asked)
        time.sleep(max(pause, self._not_before - time.monotonic(), 0.0))
        return True

    def _once(
        self, method: str, url: str, options: dict[str, Any]
    ) -> tuple[httpx2.Response | None, D118Error | None]:
        import httpx2

        with self._lock:
            self.requests += 1
        try:
            return self.client.request(method, url, **options), None
        except httpx2.TimeoutException:
            return None, _late(self._settings.timeout_seconds)
        except httpx2.RequestError as exc:
            return None, _lost(type(exc).__name__)


def _usable(response: httpx2.Response) -> httpx2.Response:
    """The answer if it is a success."""
    if response.status_code == 401:
        raise AuthenticationError(
            "FAILED scim.authentication  The SCIM service refused the token (HTTP 401).",
            not_done=NOT_SENT,
            next_step="Renew the token and run it again.",
        )
    if 300 <= response.status_code < 400:
        raise DestinationError(
            "FAILED scim.redirect  The SCIM service answered with a redirect "
            f"(HTTP {response.status_code}).",
            rule="the token is sent to the configured address only",
            not_done=NOT_SENT,
            next_step="Correct the base URL to the address of the service itself.",
        )
    if response.status_code >= 400:
        raise _refusal(response)
    return response


def _refusal(response: httpx2.Response) -> RefusedError:
    try:
        word = json.loads(response.content).get("scimType")
    except (ValueError, AttributeError, RecursionError):
        word = None
    return RefusedError(response.status_code, word if isinstance(word, str) else "")


def _retry_after(text: str) -> float:
    """Seconds that the provider asks to wait; 0 if it does not say."""
    if text.strip().isdigit():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return 0.0
    at = at if at.tzinfo else at.replace(tzinfo=dt.UTC)
    return max(0.0, (at - dt.datetime.now(dt.UTC)).total_seconds())


def _lost(kind: str) -> ConnectionLostError:
    return ConnectionLostError(
        f"FAILED scim.unreachable  No whole answer of the SCIM service ({kind}).",
        not_done=NOT_SENT,
        next_step="Check the base URL and whether the service is up; run it again.",
    )


def _late(seconds: float) -> TimeLimitError:
    return TimeLimitError(
        "FAILED scim.unreachable  No answer of the SCIM service in time.",
        rule=f"{seconds:g} s",
        not_done=NOT_SENT,
        next_step="Check whether the service is up; run it again.",
    )
