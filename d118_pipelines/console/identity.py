"""Who sends a request: a session's account, or the account of a token.

Called by `front.py` for every request, and by the routes as a dependency.
Rule: docs/console.md.
"""

from __future__ import annotations

import datetime as dt
import hmac
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from starlette.requests import HTTPConnection

from d118_pipelines.state.accounts import account_by_token
from d118_pipelines.state.database import Database
from d118_pipelines.state.sessions import COOKIE, Sessions

CALLER = "d118.caller"
FORM_FIELD = "csrf"
TOKEN_HEADER = "x-csrf-token"
READS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever sends a request.

    form_token: of the session; empty for a program's token. newer_cookie: what the
    browser gets with the answer, so that the session does not end while it is used.
    """

    name: str
    role: str
    may_write: bool
    form_token: str = ""
    newer_cookie: str | None = None

    @property
    def account(self) -> str:
        """The name in the audit."""
        return f"console/{self.name}"

    def sent_it(self, given: str) -> bool:
        """Whether a token of a form or header is this session's; programs need none."""
        return not self.form_token or hmac.compare_digest(
            given.encode(), self.form_token.encode()
        )


class Refused(Exception):
    """The request may not do this; what is told is one sentence."""

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        super().__init__(text)


def caller_of(
    asked: HTTPConnection, database: Database, sessions: Sessions, now: dt.datetime
) -> Caller | None:
    """The caller by their bearer token or session cookie; None for everybody else."""
    scheme, _, key = asked.headers.get("authorization", "").partition(" ")
    if scheme:
        if scheme.lower() != "bearer":
            return None
        with database.reading() as connection:
            found = account_by_token(connection, key.strip(), now=now)
        if found is None:
            return None
        account, scope = found
        return Caller(account.name, account.role, account.is_admin and scope == "write")
    cookie = asked.cookies.get(COOKIE, "")
    known = sessions.find(cookie, now) if cookie else None
    if known is None:
        return None
    token, newer = sessions.form_token(cookie), sessions.renewed(cookie, now)
    return Caller(known.name, known.role, known.is_admin, token, newer)


def caller(request: Request) -> Caller:
    """The caller, whom `front.py` has found."""
    found: Caller = request.scope[CALLER]
    return found


def program(request: Request) -> Caller:
    """The caller of a JSON route: a browser's session must name itself in a header.

    Raises: Refused.
    """
    found = caller(request)
    is_read = request.method in READS
    if not is_read and not found.sent_it(request.headers.get(TOKEN_HEADER, "")):
        raise Refused(403, "A session needs the header X-CSRF-Token here.")
    return found


def admin(request: Request) -> Caller:
    """The caller of a page for administrators. Raises: Refused."""
    found = caller(request)
    if not found.may_write:
        raise Refused(403, "Only administrators see this page.")
    return found


async def form_sender(request: Request) -> Caller:
    """The caller of a form. Raises: Refused if the form is not of this session."""
    found = caller(request)
    given = (await request.form()).get(FORM_FIELD)
    if not isinstance(given, str) or not found.form_token or not found.sent_it(given):
        raise Refused(403, "This form is not of your session. Open the page again.")
    return found


async def given_fields(request: Request) -> dict[str, str]:
    """The texts of a form whose fields depend on what it is about."""
    form = await request.form()
    return {name: text for name, text in form.items() if isinstance(text, str)}


Given = Annotated[dict[str, str], Depends(given_fields)]
Admin = Annotated[Caller, Depends(admin)]
Reader = Annotated[Caller, Depends(caller)]
Program = Annotated[Caller, Depends(program)]
Sender = Annotated[Caller, Depends(form_sender)]
