"""Fixed credentials: a bearer key, or a name and password by HTTP Basic.

Belongs here: the headers. Not here: where a key comes from.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from d118_pipelines.errors import ConfigurationError

if TYPE_CHECKING:
    from d118_pipelines.sources.http.client import HttpClient


class Bearer:
    """Sends one key with every request.

    read_again: gives the present key after a 401. When it is another one the request is
    repeated once. Raises: ConfigurationError for a key that cannot stand in a header.
    """

    def __init__(
        self, key: str, *, read_again: Callable[[], str] | None = None
    ) -> None:
        self._key, self._read_again = _sendable(key), read_again

    def headers(self, client: HttpClient, method: str, url: str) -> Mapping[str, str]:
        """The `Authorization` header."""
        return {"Authorization": f"Bearer {self._key}"}

    def renew(self, client: HttpClient) -> bool:
        """Read the key again; whether it has changed. Raises: what the reading raises."""
        if self._read_again is None:
            return False
        before, self._key = self._key, _sendable(self._read_again())
        return self._key != before


class Basic:
    """Sends a name and a password with every request."""

    def __init__(self, name: str, password: str) -> None:
        coded = base64.b64encode(f"{name}:{password}".encode()).decode("ascii")
        self._headers = {"Authorization": f"Basic {coded}"}

    def headers(self, client: HttpClient, method: str, url: str) -> Mapping[str, str]:
        """The `Authorization` header."""
        return self._headers

    def renew(self, client: HttpClient) -> bool:
        """A refused password is not sent again."""
        return False


def _sendable(key: str) -> str:
    if not (key and key.isascii() and key.isprintable()):
        raise ConfigurationError(
            "The bearer key is empty or has characters that cannot be sent.",
            rule="printable ASCII",
            not_done="Nothing was contacted.",
            next_step="Enter the key of this provider again.",
        )
    return key
