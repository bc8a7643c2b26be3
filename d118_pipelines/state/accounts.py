"""Who may use the console: accounts with a password and a role, sessions, tokens.

Called by `cli/users.py` and `console/`. Passwords are kept as argon2 hashes, tokens as
SHA-256 of 32 random bytes, and so are sessions; none can be read back. Rule:
docs/console.md.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import secrets
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from d118_pipelines.errors import ConfigurationError
from d118_pipelines.state import audit
from d118_pipelines.state.database import Time, columns, metadata

ROLES = ("PLATFORM_ADMIN", "DISTRICT_ADMIN", "VIEWER")
VIEWER = "VIEWER"
SCOPES = ("read", "write")
SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 200
_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,119}")

console_accounts = sa.Table(
    "console_accounts",
    metadata,
    *columns("name", primary_key=True),
    *columns("role"),
    *columns("password_hash", nullable=True),  # none: signs in with OpenID Connect only
    *columns("created_at changed_at", Time),
)

api_tokens = sa.Table(
    "api_tokens",
    metadata,
    *columns("id", primary_key=True),
    *columns("account", index=True),
    *columns("label scope token_hash"),
    *columns("created_at expires_at", Time),
)

console_sessions = sa.Table(
    "console_sessions",
    metadata,
    *columns("id_hash", primary_key=True),
    *columns("account"),
    *columns("opened_at", Time),
)


@dataclass(frozen=True, slots=True)
class Account:
    """Who signs in. changed_at: sessions that are older have ended."""

    name: str
    role: str
    has_password: bool
    created_at: dt.datetime
    changed_at: dt.datetime

    @property
    def is_admin(self) -> bool:
        """Whether the role may change anything."""
        return self.role != VIEWER


@dataclass(frozen=True, slots=True)
class Token:
    """A program's key, without the key itself."""

    id: str
    account: str
    label: str
    scope: str
    created_at: dt.datetime
    expires_at: dt.datetime


def add_account(
    connection: sa.Connection,
    name: str,
    role: str,
    password: str | None,
    *,
    by: str,
    now: dt.datetime,
) -> Account:
    """Make an account; without a password it signs in with OpenID Connect only.

    Raises: ConfigurationError for a name, role or password that cannot be.
    """
    name = name.strip().lower()
    if not _NAME.fullmatch(name):
        raise _refused(
            "An account's name is an e-mail, or letters, digits and . _ @ + -."
        )
    if role not in ROLES:
        raise _refused(
            f"{role[:40]} is no role.", f"The roles are: {', '.join(ROLES)}."
        )
    if find_account(connection, name):
        raise _refused(f"There is an account {name} already.", "See: d118 users list")
    hashed = _hashed(password) if password is not None else None
    connection.execute(
        console_accounts.insert().values(
            name=name, role=role, password_hash=hashed, created_at=now, changed_at=now
        )
    )
    audit.record(
        connection, now=now, actor=by, action="add account", subject=name, detail=role
    )
    return Account(name, role, hashed is not None, now, now)


def set_password(
    connection: sa.Connection, name: str, password: str, *, by: str, now: dt.datetime
) -> None:
    """Set a new password, which ends the account's sessions. Raises: ConfigurationError."""
    account = named_account(connection, name)
    connection.execute(
        console_accounts.update()
        .where(console_accounts.c.name == account.name)
        .values(password_hash=_hashed(password), changed_at=now)
    )
    audit.record(
        connection, now=now, actor=by, action="set password", subject=account.name
    )


def remove_account(
    connection: sa.Connection, name: str, *, by: str, now: dt.datetime
) -> None:
    """Remove an account with its tokens; its sessions end. Raises: ConfigurationError."""
    account = named_account(connection, name)
    connection.execute(api_tokens.delete().where(api_tokens.c.account == account.name))
    connection.execute(
        console_accounts.delete().where(console_accounts.c.name == account.name)
    )
    audit.record(
        connection, now=now, actor=by, action="remove account", subject=account.name
    )


def find_account(connection: sa.Connection, name: str) -> Account | None:
    """The account of that name, or None."""
    row = _row(connection, name)
    return _account(row) if row else None


def named_account(connection: sa.Connection, name: str) -> Account:
    """The account of that name. Raises: ConfigurationError."""
    found = find_account(connection, name)
    if found is None:
        raise _refused(f"There is no account {name[:120]}.", "See: d118 users list")
    return found


def all_accounts(connection: sa.Connection) -> list[Account]:
    """All accounts by name."""
    rows = connection.execute(
        sa.select(console_accounts).order_by(console_accounts.c.name)
    )
    return [_account(row) for row in rows.mappings()]


