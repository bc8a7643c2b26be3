"""May this plan go? What the guard refuses, who may release it, and the words for it.

Called by `deliver.py`, `sync.py`, `undo.py`, the assets, the command line and the alert
sensor, for targets and providers alike. What the two have in common is in `feed.py`.
Rules: docs/reference/delivery.md, section 7; docs/reference/matching_and_guard.md.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa

from d118_pipelines.errors import (
    ConfigurationError,
    D118Error,
    FatalError,
    HeldError,
    WaitingError,
)
from d118_pipelines.kernel.clock import local_time, utc_now
from d118_pipelines.kernel.guard_rule import GuardRule
from d118_pipelines.state.open import state_database
from d118_pipelines.state.plans import (
    PREFIX_LENGTH,
    Approval,
    StoredPlan,
    approve,
    latest_plan,
    valid_approval,
)
from d118_pipelines.workflows.runs.feed import Feed
from d118_pipelines.workflows.runs.run_history import CARRIED_OUT, RunHistory


def admit(
    connection: sa.Connection, feed: Feed, plan: StoredPlan | None, *, now: dt.datetime
) -> Approval | None:
    """The approval that a held plan goes with; None for a plan that needs none.

    A blocking check stops only its own run, so everything is asked again here.
    Raises: HeldError, WaitingError, `feed.fails_as`; ConfigurationError without a plan.
    """
    if plan is None:
        raise no_plan(feed)
    approval = None
    if feed.broken_rules(plan, now):
        approval = valid_approval(
            connection, target=feed.name, plan_hash=plan.plan_hash, now=now
        )
    refused = refusal(feed, plan, approval, now=now)
    if refused is not None:
        raise refused
    return approval


def refusal(
    feed: Feed, plan: StoredPlan, approval: Approval | None, *, now: dt.datetime
) -> D118Error | None:
    """Why a plan may not go: it failed, or is held and not approved; else None."""
    broken = feed.broken_rules(plan, now)
    failed = [rule for rule in broken if rule.kind == "failed"]
    if failed:
        return _failed(feed, failed)
    if not broken or approval:
        return None
    if all(rule.kind == "waiting" for rule in broken):
        return WaitingError(
            broken[0].message,
            where=f"plan {plan.plan_hash[:PREFIX_LENGTH]}: {feed.size(plan)}",
            not_done=feed.not_done,
            next_step=_release(feed, plan),
        )
    return _held(feed, plan, broken)


def release(feed: Feed, plan_hash: str, *, reason: str, account: str) -> Approval:
    """Release exactly the feed's newest plan, once, for the district's time.

    plan_hash: the hash or its first 8 or more characters.
    Raises: ConfigurationError, as `state.plans.approve`.
    """
    with state_database(feed.project).transaction() as connection:
        return approve(
            connection,
            latest_plan(connection, feed.name),
            target=feed.name,
            plan_hash=plan_hash,
            reason=reason,
            account=account,
            now=utc_now(),
            valid_hours=feed.project.district().approval_hours,
        )


def newest_plan(feed: Feed) -> StoredPlan:
    """The feed's newest plan. Raises: ConfigurationError if there is none yet."""
    with state_database(feed.project).transaction() as connection:
        plan = latest_plan(connection, feed.name)
    if plan is None:
        raise no_plan(feed)
    return plan


def approval_of(feed: Feed, plan: StoredPlan) -> Approval | None:
    """The approval that releases the plan now, if there is one."""
    with state_database(feed.project).transaction() as connection:
        return valid_approval(
            connection, target=feed.name, plan_hash=plan.plan_hash, now=utc_now()
        )


def no_plan(feed: Feed) -> ConfigurationError:
    """What is said before the first plan."""
    return ConfigurationError(
        f"{feed.name} has no plan yet.",
        not_done=feed.not_done,
        next_step=f"Make one: d118 run {feed.name}",
    )


def release_text(name: str, plan_hash: str) -> str:
    """The commands for a held plan."""
    short = plan_hash[:PREFIX_LENGTH]
    return (
        f'Review: d118 plan {name}. Release: d118 approve {name} {short} --reason "..."'
    )


def _failed(feed: Feed, rules: Sequence[GuardRule]) -> FatalError:
    return feed.fails_as(
        _rule_lines(feed, rules),
        not_done=feed.not_done,
        next_step=f"d118 plan {feed.name}; d118 findings {feed.name}",
    )


def _held(feed: Feed, plan: StoredPlan, rules: Sequence[GuardRule]) -> HeldError:
    made = local_time(plan.created_at, feed.project.district().zone)
    where = f"plan {plan.plan_hash[:PREFIX_LENGTH]}, made {made}: {feed.size(plan)}"
    if files := feed.files_at(plan):
        where += f"; the files are in {files}"
    return HeldError(
        _rule_lines(feed, rules),
        where=where,
        not_done=feed.not_done,
        next_step=_release(feed, plan),
    )


def _release(feed: Feed, plan: StoredPlan) -> str:
    """How to go on with a plan that waits for a word."""
    if plan.verdict not in ("held", "waiting"):
        # It was not held when it was made, so there is nothing to approve.
        return f"Make a new one: d118 run {feed.name}"
    release = release_text(feed.name, plan.plan_hash)
    return f"{release}, then: d118 {feed.again} {feed.name}"


def _rule_lines(feed: Feed, rules: Sequence[GuardRule]) -> str:
    """Code, name and figures of each rule; further lines are indented."""
    return "\n".join(
        f"{rule.kind.upper()} {rule.code}  {feed.name}: "
        + "\n  ".join(rule.message.splitlines())
        for rule in rules
    )


def carried_out(feed: Feed, stored: StoredPlan) -> str:
    """What became of the plan and when, where its run carried it out; else empty."""
    with state_database(feed.project).reading() as connection:
        run = RunHistory(connection).entry(stored.run_id, feed.name)
    if run.outcome not in CARRIED_OUT:
        return ""
    at = local_time(run.ended or run.started, feed.project.district().zone)
    return f"{run.outcome} {at}"
