"""Signing in and out: a form, a password, a session.

Called by `app.py`; sign-in with OpenID Connect is in `oidc.py`. Rule: docs/console.md.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from d118_pipelines.console.identity import Sender, cookie_of
from d118_pipelines.console.rendering import page, to, world_of
from d118_pipelines.console.sessions import COOKIE
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.state.accounts import account_by_password

routes = APIRouter(include_in_schema=False)
WRONG = "That name and password do not belong together."


@routes.get("/sign-in")
def form(request: Request) -> Response:
    """The form."""
    return page("sign_in.html", None, oidc=world_of(request).settings.oidc)


@routes.post("/sign-in")
def sign_in(
    request: Request,
    name: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Open a session, or show the form again. What is wrong is not told apart."""
    world, now = world_of(request), utc_now()
    name = name.strip().lower()
    address = request.client.host if request.client else ""
    oidc = world.settings.oidc
    wait = world.attempts.wait(name, address, now)
    if wait is not None:
        text = "Too many attempts. Try again in a few minutes."
        answer = page("sign_in.html", None, status=429, oidc=oidc, problem=text)
        answer.headers["retry-after"] = str(int(wait.total_seconds()) + 1)
        return answer
    with world.database.reading() as connection:
        account = account_by_password(connection, name, password)
    if account is None:
        world.attempts.failed(name, address, now)
        return page("sign_in.html", None, status=401, oidc=oidc, problem=WRONG)
    world.attempts.succeeded(name)
    return opened(request, account.name, to("/"))


def opened(request: Request, account: str, answer: Response) -> Response:
    """The answer with the cookie of a new session; the browser's old one ends."""
    world = world_of(request)
    world.sessions.close(cookie_of({"cookie": request.headers.get("cookie", "")}))
    world.record(f"console/{account}", "sign in", account)
    answer.set_cookie(
        COOKIE,
        world.sessions.open(account, utc_now()),
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


@routes.post("/sign-out")
def sign_out(request: Request, _: Sender) -> Response:
    """End the session."""
    world_of(request).sessions.close(request.cookies.get(COOKIE, ""))
    answer = to("/sign-in")
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer
