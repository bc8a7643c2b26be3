"""Signing in with OpenID Connect: Google, Microsoft Entra, or another provider.

Called by `app.py`. It only says who somebody is: without an account of that e-mail
(`d118 users add --no-password`) nobody comes in. Rule: docs/console.md.
"""

from __future__ import annotations

import hmac
import logging
import secrets
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from d118_pipelines.config.console import OidcSettings
from d118_pipelines.console.identity import Refused
from d118_pipelines.console.rendering import page
from d118_pipelines.console.sign_in import (
    TOO_MANY,
    address_of,
    local_path,
    opened,
    sign_in_page,
)
from d118_pipelines.console.world import Here, World
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.state.accounts import find_account

routes = APIRouter(prefix="/oidc", include_in_schema=False)
COOKIE = "d118_oidc"
SECONDS = 600
TIMEOUT = 20
ALGORITHMS = ["RS256", "ES256"]
UNKNOWN = "That sign-in is not known here."
_SCOPE = "openid email profile"
_log = logging.getLogger(__name__)


@routes.get("/start")
def start(request: Request, world: Here, back: str = "") -> Response:
    """Send the browser to the identity provider."""
    from authlib.integrations.requests_client import OAuth2Session

    settings = _settings(world)
    kept = {name: secrets.token_urlsafe(32) for name in ("state", "nonce", "verifier")}
    kept["back"] = local_path(back)
    with OAuth2Session(
        settings.client_id,
        scope=_SCOPE,
        redirect_uri=_return_address(request),
        code_challenge_method="S256",
    ) as client:
        url, _ = client.create_authorization_url(
            _discovered(client, settings)["authorization_endpoint"],
            state=kept["state"],
            nonce=kept["nonce"],
            code_verifier=kept["verifier"],
        )
    answer = RedirectResponse(url, 302)
    answer.set_cookie(
        COOKIE,
        _serializer(world).dumps(kept),
        max_age=SECONDS,
        path="/oidc",
        httponly=True,
        samesite="lax",  # the provider's page sends the browser back
        secure=request.url.scheme == "https",
    )
    return answer


@routes.get("/return")
def come_back(
    request: Request, world: Here, code: str = "", state: str = ""
) -> Response:
    """Open a session for whom the provider vouches, if there is such an account."""
    from authlib.common.errors import AuthlibBaseError
    from itsdangerous import BadData
    from joserfc.errors import JoseError
    from requests import RequestException

    settings, address = _settings(world), address_of(request)
    if world.attempts.wait("", address, utc_now()) is not None:
        raise Refused(429, TOO_MANY)
    try:
        cookie = request.cookies.get(COOKIE, "")
        kept = _serializer(world).loads(cookie, max_age=SECONDS)
        if not hmac.compare_digest(state.encode(), kept["state"].encode()):
            raise BadData("another state")
        claims = _claims(settings, _return_address(request), code, kept)
    except (
        AuthlibBaseError,
        BadData,
        JoseError,
        RequestException,
        ValueError,
        KeyError,
    ) as exc:
        _log.warning("A sign-in with OpenID Connect failed (%s).", type(exc).__name__)
        return _unknown(world, address)
    email = verified_email(claims, settings.tenant)
    with world.database.reading() as connection:
        account = find_account(connection, email) if email else None
    if account is None:
        return _unknown(world, address)
    # A page and no redirect: a browser that comes from elsewhere sends no strict cookie.
    answer = page("signed_in.html", None, back=kept["back"])
    opened(request, world, account.name, answer)
    answer.delete_cookie(COOKIE, path="/oidc", httponly=True, samesite="lax")
    return answer


def verified_email(claims: Mapping[str, Any], tenant: str) -> str:
    """The e-mail that the provider has verified, of a person of the tenant; else empty.

    Google names the tenant `hd`, Entra `tid`; Entra says with `xms_edov` that the owner
    of the e-mail's domain has been verified.
    """
    is_ours = tenant in (claims.get("hd"), claims.get("tid"))
    marks = (claims.get("email_verified"), claims.get("xms_edov"))
    is_verified = any(mark in (True, 1, "1", "true") for mark in marks)
    email = claims.get("email")
    return email.lower() if is_ours and is_verified and isinstance(email, str) else ""


def _claims(
    settings: OidcSettings, address: str, code: str, kept: Mapping[str, str]
) -> dict[str, Any]:
    """What the ID token says, after its signature, times, audience and nonce."""
    from authlib.integrations.requests_client import OAuth2Session
    from authlib.oidc.core import CodeIDToken
    from joserfc import jwt
    from joserfc.jwk import KeySet

    with OAuth2Session(
        settings.client_id, settings.client_secret, redirect_uri=address
    ) as client:
        known = _discovered(client, settings)
        token = client.fetch_token(
            known["token_endpoint"],
            code=code,
            code_verifier=kept["verifier"],
            timeout=TIMEOUT,
        )
        keys = client.get(
            known["jwks_uri"], withhold_token=True, timeout=TIMEOUT
        ).json()
    found = jwt.decode(
        token["id_token"], KeySet.import_key_set(keys), algorithms=ALGORITHMS
    )
    options = {
        "iss": {"essential": True, "value": settings.issuer},
        "aud": {"essential": True, "value": settings.client_id},
        "nonce": {"essential": True, "value": kept["nonce"]},
    }
    about = {"nonce": kept["nonce"], "client_id": settings.client_id}
    claims = CodeIDToken(found.claims, found.header, options, about)
    claims.validate(leeway=60)
    return dict(found.claims)


def _discovered(client: Any, settings: OidcSettings) -> dict[str, Any]:
    """The provider's addresses. Raises: ValueError if they are another one's."""
    place = f"{settings.issuer}/.well-known/openid-configuration"
    found: dict[str, Any] = client.get(
        place, withhold_token=True, timeout=TIMEOUT
    ).json()
    if str(found.get("issuer", "")).rstrip("/") != settings.issuer:
        raise ValueError("the discovery document is of another issuer")
    return found


def _settings(world: World) -> OidcSettings:
    if world.settings.oidc is None:
        raise Refused(404, "There is nothing here.")
    return world.settings.oidc


def _return_address(request: Request) -> str:
    """Where the provider sends the browser; the guard has checked the host."""
    return f"{request.url.scheme}://{request.headers['host']}/oidc/return"


def _serializer(world: World) -> Any:
    from itsdangerous import URLSafeTimedSerializer

    return URLSafeTimedSerializer(world.settings.secret_key, salt="d118.oidc")


def _unknown(world: World, address: str) -> Response:
    world.attempts.failed("", address, utc_now())
    return sign_in_page(world, 401, problem=UNKNOWN)
