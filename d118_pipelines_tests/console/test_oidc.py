"""Sign-in with OpenID Connect against a small provider on loopback, and its attacks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from d118_pipelines.config.console import OidcSettings
from d118_pipelines.console.oidc import verified_email
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.state import accounts
from d118_pipelines_tests.support.console import (
    ADMIN,
    Person,
    RunningConsole,
    running_console,
)
from d118_pipelines_tests.support.project import ProjectFolder

pytestmark = pytest.mark.long
TENANT = "d118.example"
CLIENT, CLIENT_SECRET = "console-client", "a secret of the client"
KNOWN = "sso@d118.example"
Change = Callable[[dict[str, Any]], Any]


class Provider:
    """An OpenID provider that vouches for KNOWN; `change` alters what it says."""

    def __init__(self, server: HTTPServer) -> None:
        self.issuer = server.url_for("").rstrip("/")
        self.key, self.other = (RSAKey.generate_key(2048) for _ in range(2))
        self.change: Change = lambda claims: None
        self.signs_with, self.nonce, self.challenge = self.key, "", ""
        self.headers = {"alg": "RS256"}
        about = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
        }
        known = "/.well-known/openid-configuration"
        server.expect_request(known).respond_with_json(about)
        keys = {"keys": [self.key.as_dict(private=False)]}
        server.expect_request("/keys").respond_with_json(keys)
        server.expect_request("/token").respond_with_handler(self._token)

    def _token(self, request: Request) -> Response:
        from authlib.oauth2.rfc7636 import create_s256_code_challenge

        form = request.form
        auth = request.authorization
        is_client = auth is not None and auth.password == CLIENT_SECRET
        proves = create_s256_code_challenge(form.get("code_verifier", ""))
        if form.get("code") != "good" or not is_client or proves != self.challenge:
            return Response('{"error": "invalid_grant"}', 400, content_type="text/json")
        now = int(time.time())
        claims = {
            **{"iss": self.issuer, "aud": CLIENT, "sub": "1", "iat": now},
            **{"exp": now + 300, "nonce": self.nonce, "hd": TENANT},
            **{"email": KNOWN, "email_verified": True},
        }
        self.change(claims)
        token = jwt.encode(self.headers, claims, self.signs_with)
        body = {"access_token": "x", "token_type": "Bearer", "id_token": token}
        import json

        return Response(json.dumps(body), content_type="application/json")

    def begin(self, person: Person) -> str:
        """Follow the link of the sign-in page as the browser does; the state."""
        there = person.get("/oidc/start", follow_redirects=False).headers["location"]
        asked = {k: v[0] for k, v in parse_qs(urlsplit(there).query).items()}
        assert asked["redirect_uri"] == "http://127.0.0.1/oidc/return"
        self.nonce, self.challenge = asked["nonce"], asked["code_challenge"]
        return asked["state"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ProjectFolder:
    return ProjectFolder(Path(tmp_path_factory.mktemp("oidc")) / "project")


@pytest.fixture
def provider(httpserver: HTTPServer) -> Provider:
    return Provider(httpserver)


@pytest.fixture
def sso(project: ProjectFolder, provider: Provider) -> Iterator[RunningConsole]:
    """A console that knows the provider and one account without a password."""
    oidc = OidcSettings(provider.issuer, CLIENT, CLIENT_SECRET, TENANT, "the district")
    with running_console(project, oidc=oidc) as running:
        with running.world.database.transaction() as connection:
            if accounts.find_account(connection, KNOWN) is None:
                accounts.add_account(
                    *(connection, KNOWN, "VIEWER", None), by="t", now=utc_now()
                )
        yield running


def test_a_known_person_comes_in(sso: RunningConsole, provider: Provider) -> None:
    person = sso.person()
    assert "Sign in with the district" in person.get("/sign-in").text

    state = provider.begin(person)
    answer = person.get(f"/oidc/return?code=good&state={state}")

    assert answer.status_code == 200
    assert KNOWN in person.get("/").text
    assert sso.audited()[-1] == (f"console/{KNOWN}", "sign in", KNOWN)


CHANGES: dict[str, Change] = {
    "another tenant": lambda c: c.update(hd="evil.example"),
    "no tenant": lambda c: c.pop("hd"),
    "an e-mail that nobody verified": lambda c: c.update(email_verified=False),
    "nothing about the e-mail": lambda c: c.pop("email_verified"),
    "nobody's account": lambda c: c.update(email="stranger@d118.example"),
    "no e-mail": lambda c: c.pop("email"),
    "another audience": lambda c: c.update(aud="another-client"),
    "another issuer": lambda c: c.update(iss="https://evil.example"),
    "another sign-in": lambda c: c.update(nonce="of another"),
    "no nonce": lambda c: c.pop("nonce"),
    "too late": lambda c: c.update(exp=int(time.time()) - 3600),
}


@pytest.mark.parametrize("name", CHANGES)
def test_whoever_the_provider_does_not_vouch_for_stays_out(
    sso: RunningConsole, provider: Provider, name: str
) -> None:
    provider.change = CHANGES[name]
    person = sso.person()
    state = provider.begin(person)

    answer = person.get(f"/oidc/return?code=good&state={state}")

    assert answer.status_code == 401
    assert person.get("/").status_code == 401


@pytest.mark.parametrize("attack", ["key", "none", "symmetric"])
def test_a_token_that_the_provider_did_not_sign_opens_nothing(
    sso: RunningConsole,
    provider: Provider,
    attack: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if attack == "key":
        provider.signs_with = provider.other
    else:
        token = {"none": "eyJhbGciOiJub25lIn0", "symmetric": "eyJhbGciOiJIUzI1NiJ9"}
        monkeypatch.setattr(jwt, "encode", lambda *_: f"{token[attack]}.e30.")
    person = sso.person()
    state = provider.begin(person)

    assert person.get(f"/oidc/return?code=good&state={state}").status_code == 401


def test_a_return_that_this_browser_did_not_begin_opens_nothing(
    sso: RunningConsole, provider: Provider
) -> None:
    attacker, victim = sso.person(), sso.person()
    state = provider.begin(attacker)

    assert victim.get(f"/oidc/return?code=good&state={state}").status_code == 401
    provider.begin(victim)
    assert victim.get(f"/oidc/return?code=good&state={state}").status_code == 401
    assert victim.get("/oidc/return").status_code == 401


def test_a_code_of_somebody_else_opens_nothing(
    sso: RunningConsole, provider: Provider
) -> None:
    person = sso.person()
    state = provider.begin(person)

    assert person.get(f"/oidc/return?code=bad&state={state}").status_code == 401


def test_without_a_provider_there_is_nothing_there(console: RunningConsole) -> None:
    assert console.person().get("/oidc/start").status_code == 404
    assert console.person(ADMIN).get("/oidc/return").status_code == 404


def test_entra_names_the_tenant_and_the_verified_domain_its_own_way() -> None:
    claims = {"tid": "t-1", "email": "A@d118.example", "xms_edov": True}

    assert verified_email(claims, "t-1") == "a@d118.example"
    assert verified_email({**claims, "xms_edov": False}, "t-1") == ""
    assert verified_email({**claims, "tid": "t-2"}, "t-1") == ""
    assert verified_email({**claims, "email": ["a@d118.example"]}, "t-1") == ""
