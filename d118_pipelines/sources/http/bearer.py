"""A bearer key: from the settings, or read where it may have been replaced.

Called by `sources/clever/` and `sources/oneroster_rest/`; the client (`client.py`) runs
every `auth_flow`. Beside it: `oauth1.py`, `oauth2.py`. For a name and a password there
is `httpx.BasicAuth`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from d118_pipelines.errors import ConfigurationError

if TYPE_CHECKING:
    import httpx


class Bearer:
    """Sends one key with every request; an `httpx.Auth` by its `auth_flow`.

    key: None is read when it is first needed. read: gives the present key, asked after
    a 401; when it is another one the request is repeated once.
    Raises: ConfigurationError for a key that cannot be sent in a header.
    """

    def __init__(
        self, key: str | None, *, read: Callable[[], str] | None = None
    ) -> None:
        self._key, self._read = key if key is None else _checked(key), read

    def auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """Send the key, and once more after a 401. Raises: what reading it raises."""
        if self._key is None:
            self._read_key()
        response = yield self._with_key(request)
        refused = self._key
        if response.status_code == 401 and self._read_key() != refused:
            yield self._with_key(request)

    def _with_key(self, request: httpx.Request) -> httpx.Request:
        request.headers["Authorization"] = f"Bearer {self._key}"
        return request

    def _read_key(self) -> str | None:
        if self._read is not None:
            self._key = _checked(self._read())
        return self._key


def is_sendable(key: object) -> bool:
    """Whether this is a text that can be sent in a header."""
    return isinstance(key, str) and key.isascii() and key.isprintable() and key != ""


def _checked(key: str) -> str:
    if not is_sendable(key):
        raise ConfigurationError(
            "The bearer key is empty or has characters that cannot be sent.",
            rule="printable ASCII",
            not_done="Nothing was contacted.",
            next_step="Enter the key of this provider again.",
        )
    return key
