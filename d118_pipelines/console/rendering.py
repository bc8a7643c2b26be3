"""HTML from the templates; whatever a value says is escaped.

Called by the routes that answer people.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from d118_pipelines.console.identity import Caller
from d118_pipelines.kernel.clock import day_time, utc_now
from d118_pipelines.kernel.csv_text import shown

_TONES = {
    "good": ("delivered", "applied", "sent, not read back", "done", "success"),
    "wait": ("held", "paused", "released", "not sent", "late", "partial"),
    "bad": ("failed", "failure", "misconfigured", "cannot look for files"),
}


@cache
def _templates() -> Environment:
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["when"] = _when
    made.filters["shown"] = shown
    made.filters["tone"] = tone
    made.filters["filled"] = _filled
    return made


def page(
    template: str, caller: Caller | None, *, status: int = 200, **values: Any
) -> HTMLResponse:
    """A page. caller: who is signed in, for the menu and the forms."""
    text = _templates().get_template(template).render(me=caller, **values)
    return HTMLResponse(text, status)


def to(path: str) -> RedirectResponse:
    """Show another page of the console after a form was carried out."""
    return RedirectResponse(path, 303)


def tone(state: str) -> str:
    """How a state looks: good, wait, bad or calm."""
    return next((name for name, states in _TONES.items() if state in states), "calm")


def _filled(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The columns in which any row has something; zeros are nothing."""
    return [
        n for n in rows[0] if any(row[n] not in (None, "", [], (), 0) for row in rows)
    ]


def _when(moment: dt.datetime | None) -> str:
    return day_time(moment, utc_now())
