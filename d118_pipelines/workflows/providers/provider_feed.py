"""A provider as a feed: its texts, its plan for people, how it is doing.

Called by `sync.py`, `undo.py`, the roster's assets, `d118 status` and through
`all_feeds.py`; the base is in `feed.py`, the same of a target in `target_feed.py`.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from d118_pipelines.config.crons import crons_shown
from d118_pipelines.config.guard_limits import Blackout, merged_guard
from d118_pipelines.config.project import Project
from d118_pipelines.config.providers import Provider, disabled_error
from d118_pipelines.config.quarantine import STATE, Misconfigured
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.clock import local_time, tick, utc_now
from d118_pipelines.roster.planning.plan import RosterPlan, read_plan
from d118_pipelines.roster.planning.show import (
    changes_of,
    changing_schools,
    entity_rows,
    school_row,
)
from d118_pipelines.roster.store.runs import APPLIED, recent_runs
from d118_pipelines.state.leases import is_held
from d118_pipelines.state.open import state_database
from d118_pipelines.state.pauses import pause_of
from d118_pipelines.state.plans import StoredPlan, newest_approved
from d118_pipelines.workflows.providers.arrivals import failed_look
from d118_pipelines.workflows.runs.feed import (
    Feed,
    PlanPage,
    RunReport,
    Shown,
    waiting_text,
)
from d118_pipelines.workflows.runs.run_history import RunHistory
from d118_pipelines.workflows.runs.status import (
    CANNOT_LOOK,
    TO_CORRECT,
    WAITING,
    Standing,
    plan_text,
    standing,
)

MILLISECOND = dt.timedelta(milliseconds=1)
ROSTER = "roster"  # the destination of a provider's plan
_REPORTED = ("fetched", "created", "updated", "deactivated", "unchanged", "errors")


@dataclass(frozen=True, slots=True)
class ProviderState:
    """One provider now. Times are in the district's zone.

    state: see `Standing`, `disabled` if it is switched off, or misconfigured; when: of
    that. last_sync: when one last succeeded. failed_look: why nobody can look for its
    files now; empty where somebody can. statistics: of the newest run that has any,
    entity -> counts.
    """

    provider: str
    type: str
    name: str
    enabled: bool
    schedule: str | None
    state: str
    when: dt.datetime | None
    to_do: str
    is_running: bool
    running_for_ms: int | None
    last_status: str
    last_sync: dt.datetime | None
    next_run: dt.datetime | None
    plan: str
    last_error: str
    failed_look: str
    statistics: dict[str, Any]

    @property
    def standing(self) -> Standing:
        """How it stands."""
        return Standing(self.state, self.when, self.last_error, self.to_do)

    def row(self, now: dt.datetime, *, is_wide: bool = False) -> Mapping[str, Any]:
        """One line of `d118 status`."""
        row = self.standing.row("provider", self.provider, now)
        if not is_wide:
            return row
        changed = {
            name: sum(int(c.get(name, 0)) for c in self.statistics.values())
            for name in ("created", "updated", "deactivated")
        }
        own = {"last sync": self.last_sync, **changed}
        return {**row, **own, "plan": self.plan, "next run": self.next_run}


@dataclass(frozen=True)
class ProviderFeed(Feed):
    """The feed of one provider."""

    provider: Provider

    not_done: ClassVar[str] = "Nothing was changed in the roster."

    @property
    def name(self) -> str:
        """The provider's id."""
        return self.provider.id

    @property
    def job(self) -> str:
        """`sync_<provider>`."""
        return f"sync_{self.name}"

    @property
    def blackouts(self) -> Sequence[Blackout]:
        """Those of the district, or of its entry."""
        guard = self.project.district().guard
        return merged_guard(guard, self.provider.model.guard).blackouts

    @property
    def refused(self) -> ConfigurationError | None:
        """The error of a provider that `config/providers.yaml` has switched off."""
        return None if self.provider.model.enabled else disabled_error(self.provider)

    def next_run(self, now: dt.datetime) -> dt.datetime | None:
        """The next tick of its schedule; None when disabled."""
        model = self.provider.model
        zone = ZoneInfo(model.timezone or self.project.district().time_zone)
        return tick(model.schedule, now, zone) if model.enabled else None

    def size(self, plan: StoredPlan) -> str:
        """Changes of all entities, and how long their rows are kept."""
        days = self.project.district().retention.plans_days
        until = plan.created_at + dt.timedelta(days=days)
        local = local_time(until, self.project.district().zone)
        return f"{int(plan.counts['changes']):,} changes, kept until {local}"

    def plan_page(self, plan: StoredPlan, shown: Shown) -> PlanPage:
        """Entities, schools and records that change.

        Raises: ConfigurationError if the plan's rows are gone.
        """
        folder = self.project.home / plan.folder
        if not folder.is_dir():
            raise ConfigurationError(
                f"The rows of plan {plan.plan_hash[:8]} are gone.",
                rule="They are in plans/ below D118_HOME for retention.plans_days.",
                next_step=f"Make a new one: d118 run {self.name}",
            )
        made = read_plan(folder)
        school, entity = shown.school, shown.entity
        schools = changing_schools(made, school=school, entity=entity)
        rows, total = changes_of(made, school=school, entity=entity, limit=shown.limit)
        return PlanPage(
            against=f"revision {made.revision} of the roster",
            counts=("Entities", entity_rows(made)),
            changes=rows,
            total=total,
            tables={"Schools that change": [school_row(one) for one in schools]},
            more={"schools": [asdict(one) for one in schools]},
        )

    def state(self, history: RunHistory | None = None) -> ProviderState:
        """How the provider is doing now."""
        project, provider = self.project, self.provider
        zone, now, model = project.district().zone, utc_now(), provider.model
        with state_database(project).reading() as connection:
            run = (history or RunHistory(connection)).newest(provider.id)
            rows, _ = recent_runs(connection, provider.id, limit=50)
            plan, approval = newest_approved(connection, provider.id, now=now)
            pause = pause_of(connection, provider.id, now=now)
            is_running = is_held(connection, provider.id)
        good = next((r for r in rows if r["status"] in APPLIED), None)
        look = failed_look(project, provider.id)
        if look and good and good["completed_at"].isoformat() > look.at:
            look = None  # a run has read the files since
        stats = next((r["stats_json"] for r in rows if r["stats_json"]), None)
        statistics = json.loads(stats) if stats else {}
        good_at = good["completed_at"] if good else None
        stands = standing(
            provider.id,
            run=run,
            approval=approval,
            pause=pause,
            zone=zone,
            good_at=good_at,
        )
        if not model.enabled:
            to_do = "disabled in config/providers.yaml"
            stands = replace(stands, state="disabled", reason="", to_do=to_do)
        elif stands.state == "applied" and good and good["status"] == "PARTIAL":
            stands = replace(stands, to_do=self._look(statistics))
        if model.enabled and look and stands.state not in ("running", "paused"):
            to_do = f"d118 test-connection {provider.id}"
            stands = replace(
                stands, state=CANNOT_LOOK, when=None, reason=look.what, to_do=to_do
            )
        return ProviderState(
            provider=provider.id,
            type=model.type,
            name=model.name,
            enabled=model.enabled,
            schedule=crons_shown(model.schedule),
            state=stands.state,
            when=stands.when,
            to_do=stands.to_do,
            is_running=is_running,
            running_for_ms=(now - run.started) // MILLISECOND
            if run and run.outcome == "running"
            else None,
            last_status=str(rows[0]["status"]) if rows else "never",
            last_sync=good_at.astimezone(zone) if good_at else None,
            next_run=self.next_run(now),
            plan=plan_text(plan, run, approval),
            last_error=stands.reason,
            failed_look=look.what if look else "",
            statistics=statistics,
        )

    def _look(self, statistics: Mapping[str, Any]) -> str:
        """Where to see what a sync that applied could not take over."""
        has_conflicts = any(c.get("conflicts") for c in statistics.values())
        more = f"; d118 conflicts list --provider {self.name}" if has_conflicts else ""
        return f"d118 findings {self.name}{more}"

    def report(self) -> RunReport:
        """What was done to each entity."""
        state = self.state()
        if state.state == WAITING:
            return RunReport(state, hint=waiting_text(self, state.last_error))
        rows = [
            {"entity": name, **{column: counts[column] for column in _REPORTED}}
            for name, counts in state.statistics.items()
        ]
        text = f"{self.name}: {state.state}. {state.last_error}".rstrip()
        hint = f"See: {state.to_do}" if state.to_do else ""
        return RunReport(state, text, "Roster", rows, hint)


