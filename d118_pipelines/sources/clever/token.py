"""The district token, read from Clever's token endpoint.

Called by `source.py` through `sources/http/bearer.py`, which says when it is read again.
Rule: docs/reference/clever_api.md, token.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from d118_pipelines.errors import AuthenticationError
from d118_pipelines.kernel.addresses import host
from d118_pipelines.sources.http.bearer import is_sendable

if TYPE_CHECKING:
    from d118_pipelines.sources.http.client import HttpClient


def read_token(client: HttpClient, district: str) -> str:
    """The present token of the district.

    client: asks the token endpoint, with the application's id and secret.
    Raises: AuthenticationError (`clever.auth`), and what `HttpClient.get` raises.
    """
    query = [("owner_type", "district"), ("district", district)]
    found = _token_of(client.get("", query).json_object(), district)
    if not is_sendable(found):
        raise AuthenticationError(
            "FAILED clever.auth  Clever has no token of this district for the "
            "application.",
            where=host(client.base_url),
            not_done="The pull was not stored.",
            next_step="Check districtId, and that the district shares its data with "
            "the application.",
        )
    return str(found)


def _token_of(value: Mapping[str, Any], district: str) -> Any:
    entries = value.get("data")
    for entry in entries if isinstance(entries, list) else []:
        owner = entry.get("owner") if isinstance(entry, dict) else None
        if isinstance(owner, dict) and owner.get("id") == district:
            return entry.get("access_token")
    return None
