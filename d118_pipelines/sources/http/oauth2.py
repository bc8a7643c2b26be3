"""OAuth 2 client credentials: a token from a token endpoint, kept in memory only.

Belongs here: RFC 6749, section 4.4. Not here: sending, nor which scopes are wanted.
Rule: docs/reference/oneroster_rest.md, credentials.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote_plus

from d118_pipelines.errors import AuthenticationError, SourceError
from d118_pipelines.sources.http.addresses import checked_address, host

if TYPE_CHECKING:
    from d118_pipelines.sources.http.answers import Answer
    from d118_pipelines.sources.http.client import HttpClient

USUAL_LIFE = 3600.0
RENEWED_BEFORE = 300.0


class ClientCredentials:
    """Gets a token when one is needed and sends it with every request.

    client_auth: `basic` sends identifier and secret as HTTP Basic, `body` in the form.
    fallback_scope: asked for once when the endpoint does not know the wanted scopes.
    Raises: ConfigurationError for a token address that may not be asked.
    """

    def __init__(
        self,
        token_url: str,
        client_id: str,
        client_secret: str,
        *,
        scopes: Sequence[str],
        fallback_scope: str | None = None,
        client_auth: Literal["basic", "body"] = "basic",
        code: str = "rest",
    ) -> None:
        self._url = checked_address(token_url, name="token_url", may_have_query=True)
        self._id, self._secret = client_id, client_secret
        self._scope, self._fallback = " ".join(scopes), fallback_scope
        self._client_auth, self._code = client_auth, code
        # One request for a token at a time, whoever waits for it.
        self._lock = threading.Lock()
        self._token: str | None = None
        self._renew_at = 0.0

    def headers(self, client: HttpClient, method: str, url: str) -> Mapping[str, str]:
        """The `Authorization` header; fetches a token where none is good any more.

        Raises: AuthenticationError (refused), SourceError (an answer without token),
        and what `HttpClient.post_form` raises.
        """
        with self._lock:
            if self._token is None or client.clock.monotonic() >= self._renew_at:
                self._token = self._fetch(client)
            return {"Authorization": f"Bearer {self._token}"}

    def renew(self, client: HttpClient) -> bool:
        """Drop the token; the repetition fetches a new one."""
        with self._lock:
            self._token = None
        return True

    def _fetch(self, client: HttpClient) -> str:
        answer = self._ask(client)
        if self._fallback and answer.has_word("invalidscope"):
            self._scope, self._fallback = self._fallback, None
            answer = self._ask(client)
        if answer.status != 200:
            raise self._refused(answer)
        return self._read(answer, client)

    def _ask(self, client: HttpClient) -> Answer:
        form = [("grant_type", "client_credentials")]
        if self._scope:
            form.append(("scope", self._scope))
        headers = {}
        if self._client_auth == "body":
            form += [("client_id", self._id), ("client_secret", self._secret)]
        else:
            # RFC 6749, 2.3.1: both are encoded as in a form before Basic joins them.
            pair = f"{quote_plus(self._id)}:{quote_plus(self._secret)}"
            coded = base64.b64encode(pair.encode("ascii")).decode("ascii")
            headers["Authorization"] = f"Basic {coded}"
        return client.post_form(self._url, form, headers=headers)

    def _read(self, answer: Answer, client: HttpClient) -> str:
        try:
            value = answer.json()
        except ValueError:
            value = None
        token = value.get("access_token") if isinstance(value, dict) else None
        if not _is_token(token) or str(value.get("token_type")).lower() != "bearer":
            raise SourceError(
                f"FAILED {self._code}.auth  The token endpoint's answer has no bearer "
                "token.",
                where=host(self._url),
                not_done="The pull was not stored.",
                next_step="Check token_url of this provider.",
            )
        life = _seconds(value.get("expires_in"))
        margin = min(RENEWED_BEFORE, life * 0.1)
        self._renew_at = client.clock.monotonic() + life - margin
        return str(token)

    def _refused(self, answer: Answer) -> AuthenticationError:
        return AuthenticationError(
            f"FAILED {self._code}.auth  The token endpoint refused ({answer.words()}).",
            where=host(self._url),
            not_done="The pull was not stored.",
            next_step="Check client id, client secret and scopes of this provider.",
        )


def _is_token(token: Any) -> bool:
    """Whether this can stand in a header."""
    return (
        isinstance(token, str)
        and token.isascii()
        and token.isprintable()
        and bool(token)
    )


def _seconds(life: Any) -> float:
    """`expires_in` as a number or as text; an hour if it says nothing usable."""
    try:
        seconds = float(life)
    except (TypeError, ValueError):
        return USUAL_LIFE
    return seconds if 0 < seconds < float("inf") else USUAL_LIFE
