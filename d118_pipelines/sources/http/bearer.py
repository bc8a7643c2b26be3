"""A bearer key that stays the same, and the way in which keys that do not are renewed.

Called by `workflows/providers/provider_sources.py`; `oauth2.py`, `clever/token.py` and
`oneroster_rest/classlink.py` read theirs anew. The client (`client.py`) runs the
`auth_flow` and all requests in it. For a name and a password: `httpx.BasicAuth`.
"""

from __future__ import annotations

import threading
from collections.abc import Generator
from typing import TYPE_CHECKING

from d118_pipelines.errors import ConfigurationError
from d118_pipelines.sources.http.timing import Clock, SystemClock

if TYPE_CHECKING:
    import httpx


class Bearer:
    """Sends one key with every request; an `httpx.Auth` by its `auth_flow`.

    key: None is read when it is first needed.
    Raises: ConfigurationError for a key that cannot be sent in a header.
    """

    def __init__(self, key: str | None, *, clock: Clock | None = None) -> None:
        if key is not None and not is_sendable(key):
            raise ConfigurationError(
                "The bearer key is empty or has characters that cannot be sent.",
                rule="printable ASCII",
                not_done="Nothing was contacted.",
                next_step="Enter the key of this provider again.",
            )
        self._key, self._clock = key, clock or SystemClock()
        self._renew_at = float("inf")
        self._accepted: str | None = None
        # One request for a key at a time, whoever waits for it.
        self._lock = threading.Lock()

    def auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """Send the key; if it has expired read it anew and, if it is another, repeat once.

        Expired is: 401, and 403 for a key that the service accepted before.
        Raises: what reading it raises.
        """
        with self._lock:
            if self._key is None or self._clock.monotonic() >= self._renew_at:
                self._key = yield from self.read()
            key = self._key
        request.headers["Authorization"] = f"Bearer {key}"
        response = yield request
        if response.status_code == 200:
            self._accepted = key
        is_accepted = self._accepted == key
        if response.status_code not in ({401, 403} if is_accepted else {401}):
            return
        with self._lock:
            if self._key == key:
                self._key = yield from self.read()
            renewed = self._key
        if renewed != key:
            request.headers["Authorization"] = f"Bearer {renewed}"
            response = yield request
            if response.status_code == 200:
                self._accepted = renewed

    def read(self) -> Generator[httpx.Request, httpx.Response, str | None]:
        """The present key, asked for with the requests that are yielded; here the same."""
        yield from ()
        return self._key


def is_sendable(key: object) -> bool:
    """Whether this is a text that can be sent in a header."""
    return isinstance(key, str) and key.isascii() and key.isprintable() and key != ""