def misconfigured_provider(project: Project, broken: Misconfigured) -> ProviderState:
    """How a provider is doing that is misconfigured: its last sync."""
    with state_database(project).reading() as connection:
        rows, _ = recent_runs(connection, broken.name, limit=50)
    good = next((r for r in rows if r["status"] in APPLIED), None)
    zone = project.district().zone
    return ProviderState(
        provider=broken.name,
        type=broken.text("type"),
        name=broken.text("name"),
        enabled=broken.given.get("enabled") is not False,
        schedule=_given_schedule(broken),
        state=STATE,
        when=None,
        to_do=TO_CORRECT,
        is_running=False,
        running_for_ms=None,
        last_status=STATE,
        last_sync=good["completed_at"].astimezone(zone) if good else None,
        next_run=None,
        plan="",
        last_error=broken.line,
        failed_look="",
        statistics={},
    )


def _given_schedule(broken: Misconfigured) -> str | None:
    """Its schedule as it is written, where it is a text or a list."""
    given = broken.given.get("schedule")
    texts = given if isinstance(given, list) else [given]
    return crons_shown([text for text in texts if isinstance(text, str) and text])


def stored_plan(
    project: Project, plan: RosterPlan, *, data_at: dt.datetime
) -> StoredPlan:
    """The row that the table of plans gets for a roster's plan."""
    return StoredPlan(
        id=uuid.uuid4().hex,
        target=plan.provider,
        destination=ROSTER,
        plan_hash=plan.hash,
        baseline=str(plan.revision),
        run_id=plan.run_id,
        verdict=plan.verdict,
        rules=list(plan.rules),
        counts={
            "changes": plan.changes,
            "entities": {name: c.as_dict() for name, c in plan.counts.items()},
        },
        files=[],
        folder=str(plan.folder.relative_to(project.home)),
        demonstration=plan.is_demonstration,
        data_at=data_at,
        created_at=plan.made_at,
    )
