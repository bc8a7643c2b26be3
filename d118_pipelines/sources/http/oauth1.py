"""OAuth 1.0a without tokens: oauthlib signs every request with a key and a secret.

Called by `sources/oneroster_rest/` and `workflows/providers/provider_sources.py`; the
client (`client.py`) runs the `auth_flow`. Beside it: `oauth2.py`, `bearer.py`. Rule:
docs/reference/oneroster_rest.md, credentials.
"""

from __future__ import annotations

import logging
from collections.abc import Generator
from typing import TYPE_CHECKING, Literal, get_args

from d118_pipelines.errors import ConfigurationError, SourceError

if TYPE_CHECKING:
    import httpx

SignatureMethod = Literal["HMAC-SHA1", "HMAC-SHA256"]
METHODS: tuple[SignatureMethod, ...] = get_args(SignatureMethod)


class OAuth1:
    """Signs requests; an `httpx.Auth` by its `auth_flow`.

    nonce, timestamp: fixed ones, for check values; each request has its own otherwise.
    Raises: ConfigurationError for a method that is not known.
    """

    def __init__(
        self,
        key: str,
        secret: str,
        *,
        method: SignatureMethod = "HMAC-SHA1",
        nonce: str | None = None,
        timestamp: str | None = None,
    ) -> None:
        if method not in METHODS:
            raise ConfigurationError(
                "The signature method is not known.",
                rule=" or ".join(METHODS),
                not_done="Nothing was contacted.",
                next_step="Correct `signature` of the provider.",
            )
        self.method, self._key, self._secret = method, key, secret
        self._fixed = {"nonce": nonce, "timestamp": timestamp}

    def with_method(self, method: SignatureMethod) -> OAuth1:
        """The same credential with another signature method."""
        return OAuth1(self._key, self._secret, method=method)

    def auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign the request; after a 401 once more, since its nonce may have been used.

        Raises: SourceError for an address that cannot be signed.
        """
        response = yield self._signed(request)
        if response.status_code == 401:
            yield self._signed(request)

    def _signed(self, request: httpx.Request) -> httpx.Request:
        from oauthlib.oauth1 import Client  # heavy: only where requests are signed

        # It logs the query, the key and the signature.
        logging.getLogger("oauthlib").setLevel(logging.WARNING)
        client = Client(
            self._key, self._secret, signature_method=self.method, **self._fixed
        )
        try:
            _, headers, _ = client.sign(str(request.url), request.method)
        except ValueError:
            raise SourceError(
                "An address has characters that cannot be signed.",
                where=request.url.host,
                rule="a query is escaped as RFC 3986 says",
                not_done="It was not contacted. The pull was not stored.",
                next_step="Ask who runs the service.",
            ) from None
        request.headers["Authorization"] = headers["Authorization"]
        return request
