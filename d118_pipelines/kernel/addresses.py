"""Which addresses may be asked, and which of them are the same place.

Called by `sources/http/`, `sources/oneroster_rest/paging.py`, `sources/clever/pages.py`
and `delivery/scim/`. Rule: docs/reference/oneroster_rest.md, addresses.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

from d118_pipelines.errors import ConfigurationError

PORTS = {"https": 443, "http": 80}

Origin = tuple[str, str, int]
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def checked_address(url: str, *, name: str, may_have_query: bool = False) -> str:
    """The address as given, without a slash at its end; escapes stay as they are.

    Raises: ConfigurationError unless it is https, or http to this machine, with a host
    and without user name, password, fragment or (unless allowed) a query.
    """
    if not may_be_asked(url, may_have_query=may_have_query):
        raise ConfigurationError(
            f"{name} is not an allowed address.",
            rule="https://host/path (http only for this machine), without user name, "
            "password or fragment" + ("" if may_have_query else ", without query"),
            not_done="Nothing was contacted.",
            next_step=f"Correct {name} in the provider's settings.",
        )
    return url if "?" in url else url.rstrip("/")


def may_be_asked(url: str, *, may_have_query: bool = False) -> bool:
    """Whether it is safe: https, or http to this machine, and nothing hidden in it."""
    parts = _split(url)
    if parts is None or not parts.hostname:
        return False
    is_safe = parts.scheme == "https" or (
        parts.scheme == "http" and is_loopback(parts.hostname)
    )
    is_plain = not (parts.username or parts.password or parts.fragment)
    is_plain = is_plain and not _is_link_local(parts.hostname)
    return is_safe and is_plain and (may_have_query or not parts.query)


def origin(url: str) -> Origin | None:
    """Scheme, host and port of an absolute address; None if it has none."""
    parts = _split(url)
    if parts is None or not parts.hostname:
        return None
    return parts.scheme, parts.hostname, parts.port or PORTS.get(parts.scheme, 0)


def host(url: str) -> str:
    """Host and port as a person reads them; nothing else of the address."""
    found = origin(url)
    if found is None:
        return "?"
    scheme, name, port = found
    return name if PORTS.get(scheme) == port else f"{name}:{port}"


def is_loopback(name: str) -> bool:
    """Whether this host is the machine itself."""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def is_public(text: str) -> bool:
    """Whether an IP address is one of the open Internet, also behind IPv6 forms of IPv4."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address.teredo:
            inner = address.teredo[1]
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return address.is_global and not address.is_multicast


def _is_link_local(name: str) -> bool:
    """Whether it is an address where clouds give out credentials, or of one cable."""
    try:
        found = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    inner = getattr(found, "ipv4_mapped", None) or found
    return bool(inner.is_link_local)


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # a port that is no number shows only here
    except ValueError:
        return None
    return parts
