"""How a target is doing: what was sent last, when, and what is due.

Called by `target_feed.py` and `d118 targets list`; the same for providers is in
`provider_state.py`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from d118_pipelines.config.project import Project
from d118_pipelines.kernel.clock import tick, utc_now
from d118_pipelines.state import database as db
from d118_pipelines.state.leases import is_held
from d118_pipelines.state.open import state_database
from d118_pipelines.state.plans import StoredPlan, latest_plan
from d118_pipelines.targets.definition import DEADLINE_WINDOW, Target
from d118_pipelines.targets.model import Schedule
from d118_pipelines.targets.records import findings_of
from d118_pipelines.workflows.destinations import resolve


@dataclass(frozen=True, slots=True)
class TargetState:
    """One target now, for its present destination. Times are in the district's zone.

    `state` is one of: delivered, late (the deadline passed without a delivery), held,
    failed, out_of_term, interrupted, started, not sent, never.
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

    @property
    def row(self) -> Mapping[str, Any]:
        """One line of `d118 status`."""
        return {
            "target": self.target,
            "state": self.state,
            "last delivery": self.last_delivery,
            "rows": sum(int(file["rows"]) for file in self.files),
            "findings": self.findings,
            "plan": self.plan,
            "deadline": self.deadline,
            "next run": self.next_run,
            "where": self.destination,
            "to do": self.todo,
        }

    @property
    def todo(self) -> str:
        """The command that goes on from here; empty where all is well."""
        name = self.target
        if self.state == "failed" and self.last_error:
            return self.last_error
        return {
            "delivered": "",
            "held": f"d118 plan {name}",
            "out_of_term": "nothing: no term is current",
            "failed": f"d118 findings {name}; d118 runs --target {name}",
            "late": f"d118 runs --target {name}",
            "started": "a run is sending now",
        }.get(self.state, f"d118 run {name}")


def sent_files(state: TargetState) -> list[dict[str, Any]]:
    """The files of the last verified delivery, a row for each."""
    return [
        {
            "file": file["name"],
            "rows": file["rows"],
            "bytes": file["size_bytes"],
            "sha256": file["sha256"],
        }
        for file in state.files
    ]


def target_state(project: Project, target: Target) -> TargetState:
    """Read the target's state from the database."""
    destination = resolve(project, target)
    zone, now = project.district().zone, utc_now()
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
        last_delivery=sent.finished_at.astimezone(zone) if sent else None,
        plan=f"{plan.plan_hash[:8]} {plan.verdict}".strip() if plan else "",
        findings=found,
        deadline=deadline.astimezone(zone) if deadline else None,
        next_run=next_run(project, schedule, now) if schedule else None,
        destination=destination.label,
        files=list(sent.files) if sent else [],
        last_error=(last.error or "") if last and last.status == "failed" else "",
    )


def last_deadline(
    project: Project, schedule: Schedule, now: dt.datetime
) -> dt.datetime | None:
    """The last deadline that has passed."""
    return tick(schedule.deadline, now, _zone(project, schedule), is_past=True)


def next_run(
    project: Project, schedule: Schedule, now: dt.datetime
) -> dt.datetime | None:
    """When the schedule runs next, after `now`."""
    return tick(schedule.cron, now, _zone(project, schedule))


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
