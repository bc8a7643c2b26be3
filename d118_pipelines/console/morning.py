"""The morning page: what went out, what came in, what waits for a person.

Called by `app.py`. What a line says is in `workflows/status.py`.
"""

from __future__ import annotations

import os
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from d118_pipelines.console.identity import Reader
from d118_pipelines.console.rendering import page, tone, world_of
from d118_pipelines.console.world import World
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.kernel.processes import daemons
from d118_pipelines.workflows.all_feeds import enabled_feeds
from d118_pipelines.workflows.provider_feed import (
    ProviderState,
    misconfigured_provider,
)
from d118_pipelines.workflows.target_feed import TargetState, misconfigured_target

routes = APIRouter(include_in_schema=False)
State = TargetState | ProviderState


@routes.get("/")
def morning(request: Request, caller: Reader) -> HTMLResponse:
    """Every target and provider on one screen, the worst first."""
    world = world_of(request)
    states = all_states(world)
    order = ["bad", "wait", "calm", "good"]
    states.sort(key=lambda s: (order.index(tone(s.state)), name_of(s)))
    zone = world.project.district().zone
    return page(
        "morning.html",
        caller,
        district=world.project.district().name,
        now=utc_now().astimezone(zone),
        going_out=[_card(s) for s in states if isinstance(s, TargetState)],
        coming_in=[_card(s) for s in states if isinstance(s, ProviderState)],
        faults=_faults(world),
    )


def all_states(world: World) -> list[State]:
    """How every enabled target and provider stands, misconfigured ones too."""
    project, feeds = world.project, world.feeds
    with world.history() as history:
        found = [feed.state(history) for feed in enabled_feeds(project, feeds)]
    found += [
        misconfigured_target(project, one)
        if one.kind == "target"
        else misconfigured_provider(project, one)
        for one in feeds.broken
    ]
    return [s for s in found if isinstance(s, TargetState | ProviderState)]


def name_of(state: State) -> str:
    """The name of a target or provider."""
    return state.target if isinstance(state, TargetState) else state.provider


def _card(state: State) -> dict[str, object]:
    is_target = isinstance(state, TargetState)
    return {
        "name": name_of(state),
        "state": state.state,
        "when": state.when,
        "reason": state.standing.reason,
        "to_do": state.to_do,
        "last": state.last_delivery if is_target else state.last_sync,
        "next": state.next_run,
        "is_running": state.state == "running",
        "where": state.destination if is_target else state.name,
    }


def _faults(world: World) -> list[str]:
    """What keeps the schedules from running."""
    from d118_pipelines.instance import automation_faults

    feeds = enabled_feeds(world.project, world.feeds)
    found = list(automation_faults(world.instance, feeds))
    if not daemons(Path(os.environ.get("DAGSTER_HOME", world.root.root))):
        found.append("No Dagster daemon runs here, so no schedule starts.")
    return found
