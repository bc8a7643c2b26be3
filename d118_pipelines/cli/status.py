"""`d118 status` and `d118 targets list`: did last night's files go out?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
import typer

from d118_pipelines.cli.context import (
    AsJson,
    local,
    named_provider,
    named_target,
)
from d118_pipelines.cli.output import show_json, show_table
from d118_pipelines.config.project import Project
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.state import database as db
from d118_pipelines.state.leases import is_held
from d118_pipelines.state.open import state_database
from d118_pipelines.state.plans import StoredPlan, latest_plan
from d118_pipelines.targets.definition import DEADLINE_WINDOW, Target, read_targets
from d118_pipelines.targets.model import Schedule
from d118_pipelines.targets.records import findings_of
from d118_pipelines.workflows.destinations import resolve
from d118_pipelines.workflows.provider_state import ProviderState, provider_state, todo
from d118_pipelines.workflows.scim_state import scim_counts

targets_app = typer.Typer(help="The targets of this project.", no_args_is_help=True)


@targets_app.callback()
def _targets() -> None:
    """The targets of this project."""


@dataclass(frozen=True, slots=True)
class TargetState:
    """Where one target stands.

    `state` is one of: delivered, late (the deadline passed without a delivery), held,
    failed, interrupted, started, not sent, never.
    """

    target: str
    state: str
    last_delivery: dt.datetime | None
    plan: str
    findings: int
    deadline: dt.datetime | None
    next_run: dt.datetime | None
    destination: str
    files: list[dict[str, Any]]
    last_error: str


def status(
    target: Annotated[str | None, typer.Option(help="Only this target.")] = None,
    provider: Annotated[str | None, typer.Option(help="Only this provider.")] = None,
    files: Annotated[
        bool, typer.Option("--files", help="List the files sent.")
    ] = False,
    scim: Annotated[
        bool, typer.Option("--scim", help="Only users at the SCIM service provider.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what went out and what came in, when, and what to do if not."""
    project = Project.here()
    if scim:
        _show_users(project, as_json=as_json)
        return
    if provider:
        one = provider_state(project, named_provider(project, provider))
        if as_json:
            show_json(one)
        else:
            show_table("Status", [_provider_row(one)])
        return
    wanted = [named_target(project, target)] if target else read_targets(project.root)
    states = [target_state(project, one) for one in wanted]
    if as_json:
        show_json(states)
        return
    show_table("Status", [_status_row(state) for state in states], empty="No target.")
    providers = [p for p in project.providers() if p.model.enabled]
    if providers and not target:
        rows = [_provider_row(provider_state(project, p)) for p in providers]
        show_table("Rosters in", rows)
    if files:
        rows = [
            {
                "target": s.target,
                "file": f["name"],
                "rows": f["rows"],
                "bytes": f["size_bytes"],
                "sha256": f["sha256"],
                "where": s.destination,
            }
            for s in states
            for f in s.files
        ]
        show_table("Files of the last verified delivery", rows)


def _show_users(project: Project, *, as_json: bool) -> None:
    with state_database(project).transaction() as connection:
        counts = scim_counts(connection, project.district().id)
    counts["last_sync"] = local(project, counts["last_sync"])
    if as_json:
        show_json(counts)
    else:
        show_table("Users at the service provider", [counts])


@targets_app.command("list")
def targets_list(as_json: AsJson = False) -> None:
    """List the targets: files, destination, schedule, next run, last delivery."""
    project = Project.here()
    rows = []
    for target in read_targets(project.root):
        state = target_state(project, target)
        schedule = target.model.schedule
        rows.append(
            {
                "target": target.name,
                "title": target.model.title,
                "files": target.names_sent,
                "destination": state.destination,
                "schedule": schedule.cron if schedule else "",
                "next_run": state.next_run,
                "last_delivery": state.last_delivery,
                "last_status": state.state,
            }
        )
    if as_json:
        show_json(rows)
    else:
        show_table("Targets", rows, empty="No target in mappings/targets.")


