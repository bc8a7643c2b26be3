"""`/api/v1`: providers and their syncs, as the SIS rostering service had them.

Called by `app.py`. What is done is in `provider_actions.py`. Rule: docs/console.md.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from d118_pipelines.console import dagster_calls, provider_actions
from d118_pipelines.console.feed_pages import start
from d118_pipelines.console.identity import Program, Refused
from d118_pipelines.console.rendering import world_of
from d118_pipelines.console.wire import (
    LARGEST_PAGE,
    PROBLEMS,
    Body,
    Offset,
    Word,
    run_body,
)
from d118_pipelines.console.world import World
from d118_pipelines.workflows.provider_feed import ProviderState
from d118_pipelines.workflows.sync_listing import Sync, find_sync, syncs

routes = APIRouter(prefix="/api/v1", tags=["providers"], responses=PROBLEMS)
Limit = Annotated[int, Query(ge=1, le=LARGEST_PAGE)]


class NewProvider(Body):
    """A provider to add. Secrets in config are stored encrypted and never given back."""

    tenantId: Word
    providerType: Word
    name: Word = Field(min_length=1)
    config: dict[str, Any] = Field(default={}, max_length=40)
    syncSchedule: Word | None = None
    enabled: bool = True


class ProviderChange(Body):
    """What to change; what is absent stays. A new address clears the secrets."""

    name: Word | None = Field(default=None, min_length=1)
    enabled: bool | None = None
    syncSchedule: Word | None = None
    config: dict[str, Any] | None = Field(default=None, max_length=40)


class Schedule(Body):
    """A preset, a cron expression, or null: by hand only."""

    syncSchedule: Word | None


@routes.get("/providers")
def list_providers(request: Request, _: Program) -> list[dict[str, Any]]:
    """All providers, without their configuration."""
    world = world_of(request)
    return [_body(world, one) for one in provider_actions.states(world)]


@routes.get("/tenants/{tenant_id}/providers")
def list_of_tenant(
    request: Request, _: Program, tenant_id: str
) -> list[dict[str, Any]]:
    """The providers of the district."""
    world = world_of(request)
    _same_district(world, tenant_id)
    return [_body(world, one) for one in provider_actions.states(world)]


@routes.post("/providers", status_code=201)
def create(
    request: Request, response: Response, caller: Program, body: NewProvider
) -> dict[str, Any]:
    """Add a provider; config/providers.yaml keeps its comments."""
    world = world_of(request)
    _same_district(world, body.tenantId)
    made = provider_actions.add(
        *(world, caller),
        kind=body.providerType,
        name=body.name,
        config=body.config,
        schedule=body.syncSchedule,
        enabled=body.enabled,
    )
    response.headers["location"] = f"/api/v1/providers/{made}"
    return _body(world, provider_actions.state(world, made))


@routes.get("/providers/{provider_id}")
def show(request: Request, _: Program, provider_id: str) -> dict[str, Any]:
    """One provider."""
    world = world_of(request)
    return _body(world, provider_actions.state(world, provider_id))


@routes.patch("/providers/{provider_id}")
def update(
    request: Request, caller: Program, provider_id: str, body: ProviderChange
) -> dict[str, Any]:
    """Change single values of a provider."""
    world = world_of(request)
    given = body.model_dump(exclude_unset=True)
    changes = {"schedule" if k == "syncSchedule" else k: v for k, v in given.items()}
    for key in ("name", "enabled", "config"):
        if key in changes and changes[key] is None:
            raise Refused(422, f"{key} cannot be null.")
    provider_actions.known(world, provider_id)
    if changes:
        provider_actions.change(world, caller, provider_id, changes)
    return _body(world, provider_actions.state(world, provider_id))


@routes.put("/providers/{provider_id}/schedule")
def set_schedule(
    request: Request, caller: Program, provider_id: str, body: Schedule
) -> dict[str, Any]:
    """Set when it syncs."""
    world = world_of(request)
    changes = {"schedule": body.syncSchedule}
    provider_actions.change(world, caller, provider_id, changes)
    return _body(world, provider_actions.state(world, provider_id))


@routes.delete("/providers/{provider_id}", status_code=204)
def delete(request: Request, caller: Program, provider_id: str) -> None:
    """Remove a provider; its history and its rows in the roster stay."""
    provider_actions.remove(world_of(request), caller, provider_id)


@routes.post("/providers/{provider_id}/sync", status_code=202)
def sync(
    request: Request, response: Response, caller: Program, provider_id: str
) -> dict[str, Any]:
    """Start a sync; it works in the background."""
    world = world_of(request)
    provider_actions.known(world, provider_id)
    run_id = start(world, caller, provider_id)
    response.headers["location"] = f"/api/v1/runs/{run_id}"
    return {"message": "Sync started", "runId": run_id, "status": "PENDING"}


@routes.post("/providers/{provider_id}/sync/cancel", status_code=202)
def cancel(request: Request, caller: Program, provider_id: str) -> dict[str, Any]:
    """Ask the running sync to stop; nothing is half applied."""
    world = world_of(request)
    provider_actions.known(world, provider_id)
    for one in _syncs(world, provider_id, 20, 0)[0]:
        if one.status in ("PENDING", "IN_PROGRESS"):
            dagster_calls.stop(world, one.id, account=caller.account)
            return {"message": "Asked the sync to stop", "runId": one.id}
    raise Refused(409, "No sync of this provider is running.")


@routes.get("/providers/{provider_id}/sync/status")
def sync_status(request: Request, _: Program, provider_id: str) -> dict[str, Any]:
    """Whether it is running, and how the last sync ended."""
    found = provider_actions.state(world_of(request), provider_id)
    return {
        "isRunning": found.is_running,
        "lastSync": found.last_sync,
        "lastStatus": None if found.last_status == "never" else found.last_status,
        "nextScheduledRun": found.next_run,
        "runningFor": found.running_for_ms,
    }


@routes.get("/providers/{provider_id}/runs")
def list_runs(
    request: Request,
    _: Program,
    provider_id: str,
    limit: Limit = 20,
    offset: Offset = 0,
) -> dict[str, Any]:
    """Its syncs, newest first."""
    world = world_of(request)
    provider_actions.known(world, provider_id)
    found, total = _syncs(world, provider_id, limit, offset)
    page = {"total": total, "limit": limit, "offset": offset}
    return {"runs": [run_body(one) for one in found], **page}


@routes.get("/runs/{run_id}")
def show_run(request: Request, _: Program, run_id: str) -> dict[str, Any]:
    """One sync."""
    world = world_of(request)
    with world.database.reading() as connection:
        found = find_sync(connection, world.seen(), run_id)
    if found is None:
        raise Refused(404, "There is no such run.")
    return run_body(found)


@routes.post("/providers/{provider_id}/test")
def test(request: Request, caller: Program, provider_id: str) -> dict[str, Any]:
    """Reach the provider, log in, look; nothing is written."""
    found = provider_actions.test(world_of(request), caller, provider_id)
    return {"success": found.success, "message": found.text}


def _syncs(
    world: World, provider: str, limit: int, offset: int
) -> tuple[list[Sync], int]:
    seen = world.seen()
    with world.database.reading() as connection:
        return syncs(connection, seen, [provider], limit=limit, offset=offset)


def _same_district(world: World, tenant: str) -> None:
    if tenant != world.project.district().id:
        raise Refused(404, "There is no such tenant.")


def _body(world: World, state: ProviderState) -> dict[str, Any]:
    return {
        "id": state.provider,
        "tenantId": world.project.district().id,
        "providerType": state.type,
        "name": state.name,
        "enabled": state.enabled,
        "syncSchedule": state.schedule,
        "lastSyncAt": state.last_sync,
        "state": state.state,
        "nextScheduledRun": state.next_run,
    }
