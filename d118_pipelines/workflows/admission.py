"""May this plan go? The last questions before anything is sent, and what a no says.

Belongs here: asking the stored plan again, and the words for people. Not here: sending
(`deliver.py`, `scim.py`). Rules: docs/reference/delivery.md, section 7.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from d118_pipelines.config.project import Project
from d118_pipelines.errors import ConfigurationError, ExportError, HeldError
from d118_pipelines.kernel.clock import local_time
from d118_pipelines.kernel.guard_rule import GuardRule
from d118_pipelines.state.plans import Approval, StoredPlan, valid_approval
from d118_pipelines.targets.definition import Target
from d118_pipelines.targets.ledger import Baseline
from d118_pipelines.workflows.destinations import (
    ResolvedDestination,
    refuse_demonstration,
)


def no_plan(target: Target) -> ConfigurationError:
    """What a delivery says before the first export."""
    return ConfigurationError(
        f"{target.name} has no export yet.",
        not_done="Nothing was sent.",
        next_step=f"Make and deliver it: d118 run {target.name}",
    )


def admit(
    connection: sa.Connection,
    project: Project,
    target: Target,
    plan: StoredPlan,
    destination: ResolvedDestination,
    last: Baseline | None,
    *,
    now: dt.datetime,
) -> Approval | None:
    """The approval that the plan needs, or None if it needs none; raises if it may not go.

    last: what the destination has now. A blocking check stops only its own run, so
    everything is asked again here.
    """
    if plan.verdict == "out_of_term":
        raise ExportError(out_of_term_text(target), not_done="Nothing was sent.")
    refuse_demonstration(target, destination, demonstration=plan.demonstration)
    overtaken = plan.baseline != (last.delivery if last else None)
    if plan.destination != destination.id or overtaken:
        raise ExportError(
            f"FAILED plan.overtaken  {target.name}: plan {plan.plan_hash[:8]} was made "
            "against another delivery or for another destination.",
            rule="A plan is delivered once, to the destination it was made for.",
            not_done="Nothing was sent.",
            next_step=f"Make a new one: d118 run {target.name}; to send the last verified "
            f"set again: d118 resend {target.name}",
        )
    broken = [rule for rule in plan.rules if not rule.passed]
    failed = [rule for rule in broken if rule.kind == "failed"]
    if failed:
        raise ExportError(
            failed_text(target, failed),
            not_done="Nothing was sent; the last delivered files stay.",
            next_step=f"See the findings: d118 findings {target.name}",
        )
    limit = target.model.guard.max_age_hours
    stale = (now - plan.data_at).total_seconds() / 3600 > limit
    if not broken and not stale:
        return None
    approval = valid_approval(
        connection, target=target.name, plan_hash=plan.plan_hash, now=now
    )
    if approval is None:
        raise held_error(project, target, plan)
    return approval


def failed_text(target: Target, rules: list[GuardRule]) -> str:
    """One line per rule that failed."""
    return "\n".join(f"FAILED {r.code}  {target.name}: {r.message}" for r in rules)


def out_of_term_text(target: Target) -> str:
    """What a target without a current term says; the run itself succeeds."""
    return (
        f"OUT OF TERM  {target.name}: no term is current, nothing was made and nothing "
        "is sent. The vendor keeps the last delivered files."
    )


def held_error(project: Project, target: Target, plan: StoredPlan) -> HeldError:
    """What a held plan says to the person who has to decide."""
    broken = [rule for rule in plan.rules if not rule.passed]
    lines = [f"HELD {r.code}  {target.name}: {r.message}" for r in broken]
    if not lines:
        lines = [
            f"HELD guard.data_fresh  {target.name}: the extract is too old by now."
        ]
    short = plan.plan_hash[:8]
    made = local_time(plan.created_at, project.district().zone)
    next_step = (
        f"Review: d118 plan {target.name}. Release: "
        f'd118 approve {target.name} {short} --reason "..."'
        if broken
        # The plan itself is not held, so there is nothing to approve.
        else f"Make a new one: d118 run {target.name}"
    )
    return HeldError(
        "\n".join(lines),
        where=f"plan {short}, made {made}",
        not_done="Nothing was sent; the last delivered files stay.",
        next_step=next_step,
    )
