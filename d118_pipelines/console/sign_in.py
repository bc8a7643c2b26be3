"""Signing in and out: a form, a password, a session.

Called by `app.py`; sign-in with OpenID Connect is in `oidc.py`. Rule: docs/console.md.
"""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from d118_pipelines.console.identity import Sender
from d118_pipelines.console.rendering import page, to
from d118_pipelines.console.sessions import COOKIE
from d118_pipelines.console.world import Here, World
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.state.accounts import account_by_password

routes = APIRouter(include_in_schema=False)
TOO_MANY = "Too many attempts. Try again in a few minutes."
# No other host, whatever a browser makes of it: no //, no backslash, no control.
_LOCAL = re.compile(r"/(?!/)[\w.~!$&'()*+,;=:@%/?-]*", re.ASCII)
WRONG = "That name and password do not belong together."


@routes.get("/sign-in")
def form(world: Here) -> Response:
    """The form."""
    return sign_in_page(world, 200)


@routes.post("/sign-in")
def sign_in(
    request: Request,
    world: Here,
    name: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
    back: Annotated[str, Form(max_length=4000)] = "",
) -> Response:
    """Open a session and go back to the page that was asked for, or show the form again.

    What is wrong is not told apart.
    """
    now, name = utc_now(), name.strip().lower()
    address = address_of(request)
    wait = world.attempts.wait(name, address, now)
    if wait is not None:
        answer = sign_in_page(world, 429, back, TOO_MANY)
        answer.headers["retry-after"] = str(int(wait.total_seconds()) + 1)
        return answer
    with world.database.reading() as connection:
        account = account_by_password(connection, name, password)
    if account is None:
        world.attempts.failed(name, address, now)
        return sign_in_page(world, 401, back, WRONG)
    world.attempts.succeeded(name)
    return opened(request, world, account.name, to(local_path(back)))


def sign_in_page(
    world: World, status: int, back: str = "", problem: str = ""
) -> Response:
    """The form. back: the page of this console that was asked for."""
    return page(
        "sign_in.html",
        None,
        status=status,
        oidc=world.settings.oidc,
        back=local_path(back),
        problem=problem,
    )


def local_path(path: str) -> str:
    """The path if it is one of this console; else that of the first page."""
    is_local = _LOCAL.fullmatch(path) and not path.startswith(("/sign-", "/oidc"))
    return path if is_local else "/"


def address_of(request: Request) -> str:
    """Where somebody tries to sign in from."""
    return request.client.host if request.client else ""


def opened(request: Request, world: World, account: str, answer: Response) -> Response:
    """The answer with the cookie of a new session; the browser's old one ends."""
    world.sessions.close(request.cookies.get(COOKIE, ""))
    world.record(f"console/{account}", "sign in", account)
    cookie = world.sessions.open(account, utc_now())
    set_cookie(answer, cookie, is_secure=request.url.scheme == "https")
    return answer


def set_cookie(answer: Response, cookie: str, *, is_secure: bool) -> None:
    """Give the session's cookie to the browser."""
    answer.set_cookie(
        COOKIE, cookie, httponly=True, samesite="strict", secure=is_secure
    )


@routes.post("/sign-out")
def sign_out(request: Request, world: Here, _: Sender) -> Response:
    """End the session."""
    world.sessions.close(request.cookies.get(COOKIE, ""))
    answer = to("/sign-in")
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer
