"""A target as a feed: its texts, its plan for people, how it is doing.

Called by `deliver.py`, the export assets, `d118 status` and through `all_feeds.py`; the
base is in `feed.py`, the same of a provider in `provider_feed.py`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from d118_pipelines.config.project import Project
from d118_pipelines.config.quarantine import STATE, Misconfigured
from d118_pipelines.errors import ExportError, FatalError
from d118_pipelines.kernel.clock import tick, utc_now
from d118_pipelines.kernel.guard_rule import GuardRule
from d118_pipelines.state import database as db
from d118_pipelines.state.leases import is_held
from d118_pipelines.state.open import state_database
from d118_pipelines.state.plans import StoredPlan, latest_plan
from d118_pipelines.targets.definition import DEADLINE_WINDOW, Target, schedule_of
from d118_pipelines.targets.model import Schedule
from d118_pipelines.targets.records import findings_of
from d118_pipelines.targets.show import changes_of, file_rows
from d118_pipelines.workflows.destinations import resolve
from d118_pipelines.workflows.feed import Feed, PlanPage, RunReport, Shown


@dataclass(frozen=True, slots=True)
class TargetState:
    """One target now, for its present destination. Times are in the district's zone.

    `state` is one of: delivered, late (the deadline passed without a delivery), held,
    failed, out_of_term, interrupted, started, not sent, never, misconfigured.
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
        if self.state in ("failed", STATE) and self.last_error:
            return self.last_error
        return {
            "delivered": "",
            "held": f"d118 plan {name}",
            "out_of_term": "nothing: no term is current",
            "failed": f"d118 findings {name}; d118 runs --target {name}",
            "late": f"d118 runs --target {name}",
            "started": "a run is sending now",
        }.get(self.state, f"d118 run {name}")

    @property
    def file_rows(self) -> list[dict[str, Any]]:
        """The files of the last verified delivery, a row for each."""
        return [
            {
                "file": file["name"],
                "rows": file["rows"],
                "bytes": file["size_bytes"],
                "sha256": file["sha256"],
            }
            for file in self.files
        ]


@dataclass(frozen=True)
class TargetFeed(Feed):
    """The feed of one target; one that is disabled is not read at all."""

    target: Target

    fails_as: ClassVar[type[FatalError]] = ExportError
    not_done: ClassVar[str] = (
        "Nothing was sent; the vendor keeps the last delivered files."
    )

    @property
    def name(self) -> str:
        """The target's name."""
        return self.target.name

    def broken_rules(self, plan: StoredPlan, now: dt.datetime) -> list[GuardRule]:
        """Those of the plan; a sound plan breaks `data_fresh` once its extract is old."""
        broken = super().broken_rules(plan, now)
        hours = (now - plan.data_at).total_seconds() / 3600
        if broken or hours <= self.target.model.guard.max_age_hours:
            return broken
        message = "The extract is too old by now."
        return [GuardRule("guard.data_fresh", "held", False, message)]

    def size(self, plan: StoredPlan) -> str:
        """Records that differ from the last delivery, over all files."""
        files = plan.counts.get("files", {}).values()
        kinds = ("added", "changed", "removed")
        return f"{sum(file[kind] for file in files for kind in kinds):,} changes"

    def plan_page(self, plan: StoredPlan, shown: Shown) -> PlanPage:
        """Files and changed records; before the first delivery no record has changed."""
        folder = self.project.home / plan.folder
        changes = changes_of(folder) if folder.is_dir() and plan.baseline else []
        delivery = f"delivery {plan.baseline[:8]}" if plan.baseline else ""
        return PlanPage(
            against=delivery or "nothing (first)",
            counts=("Files", file_rows(plan)),
            changes=[
                {**asdict(c), "fields": ", ".join(c.fields)}
                for c in changes[: shown.limit]
            ],
            total=len(changes),
        )

    def state(self) -> TargetState:
        """How the target is doing now."""
        project, target = self.project, self.target
        destination = resolve(project, target)
        zone, now = project.district().zone, utc_now()
        d = db.deliveries.c
        with state_database(project).transaction() as connection:
            mine = sa.and_(d.target == target.name, d.destination == destination.id)
            newest = sa.select(db.deliveries).where(mine).order_by(d.started_at.desc())
            last = connection.execute(newest.limit(1)).first()
            sent = connection.execute(
                newest.where(d.status == "verified").limit(1)
            ).first()
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

    def report(self) -> RunReport:
        """What was sent, or that no term is current."""
        state, name = self.state(), self.name
        if state.state == "out_of_term":
            return RunReport(state, hint=out_of_term_text(self.target))
        found = f"{state.findings} findings: d118 findings {name}"
        hint = found if state.findings else ""
        if self.target.sends_users:
            text = f"{name}: sent to {state.destination}. d118 status --scim"
            return RunReport(state, text, hint=hint)
        text = f"{name}: delivered to {state.destination} and read back."
        return RunReport(state, text, "Files", state.file_rows, hint)


def misconfigured_target(project: Project, broken: Misconfigured) -> TargetState:
    """How a target is doing that is misconfigured: its last delivery to anywhere."""
    schedule, now = schedule_of(broken), utc_now()
    zone, d = project.district().zone, db.deliveries.c
    verified = sa.and_(d.target == broken.name, d.status == "verified")
    newest = sa.select(db.deliveries).where(verified).order_by(d.started_at.desc())
    with state_database(project).transaction() as connection:
        sent = connection.execute(newest.limit(1)).first()
    deadline = last_deadline(project, schedule, now) if schedule else None
    return TargetState(
        target=broken.name,
        state=STATE,
        last_delivery=sent.finished_at.astimezone(zone) if sent else None,
        plan="",
        findings=0,
        deadline=deadline.astimezone(zone) if deadline else None,
        next_run=None,
        destination="",
        files=list(sent.files) if sent else [],
        last_error=broken.line,
    )


def out_of_term_text(target: Target) -> str:
    """What a target without a current term says; the run itself succeeds."""
    return (
        f"OUT OF TERM  {target.name}: no term is current; nothing was made and nothing "
        "is sent. The vendor keeps the last delivered files."
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
