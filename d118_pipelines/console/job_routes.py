"""`/connectors`, `/jobs`, `/scim`: as the roster sync service had them.

Called by `app.py`. A job is a sync of a provider that is configured; what a body says
of addresses chooses it, credentials in a body are neither used nor stored. Rule:
docs/console.md.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import Field

from d118_pipelines.config.provider_edits import plain_key
from d118_pipelines.console import provider_actions
from d118_pipelines.console.feed_pages import entries_of, start
from d118_pipelines.console.hosts import refuse_hosts
from d118_pipelines.console.identity import Program, Refused
from d118_pipelines.console.wire import LARGEST_PAGE, PROBLEMS, Body, Offset, Word
from d118_pipelines.console.world import Here, World
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.state.outbox import tell_of_run
from d118_pipelines.workflows.monitoring.health import (
    health,
    stats_connectors,
    stats_overview,
    workers,
)
from d118_pipelines.workflows.monitoring.job_status import job_status
from d118_pipelines.workflows.providers.provider_changes import same_source
from d118_pipelines.workflows.runs.run_events import check_url_of_run
from d118_pipelines.workflows.runs.run_history import PastRun, RunHistory
from d118_pipelines.workflows.targets.scim_state import scim_counts

routes = APIRouter(tags=["jobs"], responses=PROBLEMS)
UNUSED = "Credentials in a request are neither used nor stored."


class ConnectorTest(Body):
    """A connection to try; nothing of it is kept."""

    connector_type: Word
    name: Word = ""
    config: dict[str, Any] = Field(default={}, max_length=40)


class NewJob(Body):
    """A sync to start. connector_config chooses the provider by its base_url."""

    connector_type: Word
    job_name: Word = ""
    connector_config: dict[str, Any] = Field(default={}, max_length=40)
    district_id: Word | None = None
    webhook_url: Word | None = None
    webhook_secret: Word | None = None


@routes.post("/connectors/test")
def test_connector(world: Here, caller: Program, body: ConnectorTest) -> dict[str, Any]:
    """Reach a service with what is sent, log in, look; nothing is kept."""
    # The switches of entities say what a sync reads; a test has no use for them.
    config = {k: v for k, v in body.config.items() if not k.startswith("sync_")}
    found = provider_actions.test_sent(
        world, caller, kind=body.connector_type, name=body.name, config=config
    )
    seconds = {"latency_seconds": found.latency_seconds}
    return {"success": found.success, "message": found.text, "details": seconds}


@routes.post("/jobs/sync", status_code=202)
def start_job(
    world: Here, response: Response, caller: Program, body: NewJob
) -> dict[str, Any]:
    """Start the sync of the enabled provider of this type and address."""
    if body.district_id not in (None, world.project.district().id):
        raise Refused(404, "There is no such district.")
    address = next(
        (v for k, v in body.connector_config.items() if plain_key(k) == "baseurl"), ""
    )
    enabled = [one for one in world.feeds.providers if one.model.enabled]
    found = same_source(enabled, body.connector_type, str(address))
    if len(found) != 1:
        raise ConfigurationError(
            f"{len(found) or 'No'} enabled provider{'s' * (len(found) > 1)} of this type "
            "and address.",
            rule=f"A job is the sync of a configured provider. {UNUSED}",
            not_done="Nothing was started.",
            next_step="d118 providers list",
        )
    if body.webhook_url:
        refuse_hosts([body.webhook_url], world.settings)
        check_url_of_run(body.webhook_url)
    job_id = start(world, caller, found[0].id)
    if body.webhook_url:
        with world.database.transaction() as connection:
            tell_of_run(connection, job_id, body.webhook_url, utc_now())
    response.headers["location"] = f"/jobs/{job_id}/status"
    answer = {"job_id": job_id, "status": "pending", "provider": found[0].id}
    return {**answer, "message": "Sync started", "notes": [UNUSED]}


@routes.get("/jobs")
def list_jobs(
    world: Here,
    _: Program,
    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = 50,
    offset: Offset = 0,
) -> dict[str, Any]:
    """All syncs, newest first."""
    found, total = world.syncs(limit=limit, offset=offset)
    with world.history() as history:
        jobs = [
            _job(world, history, [history.entry(one.id, one.provider)]) for one in found
        ]
    return {"jobs": jobs, "total": total, "limit": limit, "offset": offset}


@routes.get("/jobs/{job_id}/status")
def status_of_job(world: Here, _: Program, job_id: str) -> dict[str, Any]:
    """How far a sync has come, and its numbers."""
    with world.history() as history:
        return _job(world, history, entries_of(history, job_id))


@routes.delete("/jobs/{job_id}", status_code=202)
def cancel_job(world: Here, caller: Program, job_id: str) -> dict[str, Any]:
    """Ask a sync to stop; nothing is half applied."""
    status = status_of_job(world, caller, job_id)["status"]
    if status not in ("pending", "running"):
        raise Refused(409, f"The job has ended already: {status}.")
    world.stop(job_id, account=caller.account)
    return {"job_id": job_id, "message": "Asked the sync to stop"}


@routes.get("/scim/status/{district_id}", tags=["monitoring"])
def scim_status(world: Here, _: Program, district_id: str) -> dict[str, Any]:
    """Users at the SCIM service provider, by status."""
    if district_id != world.project.district().id:
        raise Refused(404, "There is no such district.")
    with world.database.reading() as connection:
        counts = scim_counts(connection, district_id)
    total = counts.pop("total")
    return {"district_id": district_id, "total_users": total, **counts}


@routes.get("/health", tags=["monitoring"])
@routes.get("/ready", tags=["monitoring"])
def is_healthy(world: Here, response: Response, _: Program) -> dict[str, Any]:
    """Whether the next run can work; 503 if not."""
    found = health(world.project, world.dagster_facts())
    response.status_code = 200 if found["status"] == "healthy" else 503
    return found


@routes.get("/celery/status", tags=["monitoring"])
def worker_status(world: Here, _: Program) -> dict[str, Any]:
    """Dagster's daemons, and the runs at work and waiting."""
    return workers(world.dagster_facts())


@routes.get("/stats/overview", tags=["monitoring"])
def overview(world: Here, _: Program) -> dict[str, Any]:
    """How many syncs there were, and how they ended."""
    return stats_overview(world.project)


@routes.get("/stats/connectors", tags=["monitoring"])
def connectors(world: Here, _: Program) -> dict[str, dict[str, Any]]:
    """The same by kind of connector."""
    return stats_connectors(world.project)


def _job(world: World, history: RunHistory, entries: list[PastRun]) -> dict[str, Any]:
    zone = world.project.district().zone
    with world.database.reading() as connection:
        found = job_status(connection, history, entries, zone=zone, now=utc_now())
    return {**asdict(found), "provider": entries[0].name}
