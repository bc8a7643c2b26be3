"""One person through every system: where they are, since when, by which keys, from where.

Called by `app.py`, for administrators; every look is in the audit. What is known of a
person is in `workflows/people/explain.py`. The key is sent in a form: an address would
be kept.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Annotated, Any

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse

from d118_pipelines.console.identity import Admin, Refused, Sender
from d118_pipelines.console.rendering import page
from d118_pipelines.console.world import Here, World
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.text import clean_text
from d118_pipelines.workflows.monitoring.all_feeds import enabled_feeds
from d118_pipelines.workflows.people.explain import TITLES, explained
from d118_pipelines.workflows.runs.feed import Feed

routes = APIRouter(include_in_schema=False)


@routes.get("/person")
def ask(caller: Admin) -> HTMLResponse:
    """The question."""
    return page("person.html", caller, key="", answers=None, show_values=False)


@routes.post("/person")
def answer(
    world: Here,
    caller: Sender,
    key: Annotated[str, Form(max_length=200)],
    show_values: Annotated[bool, Form()] = False,
) -> HTMLResponse:
    """What every enabled target and provider has of the person."""
    key = clean_text(key).strip()
    if not key:
        raise Refused(422, "Type an id of the person.")
    values = "with values" if show_values else ""
    world.record(caller.account, "look up a person", _digest(world, key), values)
    answers = [
        _of_feed(feed, key, show_values=show_values)
        for feed in enabled_feeds(world.project, world.feeds)
    ]
    answers.sort(key=lambda one: not one["sections"])
    return page(
        "person.html", caller, key=key, answers=answers, show_values=show_values
    )


def _of_feed(feed: Feed, key: str, *, show_values: bool) -> dict[str, Any]:
    name = feed.name
    try:
        found, _ = explained(feed, key, show_values=show_values)
    except ConfigurationError as exc:
        return {"name": name, "text": exc.what, "code": "", "sections": []}
    return {
        "name": name,
        "text": found["outcome"]["text"],
        "code": found["outcome"].get("code", ""),
        "sections": [
            (title, [_short(row) for row in found[part][:20]])
            for part, title in TITLES.items()
            if found.get(part)
        ],
    }


def _short(row: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in row.items() if k not in ("has_the_person", "source")}


def _digest(world: World, key: str) -> str:
    """What was typed, so that two looks at one person can be told to be that."""
    secret = world.settings.secret_key.encode()
    return hmac.new(secret, key.casefold().encode(), hashlib.sha256).hexdigest()[:16]
