"""What the environment says of the web servers: ports, secret key, OpenID Connect.

Called by `service/services.py` and `console/console_server.py`. Rule: docs/console.md.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from d118_pipelines.errors import ConfigurationError, MissingSecretError

SECRET_VARIABLE = "SECRET_KEY"
SHORTEST_SECRET = 32
GOOGLE = "https://accounts.google.com"
ENTRA = "https://login.microsoftonline.com/{tenant}/v2.0"


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """The identity provider: its address, this application's login, the one tenant.

    issuer: without a slash at its end; its discovery document is below it.
    """

    issuer: str
    client_id: str
    client_secret: str
    tenant: str
    label: str


@dataclass(frozen=True, slots=True)
class ConsoleSettings:
    """Where the console listens, what signs its sessions, and who else may vouch."""

    secret_key: str
    host: str = "127.0.0.1"
    port: int = 8000
    oidc: OidcSettings | None = None
    test_hosts: frozenset[str] = frozenset()
    allows_private_hosts: bool = False

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> ConsoleSettings:
        """What the variables say. Raises: ConfigurationError, MissingSecretError."""
        hosts = environment.get("D118_TEST_HOSTS", "").lower().split(",")
        return cls(
            secret_key=_secret(environment.get(SECRET_VARIABLE, "")),
            host=environment.get("API_HOST") or "127.0.0.1",
            port=port_of("API_PORT", 8000, environment),
            oidc=_oidc(environment),
            test_hosts=frozenset(host.strip() for host in hosts) - {""},
            allows_private_hosts=environment.get("D118_TEST_PRIVATE_HOSTS") == "yes",
        )


def _secret(text: str) -> str:
    if len(text) >= SHORTEST_SECRET:
        return text
    raise MissingSecretError(
        f"{SECRET_VARIABLE} is not set, or shorter than {SHORTEST_SECRET} characters.",
        rule="It signs the sessions of everybody who signs in; it has no default.",
        not_done="Nothing was started.",
        next_step="Make one: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
        f", and set {SECRET_VARIABLE} in .env.",
    )


def port_of(
    variable: str, default: int, environment: Mapping[str, str] = os.environ
) -> int:
    """The port that a variable names. Raises: ConfigurationError."""
    text = environment.get(variable) or str(default)
    if text.isdecimal() and 0 < int(text) < 65536:
        return int(text)
    raise ConfigurationError(
        f"{variable} is not a port number: {text[:40]}.",
        not_done="Nothing was started.",
        next_step=f"Set {variable} to a number from 1 to 65535.",
    )


def _oidc(environment: Mapping[str, str]) -> OidcSettings | None:
    """None where OIDC_ISSUER is unset; `google` and `entra` stand for their addresses."""
    issuer = environment.get("OIDC_ISSUER", "")
    if not issuer:
        return None
    names = ("OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET", "OIDC_TENANT")
    values = [environment.get(name, "") for name in names]
    for name, value in zip(names, values, strict=True):
        if not value:
            raise MissingSecretError(
                f"OIDC_ISSUER is set, and {name} is not.",
                rule="Sign-in with OpenID Connect needs a client and the one tenant "
                "whose people may come in.",
                not_done="Nothing was started.",
                next_step=f"Set {name} in .env, or remove OIDC_ISSUER.",
            )
    address = {"google": GOOGLE, "entra": ENTRA.format(tenant=values[2])}
    label = {"google": "Google", "entra": "Microsoft"}.get(issuer, "your organization")
    place = address.get(issuer, issuer).rstrip("/")
    return OidcSettings(place, values[0], values[1], values[2], label)
