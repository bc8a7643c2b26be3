"""A target as a feed: its texts, its plan for people, its state.

Called by `deliver.py`, the export assets and through `all_feeds.py`; the protocol is in
`feed.py`, the same of a provider in `provider_feed.py`.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from typing import ClassVar

from d118_pipelines.errors import ExportError, FatalError
from d118_pipelines.kernel.guard_rule import GuardRule
from d118_pipelines.state.plans import StoredPlan
from d118_pipelines.targets.definition import Target
from d118_pipelines.targets.show import changes_of, file_rows
from d118_pipelines.workflows.feed import Feed, PlanPage, RunReport, Shown
from d118_pipelines.workflows.target_state import TargetState, sent_files, target_state


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
        return target_state(self.project, self.target)

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
        return RunReport(state, text, "Files", sent_files(state), hint)


def out_of_term_text(target: Target) -> str:
    """What a target without a current term says; the run itself succeeds."""
    return (
        f"OUT OF TERM  {target.name}: no term is current; nothing was made and nothing "
        "is sent. The vendor keeps the last delivered files."
    )
