"""The console's own application: its routes, how it says no, the pages of its interface.

Called by `console_server.py`. What reaches it has passed `front.py`.
"""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response

from d118_pipelines.console import (
    api_pages,
    feed_pages,
    integration_pages,
    job_routes,
    morning,
    oidc,
    person_pages,
    provider_routes,
    report_pages,
    sign_in,
)
from d118_pipelines.console.front import ICON, Front
from d118_pipelines.console.identity import CALLER, READS, Refused
from d118_pipelines.console.rendering import page
from d118_pipelines.console.sign_in import sign_in_page
from d118_pipelines.console.world import World
from d118_pipelines.errors import (
    BusyError,
    ConfigurationError,
    D118Error,
    HeldError,
    PausedError,
    RetriableError,
)
from d118_pipelines.kernel.text import printable
from d118_pipelines.service.graphql import DAGSTER
from d118_pipelines.service.guard import App, Guard, Scope, adding

PROBLEM = "application/problem+json"
HEADERS = {
    # No script at all but on `api_pages.py`, and nothing from elsewhere.
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
ROUTERS = tuple(
    module.routes
    for module in (
        *(
            sign_in,
            oidc,
            morning,
            feed_pages,
            integration_pages,
            person_pages,
            report_pages,
        ),
        *(provider_routes, job_routes, api_pages),
    )
)
_STATIC = Path(__file__).parent / "static"
_KEPT = {"cache-control": "max-age=3600"}
_JSON_PATHS = ("/api/", "/connectors/", "/jobs", "/stats/", "/scim/", "/celery/")
_JSON_ONLY = ("/health", "/ready", "/openapi.json")
_STATUS = (
    (HeldError, 409),
    (BusyError, 409),
    (PausedError, 409),
    (ConfigurationError, 422),
    (RetriableError, 503),
)
_log = logging.getLogger(__name__)


def console_app(world: World, hosts: list[str]) -> Guard:
    """The console in front of Dagster, behind the guard. hosts: names that people use."""
    answer = partial(refusal, world=world)
    return Guard(Front(world, _own(world), world.dagster, answer), hosts=hosts)


def _own(world: World) -> App:
    app = FastAPI(
        title="District console",
        version="1",
        description="What came in and what went out, for people and for programs. "
        "Programs send `Authorization: Bearer <key>`; d118 tokens add makes a key.",
        docs_url=None,
        redoc_url=None,
    )
    app.state.world = world
    for router in ROUTERS:
        app.include_router(router)

    @app.get("/static/console.css", include_in_schema=False)
    def style() -> Response:
        return FileResponse(_STATIC / "console.css", headers=_KEPT)

    @app.get(ICON, include_in_schema=False)
    def icon() -> Response:
        return FileResponse(_STATIC / "icon.svg", headers=_KEPT)

    app.exception_handler(D118Error)(_domain_error)
    app.exception_handler(Refused)(_refused)
    app.exception_handler(HTTPException)(_http_error)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(Exception)(_fault)
    return _with_headers(app)


def refusal(
    scope: Scope, status: int, text: str, *, world: World | None = None, **more: Any
) -> Response:
    """What says no: a page for people, problem+json for programs.

    world: for the sign-in, where nobody has signed in.
    """
    headers = dict(HEADERS)
    if status == 401:
        headers["www-authenticate"] = 'Bearer realm="d118"'
    if is_for_program(scope):
        body = {"type": "about:blank", "title": text, "status": status, **more}
        return JSONResponse(body, status, headers=headers, media_type=PROBLEM)
    answer: Response
    if world is not None and status == 401:
        query = scope["query_string"].decode("latin-1")
        asked = f"{scope['path']}?{query}" if query else scope["path"]
        answer = sign_in_page(world, 401, asked if scope["method"] in READS else "")
    else:
        lines = text.splitlines()
        caller = scope.get(CALLER)
        answer = page("refusal.html", caller, status=status, what=lines)
    for name, value in headers.items():
        answer.headers.setdefault(name, value)
    return answer


def is_for_program(scope: Scope) -> bool:
    """Whether a JSON route is asked, or Dagster's pages ask for data."""
    path = scope["path"]
    is_page_of_dagster = path.startswith(DAGSTER) and scope["method"] == "GET"
    if path.startswith(DAGSTER) and not is_page_of_dagster:
        return True
    return path.startswith(_JSON_PATHS) or path in _JSON_ONLY


def _domain_error(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, D118Error)
    found = (status for kind, status in _STATUS if isinstance(exc, kind))
    parts = {
        name: text
        for name in ("where", "rule", "not_done", "next_step")
        if (text := getattr(exc, name))
    }
    status = next(found, 500 if type(exc) is D118Error else 502)
    if not is_for_program(request.scope):
        return refusal(request.scope, status, printable(str(exc)))
    return refusal(request.scope, status, exc.what, detail=printable(str(exc)), **parts)


def _refused(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, Refused)
    return refusal(request.scope, exc.status, str(exc))


def _http_error(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)
    text = {404: "There is nothing here.", 405: "This is not done that way."}
    answer = refusal(
        request.scope, exc.status_code, text.get(exc.status_code, str(exc.detail))
    )
    for name, value in (exc.headers or {}).items():
        answer.headers[name] = value
    return answer


def _invalid(request: Request, exc: Exception) -> Response:
    """Which field breaks which rule; never what was sent: it may be a secret."""
    assert isinstance(exc, RequestValidationError)
    errors = [
        {"field": ".".join(str(part) for part in error["loc"]), "rule": error["msg"]}
        for error in exc.errors()
    ]
    lines = "; ".join(f"{one['field']}: {one['rule']}" for one in errors)
    text = "The request does not fit." if is_for_program(request.scope) else lines
    return refusal(request.scope, 422, text, detail=lines, errors=errors)


def _fault(request: Request, exc: Exception) -> Response:
    """A fault of ours; its text may quote a person, so only its kind is told."""
    _log.error("A request failed (%s).", type(exc).__name__)
    return refusal(
        request.scope,
        500,
        f"Something failed here ({type(exc).__name__}). Nothing more was done.",
    )


def _with_headers(app: App) -> App:
    async def answered(scope: Scope, receive: Any, send: Any) -> None:
        more = adding(send, HEADERS.items(), is_missing_only=True)
        await app(scope, receive, more)

    return answered
