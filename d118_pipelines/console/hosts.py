"""Where the console lets anybody send a connection: allowed names, public addresses.

Called by `provider_actions.py` before an address is saved or tested. Without it an
administrator's browser could make this machine knock on its neighbours' doors.
Rule: docs/console.md.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from d118_pipelines.config.console import ConsoleSettings
from d118_pipelines.config.secrets import resolved
from d118_pipelines.errors import ConfigurationError

KNOWN = frozenset({"api.clever.com", "clever.com", "oneroster-proxy.classlink.io"})


def refuse_hosts(addresses: Iterable[str], settings: ConsoleSettings) -> None:
    """Raise ConfigurationError unless every address may be contacted.

    addresses: URLs or names of hosts; `${NAME}` is read.
    """
    allowed = KNOWN | settings.test_hosts
    for address in addresses:
        host = host_in(resolved(address, needed_for="an address"))
        if host not in allowed:
            raise ConfigurationError(
                f"The host {host[:100] or 'of that address'} is not one that the console "
                "may contact.",
                rule="D118_TEST_HOSTS lists the hosts, beside those of Clever and "
                "ClassLink.",
                not_done="Nothing was contacted, nothing was saved.",
                next_step="Add it to D118_TEST_HOSTS in .env, and start the console "
                "again.",
            )
        if not settings.allows_private_hosts and not _is_public(host):
            raise ConfigurationError(
                f"The host {host} has an address inside this network.",
                rule="The console contacts public addresses, unless "
                "D118_TEST_PRIVATE_HOSTS=yes.",
                not_done="Nothing was contacted, nothing was saved.",
            )


def host_in(address: str) -> str:
    """The name of the host in a URL or `host`, `host:port`; empty if there is none."""
    text = address if "//" in address else f"//{address}"
    try:
        parts = urlsplit(text)
        if parts.username is not None or parts.scheme not in ("", "http", "https"):
            return ""
        return (parts.hostname or "").lower().rstrip(".")
    except ValueError:
        return ""


def _is_public(host: str) -> bool:
    """Whether every address of the host is public; a name that nobody knows is none."""
    try:
        found = socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP)
    except (OSError, UnicodeError):
        return True  # there is nothing to reach
    addresses = [ipaddress.ip_address(one[4][0]) for one in found]
    return all(one.is_global and not one.is_multicast for one in addresses)
