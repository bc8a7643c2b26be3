"""`/integrations/sis`: the providers, their schedule and history, and a new one in steps.

Called by `app.py`. What is done is in `provider_actions.py`, what a form asks for in
`config/provider_forms.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from d118_pipelines.config.crons import PRESETS
from d118_pipelines.config.provider_forms import TYPES, config_of, form_of
from d118_pipelines.console import provider_actions
from d118_pipelines.console.identity import (
    Admin,
    Caller,
    Given,
    Reader,
    Refused,
    Sender,
)
from d118_pipelines.console.rendering import page, to
from d118_pipelines.console.world import Here, World
from d118_pipelines.errors import D118Error

routes = APIRouter(prefix="/integrations/sis", include_in_schema=False)
HISTORY = 25
_KEPT_COUNTS = ("fetched", "created", "updated", "deactivated", "errors")


@routes.get("")
def integrations(world: Here, caller: Reader) -> HTMLResponse:
    """All providers: state, last sync, next run."""
    states = provider_actions.states(world)
    return page("integrations.html", caller, states=states)


@routes.get("/add")
def add_form(caller: Admin, kind: str = "") -> HTMLResponse:
    """First the type, then what it needs."""
    return _add_page(caller, kind, {}, "")


@routes.post("/add")
def add(world: Here, caller: Sender, given: Given) -> Response:
    """Test the connection and save; a failed test is saved only if it is wanted, off."""
    kind, name = given.get("kind", ""), given.get("name", "").strip()
    if kind not in TYPES:
        raise Refused(422, "Choose a type.")
    if not name:
        return _add_page(caller, kind, given, "Give it a name.")
    _, fields = form_of(kind)
    try:
        config = config_of(fields, given)
        new: dict[str, Any] = {"kind": kind, "name": name, "config": config}
        is_good = not fields  # nothing to connect to
        if fields:
            found = provider_actions.test_sent(world, caller, **new)
            is_good = found.success
            if not is_good and not given.get("anyway"):
                return _add_page(caller, kind, given, found.text, can_save=True)
        schedule = given.get("schedule") or None
        made = provider_actions.add(
            world, caller, **new, schedule=schedule, enabled=is_good
        )
    except D118Error as exc:
        return _add_page(caller, kind, given, str(exc))
    return to(f"/integrations/sis/{made}")


def _add_page(
    caller: Caller,
    kind: str,
    given: Mapping[str, str],
    problem: str,
    *,
    can_save: bool = False,
) -> HTMLResponse:
    title, fields = form_of(kind)
    kept = {f.key: "" if f.is_secret else given.get(f.key, "") for f in fields}
    return page(
        "add_provider.html",
        caller,
        status=422 if problem else 200,
        types={name: text for name, (text, _) in TYPES.items()},
        kind=kind if kind in TYPES else "",
        title=title,
        fields=fields,
        kept={**kept, "name": given.get("name", ""), "schedule": given.get("schedule")},
        presets=PRESETS,
        problem=problem.splitlines(),
        can_save=can_save,
    )


@routes.get("/{provider_id}")
def provider(world: Here, caller: Reader, provider_id: str) -> HTMLResponse:
    """One provider: state, schedule, settings, history."""
    return _provider_page(world, caller, provider_id)


def _provider_page(
    world: World, caller: Caller, provider_id: str, **more: Any
) -> HTMLResponse:
    state = provider_actions.state(world, provider_id)
    found, total = world.syncs([provider_id], limit=HISTORY)
    title, fields = form_of(state.type)
    names = {cron: name for name, cron in PRESETS.items()}
    values: dict[str, Any] = {"tested": None, **more}
    return page(
        "provider.html",
        caller,
        state=state,
        title=title,
        fields=fields,
        presets=PRESETS,
        preset=names.get(state.schedule or "", ""),
        statistics=[
            {"entity": name, **{k: counts.get(k, 0) for k in _KEPT_COUNTS}}
            for name, counts in state.statistics.items()
            if "/" not in name
        ],
        history=found,
        counts=_KEPT_COUNTS,
        local=world.project.local,
        total=total,
        **values,
    )


@routes.post("/{provider_id}/test")
def test(world: Here, caller: Sender, provider_id: str) -> Response:
    """Test the connection and say what was found."""
    found = provider_actions.test(world, caller, provider_id)
    return _provider_page(world, caller, provider_id, tested=found)


@routes.post("/{provider_id}/schedule")
def set_schedule(
    world: Here,
    caller: Sender,
    provider_id: str,
    preset: Annotated[str, Form(max_length=100)] = "",
    cron: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """Set when it syncs: a preset, a cron expression of its own, or never."""
    changes = {"schedule": cron.strip() or preset or None}
    return _changed(world, caller, provider_id, changes)


@routes.post("/{provider_id}/enabled")
def set_enabled(
    world: Here, caller: Sender, provider_id: str, enabled: Annotated[bool, Form()]
) -> Response:
    """Switch it on or off."""
    return _changed(world, caller, provider_id, {"enabled": enabled})


@routes.post("/{provider_id}/settings")
def set_settings(
    world: Here, caller: Sender, provider_id: str, given: Given
) -> Response:
    """Change its name and the values that were typed; empty ones stay."""
    found = provider_actions.state(world, provider_id)
    changes: dict[str, Any] = {}
    if (name := given.get("name", "").strip()) and name != found.name:
        changes["name"] = name
    if config := config_of(form_of(found.type)[1], given):
        changes["config"] = config
    return _changed(world, caller, provider_id, changes)


def _changed(
    world: World, caller: Caller, provider_id: str, changes: Mapping[str, Any]
) -> Response:
    if changes:
        provider_actions.change(world, caller, provider_id, changes)
    return to(f"/integrations/sis/{provider_id}")


@routes.post("/{provider_id}/remove")
def remove(world: Here, caller: Sender, provider_id: str) -> Response:
    """Remove it from the configuration; its history stays."""
    provider_actions.remove(world, caller, provider_id)
    return to("/integrations/sis")
