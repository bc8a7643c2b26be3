"""OAuth 1.0a without tokens: every request is signed with a key and a secret.

Belongs here: RFC 5849, section 3, as far as two parties need it. Not here: sending.
Rule: docs/reference/oneroster_rest.md, credentials.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl, quote, urlsplit

from d118_pipelines.errors import ConfigurationError
from d118_pipelines.sources.http.addresses import PORTS

if TYPE_CHECKING:
    from d118_pipelines.sources.http.client import HttpClient

SignatureMethod = Literal["HMAC-SHA1", "HMAC-SHA256"]
HASHES: dict[SignatureMethod, Any] = {
    "HMAC-SHA1": hashlib.sha1,
    "HMAC-SHA256": hashlib.sha256,
}


class OAuth1:
    """Signs requests. Raises: ConfigurationError for a method that is not known."""

    def __init__(
        self,
        key: str,
        secret: str,
        *,
        method: SignatureMethod = "HMAC-SHA1",
        nonce: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        if method not in HASHES:
            raise ConfigurationError(
                "The signature method is not known.",
                rule=" or ".join(HASHES),
                not_done="Nothing was contacted.",
                next_step="Correct oauth_signature_method of the provider.",
            )
        self._key, self._secret, self._nonce = key, secret, nonce
        self.method = method

    def with_method(self, method: SignatureMethod) -> OAuth1:
        """The same credential with another signature method."""
        return OAuth1(self._key, self._secret, method=method, nonce=self._nonce)

    def headers(self, client: HttpClient, method: str, url: str) -> Mapping[str, str]:
        """The `Authorization` header, with a nonce and a time of its own."""
        stamp = int(client.clock.now().timestamp())
        return {"Authorization": self.authorization(method, url, stamp)}

    def renew(self, client: HttpClient) -> bool:
        """A refused request is sent once more: the nonce may have been used before."""
        return True

    def authorization(self, method: str, url: str, timestamp: int) -> str:
        """The value of the header for one request at a Unix time."""
        parameters = {
            "oauth_consumer_key": self._key,
            "oauth_nonce": self._nonce(),
            "oauth_signature_method": self.method,
            "oauth_timestamp": str(timestamp),
            "oauth_version": "1.0",
        }
        base = base_string(method, url, parameters)
        key = f"{escaped(self._secret)}&".encode("ascii")
        digest = hmac.new(key, base.encode("ascii"), HASHES[self.method]).digest()
        parameters["oauth_signature"] = base64.b64encode(digest).decode("ascii")
        fields = ", ".join(f'{k}="{escaped(v)}"' for k, v in parameters.items())
        return f"OAuth {fields}"


def base_string(method: str, url: str, parameters: Mapping[str, str]) -> str:
    """What is signed: method, address without query, all parameters in order."""
    parts = urlsplit(url)
    place = parts.hostname or ""
    place = f"[{place}]" if ":" in place else place
    if parts.port not in (None, PORTS.get(parts.scheme)):
        place += f":{parts.port}"
    query = parse_qsl(parts.query, keep_blank_values=True)
    pairs = sorted((escaped(k), escaped(v)) for k, v in [*query, *parameters.items()])
    text = "&".join(f"{name}={value}" for name, value in pairs)
    address = f"{parts.scheme}://{place}{parts.path or '/'}"
    return "&".join((method.upper(), escaped(address), escaped(text)))


def escaped(text: str) -> str:
    """RFC 3986: everything but letters, digits and `-._~`."""
    return quote(text, safe="")
