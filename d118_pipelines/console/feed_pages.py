"""Pages of one target or provider: how it stands, its held plan, its runs; and the runs.

Called by `app.py`. Every button does what a command of d118 does.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from d118_pipelines.console.identity import Caller, Reader, Refused, Sender
from d118_pipelines.console.rendering import page, to
from d118_pipelines.console.world import Here, World
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.state import pauses
from d118_pipelines.state.pauses import ALL, Pause
from d118_pipelines.state.plans import latest_plan
from d118_pipelines.workflows.monitoring.all_feeds import sound_feeds
from d118_pipelines.workflows.providers.provider_feed import ProviderFeed
from d118_pipelines.workflows.runs.admission import (
    approval_of,
    carried_out,
    newest_plan,
    release,
)
from d118_pipelines.workflows.runs.audit_trail import EXPORTED
from d118_pipelines.workflows.runs.feed import Feed, Shown
from d118_pipelines.workflows.runs.run_history import PastRun, RunHistory
from d118_pipelines.workflows.targets.plan_values import with_values

routes = APIRouter(include_in_schema=False)
SHOWN_CHANGES, SHOWN_VALUES = 200, 50
PAGE = 25
_UNDO = "undo-"
Word = Annotated[str, Form(max_length=500)]


@routes.get("/feeds/{name}")
def feed(world: Here, caller: Reader, name: str, school: str = "") -> HTMLResponse:
    """One target or provider: state, plan, what would change, the newest runs."""
    return _feed_page(world, caller, name, school)


@routes.post("/feeds/{name}/values")
def values(
    world: Here, caller: Sender, name: str, plan_hash: Word, school: Word = ""
) -> HTMLResponse:
    """The same with the values that the plan changes; the look is in the audit."""
    detail = f"plan {plan_hash[:8]} with values"
    world.record(caller.account, EXPORTED, known_feed(world, name).name, detail)
    return _feed_page(world, caller, name, school, has_values=True)


def _feed_page(
    world: World, caller: Caller, name: str, school: str, *, has_values: bool = False
) -> HTMLResponse:
    one = known_feed(world, name)
    limit = SHOWN_VALUES if has_values else SHOWN_CHANGES
    with world.history() as history:
        state = one.state(history)
        runs = [history.entry(*key) for key in history.runs_of(name)[:10]]
    return page(
        "feed.html",
        caller,
        name=one.name,
        state=state,
        standing=state.standing,
        is_provider=isinstance(one, ProviderFeed),
        plan=_plan(world, one, Shown(school or None, None, limit), has_values),
        has_values=has_values,
        school=school,
        runs=runs,
        local=world.project.local,
        tomorrow=world.project.local(utc_now() + dt.timedelta(days=1)),
    )


def _plan(
    world: World, one: Feed, shown: Shown, has_values: bool
) -> dict[str, Any] | None:
    with world.database.reading() as connection:
        stored = latest_plan(connection, one.name)
    if stored is None:
        return None
    try:
        found = one.plan_page(stored, shown)
    except ConfigurationError as exc:
        return {"gone": exc.what, "is_held": False}
    changes, done = found.changes, carried_out(one, stored)
    return {
        "stored": stored,
        "found": found,
        "is_held": stored.verdict in ("held", "waiting") and not done,
        "done": done,
        "approval": approval_of(one, stored),
        "size": one.size(stored),
        "changes": with_values(one, stored, changes) if has_values else changes,
    }


@routes.post("/feeds/{name}/run")
def run(world: Here, caller: Sender, name: str) -> Response:
    """Start its job, and show the run."""
    return to(f"/runs/{start(world, caller, name)}")


def start(world: World, caller: Caller, name: str) -> str:
    """Launch the job of a target or provider; the run's id.

    Raises: ConfigurationError if it is disabled or unknown.
    """
    one = known_feed(world, name)
    if one.refused is not None:
        raise one.refused
    return world.launch(one.job, account=caller.account, subject=name)


@routes.post("/feeds/{name}/approve")
def approve(
    world: Here,
    caller: Sender,
    name: str,
    plan_hash: Word,
    reason: Word = "",
    then: Word = "",
) -> Response:
    """Release exactly the plan that was shown; then: `run` starts it at once."""
    one = known_feed(world, name)
    release(one, plan_hash, reason=reason, account=caller.account)
    is_undo = newest_plan(one).run_id.startswith(_UNDO)
    if then == "run" and not is_undo:
        return to(f"/runs/{start(world, caller, name)}")
    return to(f"/feeds/{name}")


@routes.post("/feeds/{name}/pause")
def pause(
    world: Here, caller: Sender, name: str, until: Word = "", reason: Word = ""
) -> Response:
    """Stop it until a local time."""
    wanted = ALL if name == ALL else known_feed(world, name).name
    moment = pauses.time_of(until, world.project.district().zone)
    with world.database.transaction() as connection:
        made = Pause(wanted, moment, reason, caller.account, utc_now())
        pauses.pause(connection, made)
    return to("/" if name == ALL else f"/feeds/{name}")


@routes.post("/feeds/{name}/resume")
def resume(world: Here, caller: Sender, name: str) -> Response:
    """End its pause, and that of everything if that is what keeps it."""
    known = known_feed(world, name).name
    with world.database.transaction() as connection:
        found = pauses.pause_of(connection, known, now=utc_now())
        if found is not None:
            pauses.resume(connection, found.name, account=caller.account, now=utc_now())
    return to(f"/feeds/{name}")


@routes.get("/runs")
def runs(
    world: Here, caller: Reader, offset: Annotated[int, Query(ge=0, le=10**6)] = 0
) -> HTMLResponse:
    """What ran, newest first."""
    with world.history(None) as history:
        keys = history.runs_of()
        rows = [history.entry(*key) for key in keys[offset : offset + PAGE]]
    places = {"offset": offset, "total": len(keys), "step": PAGE}
    return page(
        "runs.html", caller, status=200, local=world.project.local, runs=rows, **places
    )


@routes.get("/runs/{run_id}")
def show_run(world: Here, caller: Reader, run_id: str) -> HTMLResponse:
    """One run: outcome, steps, log; while it works the page renews itself."""
    from d118_pipelines.instance import log_of, steps_of

    local, instance = world.project.local, world.instance
    with world.history(None) as history:
        entries = entries_of(history, run_id)
    is_seen = instance.has_run(run_id)
    log = log_of(instance, run_id)[-60:] if is_seen else []
    return page(
        "run.html",
        caller,
        run_id=run_id,
        entries=entries,
        local=local,
        is_running=any(entry.outcome == "running" for entry in entries),
        is_seen=is_seen,
        steps=steps_of(instance, run_id) if is_seen else [],
        log=[{**line, "at": local(line["at"])} for line in log],
    )


@routes.post("/runs/{run_id}/cancel")
def cancel(world: Here, caller: Sender, run_id: str) -> Response:
    """Ask a run to stop."""
    with world.history(None) as history:
        entries_of(history, run_id)
    world.stop(run_id, account=caller.account)
    return to(f"/runs/{run_id}")


def entries_of(history: RunHistory, run_id: str) -> list[PastRun]:
    """What is known of a run. Raises: Refused if there is none."""
    keys = [key for key in history.runs_of() if key[0] == run_id]
    if not keys:
        raise Refused(404, "There is no such run.")
    return [history.entry(*key) for key in sorted(keys)]


def known_feed(world: World, name: str) -> Feed:
    """The sound target or provider of that name. Raises: Refused, ConfigurationError."""
    for feed in sound_feeds(world.project, world.feeds):
        if feed.name == name:
            return feed
    world.feeds.refuse(name)
    raise Refused(404, "There is no such target or provider.")
