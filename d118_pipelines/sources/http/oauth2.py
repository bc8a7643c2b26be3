"""OAuth 2 client credentials: a token from a token endpoint, kept in memory only.

Called by `workflows/providers/provider_sources.py`; `bearer.py` says when a token is
read anew. Rule: docs/reference/oneroster_rest.md, credentials; RFC 6749, section 4.4.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, quote_plus, urlencode

from d118_pipelines.errors import AuthenticationError, SourceError
from d118_pipelines.kernel.addresses import checked_address, host
from d118_pipelines.sources.http.answers import Answer
from d118_pipelines.sources.http.bearer import Bearer, is_sendable
from d118_pipelines.sources.http.timing import Clock
from d118_pipelines.sources.http.transport import HEADERS

if TYPE_CHECKING:
    import httpx

USUAL_LIFE = 3600.0
RENEWED_BEFORE = 300.0
_OTHER_WAYS = {
    "basic": "the service may want them in the form, clientAuth: body, or the "
    "parameters in the address, clientAuth: query",
    "body": "the service may want them as HTTP Basic, clientAuth: basic",
    "query": "the service may want a form, clientAuth: basic or body",
}


class ClientCredentials(Bearer):
    """Gets a token when one is needed, shortly before its end and after a 401.

    client_auth: `basic` sends identifier and secret as HTTP Basic, `body` in the form;
    `query` is `basic` with the parameters in the address, which keeps its own.
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
        client_auth: Literal["basic", "body", "query"] = "basic",
        code: str = "rest",
        clock: Clock | None = None,
    ) -> None:
        super().__init__(None, clock=clock)
        self._url = checked_address(token_url, name="token_url", may_have_query=True)
        self._id, self._secret = client_id, client_secret
        self._scope, self._fallback = " ".join(scopes), fallback_scope
        self._client_auth, self._code = client_auth, code

    def read(self) -> Generator[httpx.Request, httpx.Response, str]:
        """A new token. Raises: AuthenticationError (refused), SourceError (no token)."""
        answer = Answer.of((yield self._request()))
        if self._fallback and answer.has_word("invalidscope"):
            self._scope, self._fallback = self._fallback, None
            answer = Answer.of((yield self._request()))
        if answer.status != 200:
            raise AuthenticationError(
                f"FAILED {self._code}.auth  The token endpoint refused "
                f"({answer.error_code(self._secret)}).",
                where=host(self._url),
                not_done="The pull was not stored.",
                next_step="Check client id, client secret and scopes of this provider. "
                f"If they are right: {_OTHER_WAYS[self._client_auth]}.",
            )
        return self._token(answer)

    def _request(self) -> httpx.Request:
        import httpx

        form = {"grant_type": "client_credentials"}
        if self._scope:
            form["scope"] = self._scope
        if self._client_auth == "body":
            form |= {"client_id": self._id, "client_secret": self._secret}
        if self._client_auth == "query":
            text = urlencode(form, quote_via=quote, safe="")
            url = f"{self._url}{'&' if '?' in self._url else '?'}{text}"
            request = httpx.Request("POST", url, headers=HEADERS)
        else:
            request = httpx.Request("POST", self._url, data=form, headers=HEADERS)
        if self._client_auth != "body":
            # RFC 6749, 2.3.1: both are encoded as in a form before Basic joins them.
            pair = quote_plus(self._id), quote_plus(self._secret)
            next(httpx.BasicAuth(*pair).auth_flow(request))
        return request

    def _token(self, answer: Answer) -> str:
        value = answer.json_object()
        token = value.get("access_token")
        kind = str(value.get("token_type") or "bearer").strip().lower()
        if not is_sendable(token) or kind != "bearer":
            raise SourceError(
                f"FAILED {self._code}.auth  The token endpoint's answer has no bearer "
                "token.",
                where=host(self._url),
                not_done="The pull was not stored.",
                next_step="Check token_url of this provider.",
            )
        life = _seconds(value.get("expires_in"))
        margin = min(RENEWED_BEFORE, life * 0.1)
        self._renew_at = self._clock.monotonic() + life - margin
        return str(token)


def _seconds(life: Any) -> float:
    """`expires_in` as a number or as text; an hour if it says nothing usable."""
    try:
        seconds = float(life)
    except (TypeError, ValueError):
        return USUAL_LIFE
    return seconds if 0 < seconds < float("inf") else USUAL_LIFE
