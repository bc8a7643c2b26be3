"""Where a server is: `host`, `host:port` or `[v6]:port`, and its two parts.

Called by whoever reads an address from the environment; `session.py` connects to it.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from d118_pipelines.errors import ConfigurationError

SSH_PORT = 22
_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*")


@dataclass(frozen=True, slots=True)
class Address:
    """A host name or IP address in lower case, and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_address(text: str, *, describe: str = "the SFTP address") -> Address:
    """Read `host`, `host:port` or `[v6]:port`; without a port it is 22.

    describe: where the text came from, for the message; its value is not shown,
    because a password may have been put there by mistake.
    Raises: ConfigurationError; nothing was contacted.
    Source: docs/reference/delivery.md.
    """
    host, port = _split(text.strip())
    if port is None or not 0 < port < 65536 or not _is_host(host):
        raise ConfigurationError(
            f"{describe} is not an address",
            rule="an address is host, host:port or [v6]:port, without sftp:// and "
            "without a user name",
            not_done="nothing was contacted",
            next_step=f"correct {describe}, for example sftp.vendor.example:22",
        )
    return Address(host.lower(), port)


def _split(text: str) -> tuple[str, int | None]:
    """Host and port; None for a port that is not a number."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or ":" not in host or (rest and not rest.startswith(":")):
            return "", None
        return host, _port(rest[1:]) if rest else SSH_PORT
    if text.count(":") > 1:
        return text, SSH_PORT
    host, colon, port = text.partition(":")
    return host, _port(port) if colon else SSH_PORT


def _port(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,5}", text) else None


def _is_host(host: str) -> bool:
    """Whether it is an IPv6 address (where there are colons) or a host name."""
    if ":" not in host:
        return _HOST_NAME.fullmatch(host) is not None
    try:
        ipaddress.IPv6Address(host.partition("%")[0])
    except ValueError:
        return False
    return True