def target_state(project: Project, target: Target) -> TargetState:
    """Where the target stands now, for its present destination. Times are local."""
    destination = resolve(project, target)
    now = utc_now()
    d = db.deliveries.c
    with state_database(project).transaction() as connection:
        mine = sa.and_(d.target == target.name, d.destination == destination.id)
        newest = sa.select(db.deliveries).where(mine).order_by(d.started_at.desc())
        last = connection.execute(newest.limit(1)).first()
        sent = connection.execute(newest.where(d.status == "verified").limit(1)).first()
        plan = latest_plan(connection, target.name)
        found = len(findings_of(connection, plan)) if plan else 0
        is_sending = is_held(connection, target.name)
    schedule = target.model.schedule
    deadline = last_deadline(project, schedule, now) if schedule else None
    return TargetState(
        target=target.name,
        state=_state(plan, last, sent, deadline, is_sending=is_sending),
        last_delivery=local(project, sent.finished_at if sent else None),
        plan=f"{plan.plan_hash[:8]} {plan.verdict}".strip() if plan else "",
        findings=found,
        deadline=local(project, deadline),
        next_run=next_run(project, schedule, now) if schedule else None,
        destination=destination.label,
        files=list(sent.files) if sent else [],
        last_error=(last.error or "") if last and last.status == "failed" else "",
    )


def last_deadline(
    project: Project, schedule: Schedule, now: dt.datetime
) -> dt.datetime | None:
    """The last deadline that has passed."""
    from cronsim import CronSim

    local_now = now.astimezone(_zone(project, schedule))
    return next(CronSim(schedule.deadline, local_now, reverse=True), None)


def next_run(
    project: Project, schedule: Schedule, now: dt.datetime
) -> dt.datetime | None:
    """When the schedule runs next, after `now`."""
    from cronsim import CronSim

    return next(CronSim(schedule.cron, now.astimezone(_zone(project, schedule))), None)


def _zone(project: Project, schedule: Schedule) -> ZoneInfo:
    return ZoneInfo(schedule.time_zone or project.district().time_zone)


def _state(
    plan: StoredPlan | None,
    last: Any,
    sent: Any,
    deadline: dt.datetime | None,
    *,
    is_sending: bool,
) -> str:
    if plan is not None and (last is None or plan.created_at > last.started_at):
        return "not sent" if plan.verdict == "ready" else plan.verdict
    if last is None:
        return "never"
    if last.status == "started" and not is_sending:
        return "interrupted"
    if last.status != "verified":
        return str(last.status)
    on_time = deadline is None or sent.finished_at >= deadline - DEADLINE_WINDOW
    return "delivered" if on_time else "late"


def _status_row(state: TargetState) -> Mapping[str, Any]:
    return {
        "target": state.target,
        "state": state.state,
        "last delivery": state.last_delivery,
        "rows": sum(int(file["rows"]) for file in state.files),
        "findings": state.findings,
        "plan": state.plan,
        "deadline": state.deadline,
        "next run": state.next_run,
        "where": state.destination,
        "to do": _todo(state),
    }


def _provider_row(state: ProviderState) -> Mapping[str, Any]:
    changed = {"created": 0, "updated": 0, "deactivated": 0}
    for counts in state.statistics.values():
        for name in changed:
            changed[name] += int(counts.get(name, 0))
    return {
        "provider": state.provider,
        "state": "running" if state.is_running else state.last_status,
        "last sync": state.last_sync,
        **changed,
        "plan": state.plan,
        "next run": state.next_run,
        "to do": todo(state),
    }


def _todo(state: TargetState) -> str:
    name = state.target
    return {
        "delivered": "",
        "held": f"d118 plan {name}",
        "out_of_term": "nothing: no term is current",
        "failed": state.last_error
        or f"d118 findings {name}; d118 runs --target {name}",
        "interrupted": f"d118 run {name}",
        "late": f"d118 runs --target {name}",
        "never": f"d118 run {name}",
        "started": "a run is sending now",
        "not sent": f"d118 run {name}",
    }[state.state]
