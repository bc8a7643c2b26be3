"""`/integrations/sis`: the providers, their schedule and history, and a new one in steps.

Called by `app.py`. What is done is in `provider_actions.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse
from starlette.datastructures import FormData
from starlette.responses import Response

from d118_pipelines.config.crons import PRESETS
from d118_pipelines.config.provider_edits import SECRETS, plain_key
from d118_pipelines.console import provider_actions
from d118_pipelines.console.identity import Caller, Reader, Refused, Sender
from d118_pipelines.console.rendering import page, to, world_of
from d118_pipelines.console.world import World
from d118_pipelines.errors import D118Error
from d118_pipelines.workflows.sync_listing import Sync, syncs

routes = APIRouter(prefix="/integrations/sis", include_in_schema=False)
HISTORY = 25
_KEPT_COUNTS = ("fetched", "created", "updated", "deactivated", "errors")


@dataclass(frozen=True, slots=True)
class Field:
    """A value that a form asks for. key: its place in `config`, with dots."""

    key: str
    label: str
    hint: str = ""
    is_required: bool = False
    choices: tuple[str, ...] = ()

    @property
    def is_secret(self) -> bool:
        """Whether it is typed unseen and never shown."""
        return plain_key(self.key.rpartition(".")[2]) in SECRETS


TYPES: dict[str, tuple[str, tuple[Field, ...]]] = {
    "CLEVER": (
        "Clever Data API",
        (
            Field("districtId", "District id", is_required=True),
            Field("accessToken", "District token", "Or client id and secret."),
            Field("clientId", "Client id"),
            Field("clientSecret", "Client secret"),
        ),
    ),
    "CLASSLINK": (
        "ClassLink roster server",
        (
            Field("tenantId", "Tenant id", is_required=True),
            Field("baseUrl", "Address", "https://…", is_required=True),
            Field("mode", "Way in", "", choices=("proxy", "direct")),
            Field("bearer", "Bearer key", "For proxy."),
            Field("clientId", "Client id", "For direct."),
            Field("clientSecret", "Client secret", "For direct."),
        ),
    ),
    "ONEROSTER_API": (
        "OneRoster 1.1 or 1.2 server",
        (
            Field("baseUrl", "Address", "https://…/rostering/v1p2", is_required=True),
            Field("version", "Version", "", choices=("v1p2", "v1p1")),
            Field("tokenEndpoint", "Token address", "If it is not below the address."),
            Field("clientId", "Client id", is_required=True),
            Field("clientSecret", "Client secret", is_required=True),
        ),
    ),
    "ONEROSTER_CSV": (
        "OneRoster CSV files by SFTP",
        (
            Field("sftp.host", "Server", is_required=True),
            Field("sftp.port", "Port", "22"),
            Field("sftp.username", "User name", is_required=True),
            Field("sftp.password", "Password", is_required=True),
            Field("remotePath", "Folder there", is_required=True),
        ),
    ),
    "CSV": ("Spreadsheets (CSV files) dropped into the inbox", ()),
}


@routes.get("")
def integrations(request: Request, caller: Reader) -> HTMLResponse:
    """All providers: state, last sync, next run."""
    states = provider_actions.states(world_of(request))
    return page("integrations.html", caller, states=states)


@routes.get("/add")
def add_form(request: Request, caller: Reader, kind: str = "") -> HTMLResponse:
    """First the type, then what it needs."""
    if not caller.may_write:
        raise Refused(403, "Only administrators add providers.")
    return _add_page(caller, kind, {}, "")


@routes.post("/add")
async def add(request: Request, caller: Sender) -> Response:
    """Test the connection and save; a failed test is saved only if it is wanted, off."""
    from starlette.concurrency import run_in_threadpool

    form = await request.form()
    return await run_in_threadpool(_add, world_of(request), caller, form)


def _add(world: World, caller: Caller, form: FormData) -> Response:
    given = {k: v for k, v in form.items() if isinstance(v, str)}
    kind, name = given.get("kind", ""), given.get("name", "").strip()
    if kind not in TYPES:
        raise Refused(422, "Choose a type.")
    if not name:
        return _add_page(caller, kind, given, "Give it a name.")
    fields = TYPES[kind][1]
    try:
        config = config_of(fields, given)
        is_good = not fields  # nothing to connect to
        if fields:
            found = provider_actions.test_sent(
                *(world, caller), kind=kind, name=name, config=config
            )
            is_good = found.success
            if not is_good and not given.get("anyway"):
                return _add_page(caller, kind, given, found.text, can_save=True)
        made = provider_actions.add(
            *(world, caller),
            kind=kind,
            name=name,
            config=config,
            schedule=given.get("schedule") or None,
            enabled=is_good,
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
    title, fields = TYPES.get(kind, ("", ()))
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


def config_of(fields: tuple[Field, ...], given: Mapping[str, str]) -> dict[str, Any]:
    """The `config` of a form; what is empty is left out. Raises: Refused."""
    config: dict[str, Any] = {}
    for field in fields:
        text = given.get(field.key, "").strip()
        if not text:
            continue
        *outer, last = field.key.split(".")
        place = config
        for name in outer:
            place = place.setdefault(name, {})
        place[last] = text
        if last == "port":
            if not text.isdecimal() or not 0 < int(text) < 65536:
                raise Refused(422, "Port is a number from 1 to 65535.")
            place[last] = int(text)
    return config


@routes.get("/{provider_id}")
def provider(request: Request, caller: Reader, provider_id: str) -> HTMLResponse:
    """One provider: state, schedule, settings, history."""
    return _provider_page(world_of(request), caller, provider_id)


def _provider_page(
    world: World, caller: Caller, provider_id: str, **more: Any
) -> HTMLResponse:
    state = provider_actions.state(world, provider_id)
    seen = world.seen()
    with world.database.reading() as connection:
        found, total = syncs(connection, seen, [provider_id], limit=HISTORY, offset=0)
    names = {cron: name for name, cron in PRESETS.items()}
    values: dict[str, Any] = {"tested": None, **more}
    return page(
        "provider.html",
        caller,
        state=state,
        title=TYPES.get(state.type, (state.type, ()))[0],
        fields=TYPES.get(state.type, ("", ()))[1],
        presets=PRESETS,
        preset=names.get(state.schedule or "", ""),
        statistics=[
            {"entity": name, **{k: counts.get(k, 0) for k in _KEPT_COUNTS}}
            for name, counts in state.statistics.items()
            if "/" not in name
        ],
        history=[_history_row(world, one) for one in found],
        total=total,
        **values,
    )


def _history_row(world: World, sync: Sync) -> dict[str, Any]:
    ended = sync.completed_at
    return {
        "id": sync.id,
        "status": sync.status,
        "started": world.project.local(sync.started_at),
        "seconds": round((ended - sync.started_at).total_seconds(), 1)
        if ended
        else None,
        "counts": {name: sync.total(name) for name in _KEPT_COUNTS},
        "by": sync.triggered_by,
        "error": sync.error,
    }


@routes.post("/{provider_id}/test")
def test(request: Request, caller: Sender, provider_id: str) -> Response:
    """Test the connection and say what was found."""
    world = world_of(request)
    found = provider_actions.test(world, caller, provider_id)
    return _provider_page(world, caller, provider_id, tested=found)


@routes.post("/{provider_id}/schedule")
def set_schedule(
    request: Request,
    caller: Sender,
    provider_id: str,
    preset: Annotated[str, Form(max_length=100)] = "",
    cron: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """Set when it syncs: a preset, a cron expression of its own, or never."""
    changes = {"schedule": cron.strip() or preset or None}
    provider_actions.change(world_of(request), caller, provider_id, changes)
    return to(f"/integrations/sis/{provider_id}")


@routes.post("/{provider_id}/enabled")
def set_enabled(
    request: Request,
    caller: Sender,
    provider_id: str,
    enabled: Annotated[bool, Form()],
) -> Response:
    """Switch it on or off."""
    provider_actions.change(
        world_of(request), caller, provider_id, {"enabled": enabled}
    )
    return to(f"/integrations/sis/{provider_id}")


@routes.post("/{provider_id}/settings")
async def set_settings(request: Request, caller: Sender, provider_id: str) -> Response:
    """Change its name and the values that were typed; empty ones stay."""
    from starlette.concurrency import run_in_threadpool

    form = await request.form()
    given = {k: v for k, v in form.items() if isinstance(v, str)}
    await run_in_threadpool(_settings, world_of(request), caller, provider_id, given)
    return to(f"/integrations/sis/{provider_id}")


def _settings(
    world: World, caller: Caller, provider_id: str, given: Mapping[str, str]
) -> None:
    found = provider_actions.state(world, provider_id)
    changes: dict[str, Any] = {}
    if (name := given.get("name", "").strip()) and name != found.name:
        changes["name"] = name
    if config := config_of(TYPES.get(found.type, ("", ()))[1], given):
        changes["config"] = config
    if changes:
        provider_actions.change(world, caller, provider_id, changes)


@routes.post("/{provider_id}/remove")
def remove(request: Request, caller: Sender, provider_id: str) -> Response:
    """Remove it from the configuration; its history stays."""
    provider_actions.remove(world_of(request), caller, provider_id)
    return to("/integrations/sis")
