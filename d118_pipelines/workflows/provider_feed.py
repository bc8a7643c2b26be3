"""A provider as a feed: its texts, its plan for people, its state.

Called by `sync.py`, `undo.py`, the roster's assets and through `all_feeds.py`; the
protocol is in `feed.py`, the same of a target in `target_feed.py`.
"""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import asdict, dataclass
from typing import ClassVar

from d118_pipelines.config.project import Project
from d118_pipelines.config.providers import Provider, disabled_error
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.clock import local_time
from d118_pipelines.roster.planning.plan import RosterPlan, read_plan
from d118_pipelines.roster.planning.show import (
    changes_of,
    changing_schools,
    entity_rows,
    school_row,
)
from d118_pipelines.state.plans import StoredPlan
from d118_pipelines.workflows.feed import Feed, PlanPage, RunReport, Shown
from d118_pipelines.workflows.provider_state import ProviderState, provider_state

ROSTER = "roster"  # the destination of a provider's plan
KEPT_DAYS = 30  # then the rows of a plan are removed
_REPORTED = ("fetched", "created", "updated", "deactivated", "unchanged", "errors")


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
    def refused(self) -> ConfigurationError | None:
        """The error of a provider that `config/providers.yaml` has switched off."""
        return None if self.provider.model.enabled else disabled_error(self.provider)

    def size(self, plan: StoredPlan) -> str:
        """Changes of all entities, and how long their rows are kept."""
        until = plan.created_at + dt.timedelta(days=KEPT_DAYS)
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
                rule="They are in plans/ below D118_HOME until somebody deletes them.",
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

    def state(self) -> ProviderState:
        """How the provider is doing now."""
        return provider_state(self.project, self.provider)

    def report(self) -> RunReport:
        """What was done to each entity."""
        state = self.state()
        rows = [
            {"entity": name, **{column: counts[column] for column in _REPORTED}}
            for name, counts in state.statistics.items()
        ]
        text = f"{self.name}: {state.last_status}. {state.last_error}".rstrip()
        hint = f"See: {state.todo}" if state.todo else ""
        return RunReport(state, text, "Roster", rows, hint)


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
