"""`/docs` and `/redoc`: Swagger UI and ReDoc over the OpenAPI description.

Called by `app.py`. Their files are those of the package fastapi-offline, so that no
request leaves the machine; what starts them is `static/api.js`. Only these two pages
have scripts; both work with GET alone, since a session's other requests need its form
token.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from d118_pipelines.console.identity import Reader, Refused
from d118_pipelines.console.rendering import page
from d118_pipelines.errors import FatalError

routes = APIRouter(include_in_schema=False)
# Both write their styles into the page; ReDoc's search works beside it, in a blob.
POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "style-src 'self' 'unsafe-inline'; {more}form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_WORKER = {"docs": "", "redoc": "worker-src blob:; "}
_KINDS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "redoc.standalone.js": "text/javascript",
    "api.js": "text/javascript",
}
_FOREIGN_LOGO = b"https://cdn.redoc.ly/redoc/logo-mini.svg"


@routes.get("/docs")
def swagger(caller: Reader) -> HTMLResponse:
    """The interface, to try."""
    return _api_page(caller, "docs")


@routes.get("/redoc")
def redoc(caller: Reader) -> HTMLResponse:
    """The interface, to read."""
    return _api_page(caller, "redoc")


@routes.get("/static/api/{name}")
def file(name: str) -> Response:
    """A file of one of them. Raises: Refused."""
    if name not in _KINDS:
        raise Refused(404, "There is nothing here.")
    kept = {"cache-control": "private, max-age=3600"}
    return Response(_content(name), media_type=_KINDS[name], headers=kept)


def _api_page(caller: Reader, kind: Literal["docs", "redoc"]) -> HTMLResponse:
    answer = page("api.html", caller, kind=kind)
    answer.headers["content-security-policy"] = POLICY.format(more=_WORKER[kind])
    return answer


@cache
def _content(name: str) -> bytes:
    if name == "api.js":
        return (Path(__file__).parent / "static" / name).read_bytes()
    found = find_spec("fastapi_offline")  # importing it would take a second
    if found is None or not found.submodule_search_locations:
        raise FatalError(
            "The package fastapi-offline is not installed.", next_step="make setup"
        )
    place = Path(found.submodule_search_locations[0]) / "static" / name
    return place.read_bytes().replace(_FOREIGN_LOGO, b"data:,")
