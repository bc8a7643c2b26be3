"""`/api/v1`: providers and their syncs, as the SIS rostering service had them.

Called by `app.py`. What is done is in `provider_actions.py`. Rule: docs/console.md.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import Field

from d118_pipelines.console import provider_actions
from d118_pipelines.console.feed_pages import start
from d118_pipelines.console.identity import Program, Refused
from d118_pipelines.console.wire import LARGEST_PAGE, PROBLEMS, Body, Offset, Word
from d118_pipelines.console.world import Here, World
from d118_pipelines.workflows.monitoring.sync_listing import Sync
from d118_pipelines.workflows.providers.provider_feed import ProviderState

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
def list_providers(world: Here, _: Program) -> list[dict[str, Any]]:
    """All providers, without their configuration."""
    return [_body(world, one) for one in provider_actions.states(world)]


@routes.get("/tenants/{tenant_id}/providers")
def list_of_tenant(world: Here, _: Program, tenant_id: str) -> list[dict[str, Any]]:
    """The providers of the district."""
    _same_district(world, tenant_id)
    return [_body(world, one) for one in provider_actions.states(world)]


@routes.post("/providers", status_code=201)
def create(
    world: Here, response: Response, caller: Program, body: NewProvider
) -> dict[str, Any]:
    """Add a provider; config/providers.yaml keeps its comments."""
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
def show(world: Here, _: Program, provider_id: str) -> dict[str, Any]:
    """One provider."""
    return _body(world, provider_actions.state(world, provider_id))


@routes.patch("/providers/{provider_id}")
def update(
    world: Here, caller: Program, provider_id: str, body: ProviderChange
) -> dict[str, Any]:
    """Change single values of a provider."""
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
    world: Here, caller: Program, provider_id: str, body: Schedule
) -> dict[str, Any]:
    """Set when it syncs."""
    changes = {"schedule": body.syncSchedule}
    provider_actions.change(world, caller, provider_id, changes)
    return _body(world, provider_actions.state(world, provider_id))


@routes.delete("/providers/{provider_id}", status_code=204)
def delete(world: Here, caller: Program, provider_id: str) -> None:
    """Remove a provider; its history and its rows in the roster stay."""
    provider_actions.remove(world, caller, provider_id)


@routes.post("/providers/{provider_id}/sync", status_code=202)
def sync(
    world: Here, response: Response, caller: Program, provider_id: str
) -> dict[str, Any]:
    """Start a sync; it works in the background."""
    provider_actions.known(world, provider_id)
    run_id = start(world, caller, provider_id)
    response.headers["location"] = f"/api/v1/runs/{run_id}"
    return {"message": "Sync started", "runId": run_id, "status": "PENDING"}


@routes.post("/providers/{provider_id}/sync/cancel", status_code=202)
def cancel(world: Here, caller: Program, provider_id: str) -> dict[str, Any]:
    """Ask the running sync to stop; nothing is half applied."""
    provider_actions.known(world, provider_id)
    for one in world.syncs([provider_id], limit=20)[0]:
        if one.status in ("PENDING", "IN_PROGRESS"):
            world.stop(one.id, account=caller.account)
            return {"message": "Asked the sync to stop", "runId": one.id}
    raise Refused(409, "No sync of this provider is running.")


@routes.get("/providers/{provider_id}/sync/status")
def sync_status(world: Here, _: Program, provider_id: str) -> dict[str, Any]:
    """Whether it is running, and how the last sync ended."""
    found = provider_actions.state(world, provider_id)
    return {
        "isRunning": found.is_running,
        "lastSync": found.last_sync,
        "lastStatus": None if found.last_status == "never" else found.last_status,
        "nextScheduledRun": found.next_run,
        "runningFor": found.running_for_ms,
    }


@routes.get("/providers/{provider_id}/runs")
def list_runs(
    world: Here,
    _: Program,
    provider_id: str,
    limit: Limit = 20,
    offset: Offset = 0,
) -> dict[str, Any]:
    """Its syncs, newest first."""
    provider_actions.known(world, provider_id)
    found, total = world.syncs([provider_id], limit=limit, offset=offset)
    page = {"total": total, "limit": limit, "offset": offset}
    return {"runs": [_run(one) for one in found], **page}


@routes.get("/runs/{run_id}")
def show_run(world: Here, caller: Program, run_id: str) -> dict[str, Any]:
    """One sync."""
    found, _ = world.syncs(run_id=run_id)
    if not found:
        raise Refused(404, "There is no such run.")
    return _run(found[0])


@routes.post("/providers/{provider_id}/test")
def test(world: Here, caller: Program, provider_id: str) -> dict[str, Any]:
    """Reach the provider, log in, look; nothing is written."""
    found = provider_actions.test(world, caller, provider_id)
    return {"success": found.success, "message": found.text}


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


def _run(sync: Sync) -> dict[str, Any]:
    """A sync as a run of a provider."""
    return {
        "id": sync.id,
        "providerId": sync.provider,
        "status": sync.status,
        "startedAt": sync.started_at,
        "completedAt": sync.completed_at,
        "stats": sync.stats,
        "errorMessage": sync.error or None,
        "isManual": sync.is_manual,
        "triggeredBy": sync.triggered_by,
    }
