"""The morning page: what went out, what came in, what waits for a person.

Called by `app.py`. What a line says is in `workflows/runs/status.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from d118_pipelines.console.identity import Reader
from d118_pipelines.console.rendering import page, tone
from d118_pipelines.console.world import Here
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.workflows.monitoring.all_feeds import State, enabled_feeds
from d118_pipelines.workflows.providers.provider_feed import ProviderState
from d118_pipelines.workflows.targets.target_feed import TargetState

routes = APIRouter(include_in_schema=False)


@routes.get("/")
def morning(world: Here, caller: Reader) -> HTMLResponse:
    """Every target and provider on one screen, the worst first."""
    from d118_pipelines.instance import look_at

    project, feeds = world.project, world.feeds
    states, faults, note = look_at(
        world.instance, project, enabled_feeds(project, feeds), feeds.broken
    )
    order = ["bad", "wait", "calm", "good"]
    states.sort(key=lambda s: order.index(tone(s.state)))
    return page(
        "morning.html",
        caller,
        district=project.district().name,
        now=project.local(utc_now()),
        summary=_summary(states),
        going_out=[s for s in states if isinstance(s, TargetState)],
        coming_in=[s for s in states if isinstance(s, ProviderState)],
        faults=[*faults, *note],
    )


def _summary(states: Sequence[State]) -> str:
    """The first sentence of the day."""
    counted = Counter(state.state for state in states if state.standing.exit_code)
    words = {"never": "never ran"}
    parts = [f"{n} {words.get(state, state)}" for state, n in counted.most_common()]
    return f"Waiting for you: {', '.join(parts)}." if parts else "All is well."
