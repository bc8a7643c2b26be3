"""The district token: from the settings, or read from Clever's token endpoint.

Belongs here: which token is sent and when it is read again. Not here: the requests.
Rule: docs/reference/clever_api.md, token.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from d118_pipelines.errors import AuthenticationError
from d118_pipelines.sources.http.addresses import host

if TYPE_CHECKING:
    from d118_pipelines.sources.http.client import HttpClient


class DistrictToken:
    """Sends the token of one district.

    token: from the settings. read: asks Clever for the present one; used at the first
    request where there is no token, and after a 401. At least one of them is given.
    """

    def __init__(self, token: str | None, read: Callable[[], str] | None) -> None:
        self._token, self._read = token, read
        self._lock = threading.Lock()

    def headers(self, client: HttpClient, method: str, url: str) -> Mapping[str, str]:
        """The `Authorization` header. Raises: what reading the token raises."""
        with self._lock:
            if self._token is None and self._read is not None:
                self._token = self._read()
            return {"Authorization": f"Bearer {self._token}"}

    def renew(self, client: HttpClient) -> bool:
        """Read the token again; whether it has changed."""
        if self._read is None:
            return False
        with self._lock:
            before, self._token = self._token, self._read()
            return self._token != before


def read_token(client: HttpClient, district: str) -> str:
    """The present token of the district.

    client: asks the token endpoint, with the application's id and secret.
    Raises: AuthenticationError (`clever.auth`), and what `HttpClient.get` raises.
    """
    query = [("owner_type", "district"), ("district", district)]
    answer = client.get("", query)
    try:
        found = _token_of(answer.json(), district)
    except ValueError:
        found = None
    if not (found and found.isascii() and found.isprintable()):
        raise AuthenticationError(
            "FAILED clever.auth  Clever has no token of this district for the "
            "application.",
            where=host(client.base_url),
            not_done="The pull was not stored.",
            next_step="Check districtId, and that the district shares its data with "
            "the application.",
        )
    return found


def _token_of(value: Any, district: str) -> str | None:
    entries = value.get("data") if isinstance(value, dict) else None
    for entry in entries if isinstance(entries, list) else []:
        owner = entry.get("owner") if isinstance(entry, dict) else None
        if isinstance(owner, dict) and owner.get("id") == district:
            token = entry.get("access_token")
            return token if isinstance(token, str) else None
    return None
