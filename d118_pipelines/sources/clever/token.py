"""The district token: from the settings, or read from Clever's token endpoint.

Called by `source.py`; `sources/http/bearer.py` says when a token is read anew.
Rule: docs/reference/clever_api.md, token.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any

from d118_pipelines.errors import AuthenticationError, ConfigurationError
from d118_pipelines.kernel.addresses import checked_address, host
from d118_pipelines.sources.http.answers import Answer
from d118_pipelines.sources.http.bearer import Bearer, is_sendable
from d118_pipelines.sources.http.transport import HEADERS

if TYPE_CHECKING:
    import httpx


class DistrictToken(Bearer):
    """Sends the token of one district, and reads it with the application's login.

    login: id and secret of the application, None if the token alone is known.
    Raises: ConfigurationError without any credential.
    """

    def __init__(
        self, district: str, token: str | None, login: tuple[str, str] | None, url: str
    ) -> None:
        super().__init__(token)
        self._district, self._login = district, login
        self._url = checked_address(url, name="tokenUrl")
        if token is None and login is None:
            raise ConfigurationError(
                "Clever has no credential.",
                rule="accessToken, or clientId and clientSecret",
                not_done="Nothing was contacted.",
                next_step="Set one of them in this provider's settings.",
            )

    def read(self) -> Generator[httpx.Request, httpx.Response, str | None]:
        """The present token of the district. Raises: AuthenticationError."""
        import httpx

        if self._login is None:
            return self._key
        query = {"owner_type": "district", "district": self._district}
        request = httpx.Request("GET", self._url, params=query, headers=HEADERS)
        next(httpx.BasicAuth(*self._login).auth_flow(request))
        answer = Answer.of((yield request))
        found = _token_of(answer.json_object(), self._district)
        if answer.status == 200 and is_sendable(found):
            return str(found)
        raise AuthenticationError(
            "FAILED clever.auth  Clever has no token of this district for the "
            f"application ({answer.words()}).",
            where=host(self._url),
            not_done="The pull was not stored.",
            next_step="Check clientId, clientSecret and districtId, and that the "
            "district shares its data with the application.",
        )


def _token_of(value: Mapping[str, Any], district: str) -> Any:
    entries = value.get("data")
    for entry in entries if isinstance(entries, list) else []:
        owner = entry.get("owner") if isinstance(entry, dict) else None
        if isinstance(owner, dict) and owner.get("id") == district:
            return entry.get("access_token")
    return None
