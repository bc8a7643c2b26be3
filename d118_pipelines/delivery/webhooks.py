"""One webhook on its way: signed, to the address that was checked, in limited time.

Called by `workflows/monitoring/webhooks.py`, which decides what goes and when again.
Rule: docs/reference/webhooks.md.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing, suppress
from typing import Any
from urllib.parse import urlsplit

from d118_pipelines.config.hearing import checked_url
from d118_pipelines.errors import (
    ConfigurationError,
    ConnectionLostError,
    DestinationError,
)
from d118_pipelines.kernel.addresses import PORTS, host, is_public

TIMEOUT_SECONDS = 30.0
CONNECT_SECONDS = 10.0
SHORTEST_SECRET = 16
_BROKEN = (OSError, http.client.HTTPException)


def signed(
    body: Mapping[str, Any], secret: str, seconds: int
) -> tuple[bytes, dict[str, str]]:
    """The bytes of a body and its headers: the project's own and Standard Webhooks'.

    body: with `id` and `timestamp`. seconds: the same time, since 1970. secret: a text,
    or `whsec_` and base64, which stands for its bytes. Raises: ConfigurationError for a
    secret that is too short or no base64.
    """
    raw = json.dumps(body, sort_keys=True, ensure_ascii=False).encode("utf-8")
    key = _key(secret)
    own = hmac.new(key, raw, hashlib.sha256).hexdigest()
    standard = hmac.new(key, f"{body['id']}.{seconds}.".encode() + raw, hashlib.sha256)
    return raw, {
        "Content-Type": "application/json",
        "User-Agent": "Roster-Sync-Service/1.0",
        "X-Webhook-Id": body["id"],
        "X-Webhook-Timestamp": body["timestamp"],
        "X-Webhook-Signature": f"sha256={own}",
        "webhook-id": body["id"],
        "webhook-timestamp": str(seconds),
        "webhook-signature": f"v1,{base64.b64encode(standard.digest()).decode()}",
    }


def _key(secret: str) -> bytes:
    key = secret.encode("utf-8")
    if secret.startswith("whsec_"):
        with suppress(binascii.Error):
            key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    if len(key) < SHORTEST_SECRET or key.startswith(b"whsec_"):
        raise ConfigurationError(
            "The secret of a webhook is too short, or no base64 after whsec_.",
            rule=f"{SHORTEST_SECRET} bytes or more, for example from: openssl rand -hex 32",
            not_done="Nothing was sent to it.",
            next_step="Set a longer one at both ends, then: d118 webhooks test",
        )
    return key


def send(
    url: str,
    *,
    method: str = "POST",
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    private_hosts: Collection[str] = (),
    seconds: float = TIMEOUT_SECONDS,
) -> int:
    """Send one request to a public address, or to one of the private hosts; its status.

    The connection goes to the address that was checked, by no proxy, and follows no
    redirect.
    Raises: DestinationError for an address that may not be asked; ConnectionLostError
    without an answer in time. Their texts have the host alone.
    """
    try:
        checked_url(url)
        parts = urlsplit(url)
    except ValueError:
        raise _refused("?", "it is no https address") from None
    name = parts.hostname or ""
    port = parts.port or PORTS[parts.scheme]
    if parts.scheme == "http" and name not in private_hosts:
        raise _refused(host(url), "only https is sent to it")
    addresses = _addresses(name, port, host(url), private_hosts)
    path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    connection = http.client.HTTPConnection(name, port)
    try:
        with closing(_Connected(addresses, port, seconds)) as connected:
            if parts.scheme == "https":
                connected.wrap(name)
            connection.sock = connected.socket
            connection.request(method, path, body or None, dict(headers or {}))
            return connection.getresponse().status
    except ValueError:  # of the path, which must be ASCII
        raise _refused(host(url), "it is no https address") from None
    except _BROKEN as exc:
        raise ConnectionLostError(
            f"No answer from {host(url)} ({type(exc).__name__}).",
            rule=f"It has {seconds:g} s.",
            not_done="The message does not count as delivered.",
            next_step="Check the receiver, then: d118 webhooks test",
        ) from None


class _Connected:
    """A connection that is cut at the end of its time, whatever the other side does."""

    def __init__(self, addresses: Sequence[str], port: int, seconds: float) -> None:
        self.socket = _connect(addresses, port, seconds)
        self.socket.settimeout(seconds)
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def wrap(self, name: str) -> None:
        context = ssl.create_default_context()
        plain = self.socket
        # Without the handshake: what is to be cut must be known before.
        self.socket = context.wrap_socket(
            plain, server_hostname=name, do_handshake_on_connect=False
        )
        self.socket.do_handshake()

    def _cut(self) -> None:
        with suppress(OSError):
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)

    def close(self) -> None:
        self._timer.cancel()
        self.socket.close()


def _connect(addresses: Sequence[str], port: int, seconds: float) -> socket.socket:
    """The first address that answers. Raises: OSError of the last one."""
    *others, last = addresses
    for one in others:
        with suppress(OSError):
            return socket.create_connection((one, port), CONNECT_SECONDS)
    return socket.create_connection((last, port), min(seconds, CONNECT_SECONDS))


def _addresses(
    name: str, port: int, shown: str, private_hosts: Collection[str]
) -> list[str]:
    """The addresses of a name, all of which may be asked."""
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise ConnectionLostError(
            f"The host {shown} is not known.",
            not_done="The message does not count as delivered.",
            next_step="Check its name, then: d118 webhooks test",
        ) from None
    addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
    if name not in private_hosts and not all(map(is_public, addresses)):
        raise _refused(shown, "its address is private, of this machine or reserved")
    return addresses


def _refused(shown: str, why: str) -> DestinationError:
    return DestinationError(
        f"The receiver {shown} is refused: {why}.",
        rule="Webhooks go by https to public addresses; a host under "
        "webhook_private_hosts may also be private, or be asked by http.",
        not_done="Nothing was sent to it.",
        next_step="Correct the address, or list the host in webhook_private_hosts.",
    )
