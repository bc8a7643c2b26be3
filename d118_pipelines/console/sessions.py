"""Sessions of people who signed in, and how often somebody may try to.

Called by `identity.py` and `sign_in.py`. Both live in this one process: when it ends,
everybody is signed out. A cookie is a random id, signed with SECRET_KEY; nothing of a
person is in it. Rule: docs/console.md.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import secrets
from collections import deque
from dataclasses import dataclass, replace

COOKIE = "d118_session"
IDLE = dt.timedelta(minutes=60)
ABSOLUTE = dt.timedelta(hours=12)
WINDOW = dt.timedelta(minutes=15)
TRIES_OF_A_NAME = 10
TRIES_OF_AN_ADDRESS = 30
_MOST_KEYS = 10_000


@dataclass(frozen=True, slots=True)
class Session:
    """Who signed in, when, and when they were last here."""

    account: str
    opened_at: dt.datetime
    seen_at: dt.datetime


class Sessions:
    """The open sessions by the hash of their id."""

    def __init__(self, secret_key: str) -> None:
        from itsdangerous import Signer

        self._key = secret_key.encode()
        self._signer = Signer(
            secret_key, salt="d118.session", digest_method=hashlib.sha256
        )
        self._open: dict[str, Session] = {}

    def open(self, account: str, now: dt.datetime) -> str:
        """A new session; returns the cookie. An older cookie of the browser is of no use."""
        session_id = secrets.token_urlsafe(32)
        self._open = {k: s for k, s in self._open.items() if _is_alive(s, now)}
        self._open[session_id] = Session(account, now, now)
        return self._signer.sign(session_id).decode()

    def find(self, cookie: str, now: dt.datetime) -> Session | None:
        """The session of a cookie, which counts as a visit; None if it is forged or over."""
        session_id = self._id_of(cookie)
        session = self._open.get(session_id)
        if session is None:
            return None
        if not _is_alive(session, now):
            self._open.pop(session_id, None)
            return None
        self._open[session_id] = replace(session, seen_at=now)
        return session

    def close(self, cookie: str) -> None:
        """End the session of a cookie."""
        self._open.pop(self._id_of(cookie), None)

    def form_token(self, cookie: str) -> str:
        """What the forms of this session carry, so that no other page can send one."""
        text = f"d118.form {self._id_of(cookie)}"
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()

    def _id_of(self, cookie: str) -> str:
        from itsdangerous import BadSignature

        try:
            return self._signer.unsign(cookie.encode("utf-8", "replace")).decode()
        except BadSignature:
            return ""


def _is_alive(session: Session, now: dt.datetime) -> bool:
    return now - session.seen_at < IDLE and now - session.opened_at < ABSOLUTE


class Attempts:
    """Failed sign-ins of the last minutes, by name and by address."""

    def __init__(self) -> None:
        self._failed: dict[str, deque[dt.datetime]] = {}

    def wait(self, name: str, address: str, now: dt.datetime) -> dt.timedelta | None:
        """How long until the next try, or None if there may be one now."""
        limits = ((f"n {name}", TRIES_OF_A_NAME), (f"a {address}", TRIES_OF_AN_ADDRESS))
        waits = []
        for key, limit in limits:
            tries = self._failed.get(key, deque())
            while tries and now - tries[0] >= WINDOW:
                tries.popleft()
            if len(tries) >= limit:
                waits.append(WINDOW - (now - tries[0]))
        return max(waits, default=None)

    def failed(self, name: str, address: str, now: dt.datetime) -> None:
        """Count one failure."""
        if len(self._failed) > _MOST_KEYS:  # names are free text
            self._failed = {
                k: tries
                for k, tries in self._failed.items()
                if now - tries[-1] < WINDOW
            }
        for key in (f"n {name}", f"a {address}"):
            self._failed.setdefault(key, deque(maxlen=TRIES_OF_AN_ADDRESS)).append(now)

    def succeeded(self, name: str) -> None:
        """Forget the failures of a name."""
        self._failed.pop(f"n {name}", None)
