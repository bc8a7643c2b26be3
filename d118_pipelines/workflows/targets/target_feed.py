"""A target as a feed: its texts, its plan for people, how it is doing.

Called by `deliver.py`, the export assets, `d118 status` and through `all_feeds.py`; the
base is in `feed.py`, the same of a provider in `provider_feed.py`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from d118_pipelines.config.guard_limits import Blackout
from d118_pipelines.config.project import Project
from d118_pipelines.config.quarantine import STATE, Misconfigured
from d118_pipelines.errors import ExportError, FatalError
from d118_pipelines.kernel.clock import tick, utc_now
from d118_pipelines.kernel.guard_rule import GuardRule
from d118_pipelines.state import database as db
from d118_pipelines.state.open import state_database
from d118_pipelines.state.pauses import pause_of
from d118_pipelines.state.plans import StoredPlan, newest_approved
from d118_pipelines.targets.definition import DEADLINE_WINDOW, Target, schedule_of
from d118_pipelines.targets.ledger import last_verified
from d118_pipelines.targets.model import Schedule
from d118_pipelines.targets.records import findings_of
from d118_pipelines.targets.show import KINDS, changes_of, file_rows, school_rows
from d118_pipelines.workflows.runs.feed import (
    Feed,
    PlanPage,
    RunReport,
    Shown,
    waiting_text,
)
from d118_pipelines.workflows.runs.run_history import RunHistory
from d118_pipelines.workflows.runs.status import (
    TO_CORRECT,
    WAITING,
    Standing,
    plan_text,
    standing,
)
from d118_pipelines.workflows.targets.destinations import resolve


@dataclass(frozen=True, slots=True)
class TargetState:
    """One target now, for its present destination. Times are in the district's zone.

    state: see `Standing`, or misconfigured; when: of that. last_error: of a failed
    newest run.
    """

    target: str
    state: str
    when: dt.datetime | None
    to_do: str
    last_delivery: dt.datetime | None
    plan: str
    findings: int
    last_deadline: dt.datetime | None
    next_deadline: dt.datetime | None
    next_run: dt.datetime | None
    destination: str
    files: list[dict[str, Any]]
    last_error: str

    @property
    def standing(self) -> Standing:
        """How it stands."""
        return Standing(self.state, self.when, self.last_error, self.to_do)

    def row(self, now: dt.datetime, *, is_wide: bool = False) -> Mapping[str, Any]:
        """One line of `d118 status`."""
        row = self.standing.row("target", self.target, now)
        if not is_wide:
            return row
        return {
            **row,
            "last delivery": self.last_delivery,
            "rows": sum(int(file["rows"]) for file in self.files),
            "findings": self.findings,
            "plan": self.plan,
            "last deadline": self.last_deadline,
            "next run": self.next_run,
            "next deadline": self.next_deadline,
            "where": self.destination,
        }

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

    @property
    def blackouts(self) -> Sequence[Blackout]:
        """Those of its YAML."""
        return self.target.model.guard.blackouts

    @property
    def file_names(self) -> dict[str, str]:
        """The name of each file by that of its table."""
        return {file.name: file.file for file in self.target.record_files}

    def broken_rules(self, plan: StoredPlan, now: dt.datetime) -> list[GuardRule]:
        """Those of the plan; a sound plan breaks `data_fresh` once its extract is old."""
        broken = super().broken_rules(plan, now)
        hours = (now - plan.data_at).total_seconds() / 3600
        if broken or abs(hours) <= self.target.model.guard.max_age_hours:
            return broken
        message = "The extract is too old by now."
        return [GuardRule("guard.data_fresh", "held", False, message)]

    def next_run(self, now: dt.datetime) -> dt.datetime | None:
        """The next tick of its schedule."""
        schedule = self.target.model.schedule
        return next_run(self.project, schedule, now) if schedule else None

    def size(self, plan: StoredPlan) -> str:
        """Records that differ from the last delivery, over all files."""
        files = plan.counts.get("files", {}).values()
        return f"{sum(file[kind] for file in files for kind in KINDS):,} changes"

    def files_at(self, plan: StoredPlan) -> str:
        """The folder of the prepared files."""
        folder = self.project.home / plan.folder
        return str(folder) if folder.is_dir() else ""

    def plan_page(self, plan: StoredPlan, shown: Shown) -> PlanPage:
        """Files and changed records; before the first delivery no record has changed."""
        folder = self.project.home / plan.folder
        is_compared = folder.is_dir() and plan.baseline
        changes = changes_of(folder) if is_compared else []
        delivery = f"delivery {plan.baseline[:8]}" if plan.baseline else ""
        with state_database(self.project).reading() as connection:
            last = last_verified(connection, self.name, plan.destination)
        before = self.project.home / last.folder if last else None
        files = self.target.record_files
        schools = school_rows(folder, before, files) if is_compared else []
        return PlanPage(
            against=delivery or "nothing (first)",
            counts=("Files", file_rows(plan)),
            changes=[
                {**asdict(c), "fields": ", ".join(c.fields)}
                for c in changes[: shown.limit]
            ],
            total=len(changes),
            tables={"Schools that change": schools} if schools else {},
        )

    def state(self, history: RunHistory | None = None) -> TargetState:
        """How the target is doing now."""
        project, target = self.project, self.target
        destination = resolve(project, target)
        zone, now = project.district().zone, utc_now()
        d = db.deliveries.c
        sent_sets = (
            sa.select(db.deliveries)
            .where(d.target == target.name, d.destination == destination.id)
            .where(d.status.in_(db.COUNTS))
            .order_by(d.number.desc())
            .limit(1)
        )
        with state_database(project).reading() as connection:
            run = (history or RunHistory(connection)).newest(target.name)
            sent = connection.execute(sent_sets).first()
            plan, approval = newest_approved(connection, target.name, now=now)
            found = len(findings_of(connection, plan)) if plan else 0
            pause = pause_of(connection, target.name, now=now)
        schedule = target.model.schedule
        due = last_deadline(project, schedule, now) if schedule else None
        stands = standing(
            target.name,
            run=run,
            approval=approval,
            pause=pause,
            zone=zone,
            good_at=sent.finished_at if sent else None,
            due=due,
            on_time_from=due - DEADLINE_WINDOW if due else None,
        )
        return TargetState(
            target=target.name,
            state=stands.state,
            when=stands.when,
            to_do=stands.to_do,
            last_delivery=sent.finished_at.astimezone(zone) if sent else None,
            plan=plan_text(plan, run, approval),
            findings=found,
            last_deadline=due.astimezone(zone) if due else None,
            next_deadline=next_deadline(project, schedule, now) if schedule else None,
            next_run=self.next_run(now),
            destination=destination.label,
            files=list(sent.files) if sent else [],
            last_error=stands.reason,
        )

    def report(self) -> RunReport:
        """What was sent, or that no term is current."""
        state, name = self.state(), self.name
        if state.state == "out of term":
            return RunReport(state, hint=out_of_term_text(self.target))
        if state.state == WAITING:
            return RunReport(state, hint=waiting_text(self, state.last_error))
        found = f"{state.findings} findings: d118 findings {name}"
        hint = found if state.findings else ""
        if self.target.sends_users:
            text = f"{name}: sent to {state.destination}. d118 status --scim"
            return RunReport(state, text, hint=hint)
        text = f"{name}: delivered to {state.destination} and read back."
        if state.state == db.NOT_READ_BACK:
            text = f"{name}: sent to {state.destination}, not read back."
        return RunReport(state, text, "Files", state.file_rows, hint)


def misconfigured_target(project: Project, broken: Misconfigured) -> TargetState:
    """How a target is doing that is misconfigured: its last delivery to anywhere."""
    schedule, now = schedule_of(broken), utc_now()
    zone, d = project.district().zone, db.deliveries.c
    counts = sa.and_(d.target == broken.name, d.status.in_(db.COUNTS))
    newest = sa.select(db.deliveries).where(counts).order_by(d.number.desc())
    with state_database(project).reading() as connection:
        sent = connection.execute(newest.limit(1)).first()
    due = last_deadline(project, schedule, now) if schedule else None
    return TargetState(
        target=broken.name,
        state=STATE,
        when=None,
        to_do=TO_CORRECT,
        last_delivery=sent.finished_at.astimezone(zone) if sent else None,
        plan="",
        findings=0,
        last_deadline=due.astimezone(zone) if due else None,
        next_deadline=next_deadline(project, schedule, now) if schedule else None,
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
    """The last deadline that has passed; None without one."""
    return tick(schedule.deadline or (), now, _zone(project, schedule), is_past=True)


def next_deadline(
    project: Project, schedule: Schedule, now: dt.datetime
) -> dt.datetime | None:
    """The deadline that comes next; None without one."""
    return tick(schedule.deadline or (), now, _zone(project, schedule))


def next_run(
    project: Project, schedule: Schedule, now: dt.datetime
) -> dt.datetime | None:
    """When the schedule runs next, after `now`; in the district's time, as all times are."""
    due = tick(schedule.cron, now, _zone(project, schedule))
    return due.astimezone(project.district().zone) if due else None


def _zone(project: Project, schedule: Schedule) -> ZoneInfo:
    return ZoneInfo(schedule.time_zone or project.district().time_zone)
