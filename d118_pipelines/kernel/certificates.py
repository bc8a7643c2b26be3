"""The certificates that connections trust, read once in a process.

Called by `sources/http/transport.py` and `delivery/scim/transport.py`.
"""

from __future__ import annotations

import functools
import os
import ssl
from collections.abc import Callable

_NAMED_BY = ("SSL_CERT_FILE", "SSL_CERT_DIR")
Read = Callable[..., ssl.SSLContext]


def trusted(read: Read, *, is_local: bool) -> ssl.SSLContext:
    """What `read`, a client's `create_ssl_context`, makes: a tenth of a second the first time.

    is_local: this machine has no certificates of its own, whatever the variables name.
    """
    names = () if is_local else _NAMED_BY
    return _read_once(read, *map(os.environ.get, names))


@functools.cache
def _read_once(read: Read, *places: str | None) -> ssl.SSLContext:
    """places: what the variables say, which `read` looks up itself."""
    return read(trust_env=bool(places))
