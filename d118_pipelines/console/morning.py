"""The morning page: what went out, what came in, what waits for a person.

Called by `app.py`. What a line says is in `workflows/status.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from d118_pipelines.console.identity import Reader
from d118_pipelines.console.rendering import page, tone, world_of
from d118_pipelines.console.world import World
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.kernel.processes import daemons_here
from d118_pipelines.workflows.all_feeds import (
    State,
    enabled_feeds,
    feed_name,
    states_of,
)
from d118_pipelines.workflows.provider_feed import ProviderState
from d118_pipelines.workflows.status import Standing
from d118_pipelines.workflows.target_feed import TargetState

routes = APIRouter(include_in_schema=False)


@routes.get("/")
def morning(request: Request, caller: Reader) -> HTMLResponse:
    """Every target and provider on one screen, the worst first."""
    world = world_of(request)
    states = all_states(world)
    order = ["bad", "wait", "calm", "good"]
    states.sort(key=lambda s: order.index(tone(s.state)))
    zone = world.project.district().zone
    return page(
        "morning.html",
        caller,
        district=world.project.district().name,
        now=utc_now().astimezone(zone),
        summary=_summary(states),
        going_out=[_card(s) for s in states if isinstance(s, TargetState)],
        coming_in=[_card(s) for s in states if isinstance(s, ProviderState)],
        faults=_faults(world),
    )


def all_states(world: World) -> list[State]:
    """How every enabled target and provider stands by name, misconfigured ones too."""
    project, feeds = world.project, world.feeds
    with world.history() as history:
        return states_of(
            project, history, enabled_feeds(project, feeds), list(feeds.broken)
        )


def _summary(states: Sequence[State]) -> str:
    """The first sentence of the day."""
    counted = Counter(state.state for state in states if state.standing.exit_code)
    words = {"never": "never ran"}
    parts = [f"{n} {words.get(state, state)}" for state, n in counted.most_common()]
    return f"Waiting for you: {', '.join(parts)}." if parts else "All is well."


def _card(state: State) -> dict[str, object]:
    if isinstance(state, TargetState):
        last, where = state.last_delivery, state.destination
    else:
        last, where = state.last_sync, state.name
    return {
        "name": feed_name(state),
        "state": state.state,
        "when": state.when,
        "reason": plain_reason(state.standing),
        "to_do": state.to_do,
        "last": last,
        "next": state.next_run,
        "where": where,
    }


def plain_reason(stands: Standing) -> str:
    """Why, without the word that its badge has."""
    return stands.reason.removeprefix(f"{stands.state.upper()} ").strip()


def _faults(world: World) -> list[str]:
    """What keeps the schedules from running."""
    from d118_pipelines.instance import automation_faults

    feeds = enabled_feeds(world.project, world.feeds)
    found = list(automation_faults(world.instance, feeds))
    if not daemons_here(world.root.root):
        found.append("No Dagster daemon runs here, so no schedule starts.")
    return found