def account_by_password(
    connection: sa.Connection, name: str, password: str
) -> Account | None:
    """The account if the password is its own; an unknown name takes as long as a known."""
    from argon2 import PasswordHasher
    from argon2.exceptions import InvalidHashError, VerificationError

    row = _row(connection, name)
    stored = row["password_hash"] if row else None
    try:
        PasswordHasher().verify(stored or _nobody(), password[:LONGEST_PASSWORD])
    except (VerificationError, InvalidHashError):
        return None
    return _account(row) if row and stored else None


def open_session(
    connection: sa.Connection, account: str, *, now: dt.datetime, oldest: dt.datetime
) -> str:
    """A new session; returns its id, of which the hash is kept.

    oldest: sessions that were opened before have ended and are forgotten.
    """
    c, session_id = console_sessions.c, secrets.token_urlsafe(32)
    connection.execute(console_sessions.delete().where(c.opened_at < oldest))
    row = {"id_hash": _digest(session_id), "account": account, "opened_at": now}
    connection.execute(console_sessions.insert().values(**row))
    return session_id


def account_by_session(
    connection: sa.Connection, session_id: str, *, oldest: dt.datetime
) -> Account | None:
    """The account of an open session; its last change is not younger than the session."""
    c = console_sessions.c
    row = connection.execute(
        sa.select(c.account, c.opened_at)
        .where(c.id_hash == _digest(session_id), c.opened_at > oldest)
        .limit(1)
    ).first()
    account = find_account(connection, row.account) if row else None
    return account if row and account and account.changed_at <= row.opened_at else None


def close_session(connection: sa.Connection, session_id: str) -> None:
    """End a session."""
    mine = console_sessions.c.id_hash == _digest(session_id)
    connection.execute(console_sessions.delete().where(mine))


def add_token(
    connection: sa.Connection,
    account: str,
    label: str,
    scope: str,
    *,
    days: int,
    by: str,
    now: dt.datetime,
) -> tuple[Token, str]:
    """Make a token of an account; the second is the key, which is shown this once.

    Raises: ConfigurationError.
    """
    owner = named_account(connection, account)
    if scope not in SCOPES:
        raise _refused(
            f"{scope[:40]} is no scope.", f"The scopes are: {', '.join(SCOPES)}."
        )
    key = f"d118_{secrets.token_urlsafe(32)}"
    until = now + dt.timedelta(days=days)
    token = Token(secrets.token_hex(4), owner.name, label[:80], scope, now, until)
    connection.execute(
        api_tokens.insert().values(**asdict(token), token_hash=_digest(key))
    )
    audit.record(
        connection,
        now=now,
        actor=by,
        action="add token",
        subject=owner.name,
        detail=f"{token.id}, {scope}, until {until:%Y-%m-%d}",
    )
    return token, key


def remove_token(
    connection: sa.Connection, token: str, *, by: str, now: dt.datetime
) -> None:
    """Remove a token by its id. Raises: ConfigurationError."""
    removed = connection.execute(api_tokens.delete().where(api_tokens.c.id == token))
    if not removed.rowcount:
        raise _refused(f"There is no token {token[:40]}.", "See: d118 tokens list")
    audit.record(connection, now=now, actor=by, action="remove token", subject=token)


def all_tokens(connection: sa.Connection) -> list[Token]:
    """All tokens by account, expired ones too."""
    kept = [api_tokens.c[name] for name in Token.__slots__]
    rows = connection.execute(sa.select(*kept).order_by(kept[1], kept[4]))
    return [Token(*row) for row in rows]


def account_by_token(
    connection: sa.Connection, key: str, *, now: dt.datetime
) -> tuple[Account, str] | None:
    """The account of an unexpired key, and the key's scope."""
    c = api_tokens.c
    row = connection.execute(
        sa.select(c.account, c.scope)
        .where(c.token_hash == _digest(key), c.expires_at > now)
        .limit(1)
    ).first()
    account = find_account(connection, row.account) if row else None
    return (account, row.scope) if row and account else None


def _row(connection: sa.Connection, name: str) -> sa.RowMapping | None:
    query = sa.select(console_accounts).where(
        console_accounts.c.name == name.strip().lower()[:120]
    )
    return connection.execute(query).mappings().first()


def _account(row: Any) -> Account:
    has_password = row["password_hash"] is not None
    times = row["created_at"], row["changed_at"]
    return Account(row["name"], row["role"], has_password, *times)


def _hashed(password: str) -> str:
    from argon2 import PasswordHasher

    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise _refused(
            f"A password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters."
        )
    return PasswordHasher().hash(password)


_UNKNOWN: list[str] = []


def _nobody() -> str:
    """A hash that no password fits, made once."""
    if not _UNKNOWN:
        _UNKNOWN.append(_hashed(secrets.token_urlsafe(32)))
    return _UNKNOWN[0]


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


def _refused(what: str, next_step: str = "") -> ConfigurationError:
    return ConfigurationError(
        what, not_done="Nothing was changed.", next_step=next_step
    )
