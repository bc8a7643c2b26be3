"""Sessions of people who signed in.

Called by `console/`; accounts and tokens are in `accounts.py`. Sessions are in the
state database, so that a restart ends none. A cookie is a random id and when it was
last used, signed with SECRET_KEY; nothing of a person is in it. Rule: docs/console.md.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac

from d118_pipelines.state.accounts import (
    Account,
    account_by_session,
    close_session,
    open_session,
)
from d118_pipelines.state.database import Database

COOKIE = "d118_session"
IDLE = dt.timedelta(minutes=60)
ABSOLUTE = dt.timedelta(hours=12)
RENEWED_AFTER = dt.timedelta(minutes=5)


class Sessions:
    """The open sessions. A visit writes nothing: the browser gets a newer cookie."""

    def __init__(self, secret_key: str, database: Database) -> None:
        from itsdangerous import Signer

        self._key, self._database = secret_key.encode(), database
        self._signer = Signer(
            secret_key, salt="d118.session", digest_method=hashlib.sha256
        )

    def open(self, account: str, now: dt.datetime) -> str:
        """A new session; returns the cookie. An older cookie of the browser is of no use."""
        with self._database.transaction() as connection:
            made = open_session(connection, account, now=now, oldest=now - ABSOLUTE)
        return self._cookie(made, now)

    def find(self, cookie: str, now: dt.datetime) -> Account | None:
        """Whose session a cookie is of; None if it is forged or over."""
        session_id, seen_at = self._read(cookie)
        if not session_id or now - seen_at >= IDLE:
            return None
        with self._database.reading() as connection:
            return account_by_session(connection, session_id, oldest=now - ABSOLUTE)

    def renewed(self, cookie: str, now: dt.datetime) -> str | None:
        """The cookie that counts this visit; None while the old one is new enough."""
        session_id, seen_at = self._read(cookie)
        is_new = now - seen_at < RENEWED_AFTER
        return None if is_new else self._cookie(session_id, now)

    def close(self, cookie: str) -> None:
        """End the session of a cookie."""
        if session_id := self._read(cookie)[0]:
            with self._database.transaction() as connection:
                close_session(connection, session_id)

    def form_token(self, cookie: str) -> str:
        """What the forms of this session carry, so that no other page can send one."""
        text = f"d118.form {self._read(cookie)[0]}"
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()

    def _cookie(self, session_id: str, now: dt.datetime) -> str:
        return self._signer.sign(f"{session_id}.{int(now.timestamp())}").decode()

    def _read(self, cookie: str) -> tuple[str, dt.datetime]:
        """Its id and when it was last used; no id if this console did not make it."""
        from itsdangerous import BadSignature

        try:
            text = self._signer.unsign(cookie.encode("utf-8", "replace")).decode()
        except BadSignature:
            return "", dt.datetime.min.replace(tzinfo=dt.UTC)
        session_id, _, seconds = text.partition(".")
        return session_id, dt.datetime.fromtimestamp(int(seconds), dt.UTC)
