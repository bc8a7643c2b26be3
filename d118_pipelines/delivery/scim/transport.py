"""One request to a service provider: waiting, repeating, giving up.

Called by `service.py`, which knows what users need; the loop of attempts is in
`kernel/retry.py`. No address, header or body is in an error.
Rule: docs/reference/scim.md, requests.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from d118_pipelines.delivery.scim.changes import ScimSettings
from d118_pipelines.errors import (
    AuthenticationError,
    ConnectionLostError,
    DestinationError,
    RetriableError,
    TimeLimitError,
)
from d118_pipelines.kernel.addresses import is_loopback
from d118_pipelines.kernel.certificates import trusted
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.kernel.retry import retried, seconds_asked

if TYPE_CHECKING:
    import httpx2

NOT_SENT = "Users that are not confirmed stay pending."
# RFC 7644, table 9: the only words of an answer that are shown.
WORDS = (
    "invalidFilter tooMany uniqueness mutability invalidSyntax invalidPath noTarget "
    "invalidValue invalidVers sensitive"
)


class RefusedError(Exception):
    """The provider refused one request; only this room sees it. Its text is safe."""

    def __init__(
        self, status: int, word: str = "", *, wait_seconds: float = 0.0
    ) -> None:
        self.status, self.wait_seconds = status, wait_seconds
        super().__init__(
            f"HTTP {status} {word if word in WORDS.split() else ''}".strip()
        )

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
        is_local = is_loopback(urlsplit(settings.base_url).hostname or "")
        self.client = httpx2.Client(
            base_url=settings.base_url,
            verify=trusted(httpx2.create_ssl_context, is_local=is_local),
            timeout=settings.timeout_seconds,
            headers={"Authorization": f"Bearer {settings.token}"},
            trust_env=not is_local,
            follow_redirects=False,
            limits=httpx2.Limits(max_connections=settings.concurrency),
        )

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def request(self, method: str, url: str, **options: Any) -> httpx2.Response:
        """Send a request; repeat it after 429, 5xx or a lost connection.

        Raises: RefusedError for 4xx and 5xx; AuthenticationError, DestinationError,
        ConnectionLostError, TimeLimitError, which concern all users.
        """
        return retried(
            lambda number: self._once(method, url, options),
            attempts=len(self._settings.pauses_seconds) + 1,
            pause=self._pause,
        )

    def _pause(self, attempt: int, exc: Exception) -> float | None:
        """Seconds before the next attempt; None for one that is not to be made."""
        if isinstance(exc, RefusedError) and exc.may_pass:
            if exc.wait_seconds > self._settings.longest_pause_seconds:
                return None
            with self._lock:
                until = time.monotonic() + exc.wait_seconds
                self._not_before = max(self._not_before, until)
        elif not isinstance(exc, RetriableError):
            return None
        held = self._not_before - time.monotonic()
        return max(self._settings.pauses_seconds[attempt - 1], held)

    def _once(self, method: str, url: str, options: dict[str, Any]) -> httpx2.Response:
        import httpx2

        time.sleep(max(0.0, self._not_before - time.monotonic()))
        with self._lock:
            self.requests += 1
        try:
            response = self.client.request(method, url, **options)
        except httpx2.TimeoutException:
            raise TimeLimitError(
                "FAILED scim.unreachable  No answer of the SCIM service in time.",
                rule=f"{self._settings.timeout_seconds:g} s",
                not_done=NOT_SENT,
                next_step="Check whether the service is up; run it again.",
            ) from None
        except httpx2.RequestError as exc:
            raise ConnectionLostError(
                "FAILED scim.unreachable  No whole answer of the SCIM service "
                f"({type(exc).__name__}).",
                not_done=NOT_SENT,
                next_step="Check the base URL and whether the service is up; run it again.",
            ) from None
        return _usable(response)


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
    return RefusedError(
        response.status_code,
        word if isinstance(word, str) else "",
        wait_seconds=seconds_asked(response.headers.get("retry-after"), utc_now())
        or 0.0,
    )
