"""Stored plans and approvals, of targets and of providers alike.

Called by `workflows/`. Plans are made by `targets/build.py` and
`roster/planning/plan.py`; whether one may go is in `workflows/runs/admission.py`.
"""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.guard_rule import GuardRule, Verdict
from d118_pipelines.state import audit
from d118_pipelines.state import database as db

PREFIX_LENGTH = 8


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """A plan as the database keeps it; `folder` is below `D118_HOME`.

    target: the target's name, or the provider's id. destination: where it would go;
    `roster` for a provider. baseline: the delivery, or the roster's revision, that it
    was compared with.
    """

    id: str
    target: str
    destination: str
    plan_hash: str
    baseline: str | None
    run_id: str
    verdict: Verdict
    rules: list[GuardRule]
    counts: dict[str, Any]
    files: list[dict[str, Any]]
    folder: str
    demonstration: bool
    data_at: dt.datetime
    created_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Approval:
    """A person's word for exactly one plan."""

    id: str
    plan_hash: str
    account: str
    expires_at: dt.datetime


def store_plan(connection: sa.Connection, plan: StoredPlan) -> None:
    """Store one plan."""
    values = {name: getattr(plan, name) for name in StoredPlan.__slots__}
    values["rules"] = [asdict(rule) for rule in plan.rules]
    connection.execute(db.plans.insert().values(values))


def latest_plan(
    connection: sa.Connection, target: str, *, run_id: str | None = None
) -> StoredPlan | None:
    """The plan that the run made, else the target's newest one, else None."""
    c = db.plans.c
    of_run = [sa.case((c.run_id == run_id, 0), else_=1)] if run_id else []
    row = connection.execute(
        sa.select(db.plans)
        .where(c.target == target)
        .order_by(*of_run, c.number.desc())
        .limit(1)
    ).first()
    if row is None:
        return None
    values = {name: getattr(row, name) for name in StoredPlan.__slots__}
    values["rules"] = [GuardRule(**rule) for rule in values["rules"]]
    return StoredPlan(**values)


def newest_approved(
    connection: sa.Connection, target: str, *, now: dt.datetime
) -> tuple[StoredPlan | None, Approval | None]:
    """The target's newest plan, and the approval that releases it now."""
    plan = latest_plan(connection, target)
    if plan is None:
        return None, None
    return plan, valid_approval(
        connection, target=target, plan_hash=plan.plan_hash, now=now
    )


def approve(
    connection: sa.Connection,
    plan: StoredPlan | None,
    *,
    target: str,
    plan_hash: str,
    reason: str,
    account: str,
    now: dt.datetime,
    valid_hours: int,
) -> Approval:
    """Release exactly the target's newest plan, once, for `valid_hours`.

    plan_hash: the hash or its first 8 or more characters.
    Raises: ConfigurationError if there is no such plan, the plan is not held or was
    carried out, or the reason is empty.
    """
    c = db.plan_approvals.c
    used = sa.select(c.id).where(c.target == target, c.used_at.is_not(None))
    problem = _refusal(plan, plan_hash, reason)
    if plan and connection.execute(used.where(c.plan_hash == plan.plan_hash)).first():
        problem = "This plan was approved before and has been carried out."
    if problem or plan is None:
        raise ConfigurationError(
            problem,
            where=target,
            not_done="Nothing was approved.",
            next_step=f"See the plan: d118 plan {target}",
        )
    approval = Approval(
        uuid.uuid4().hex, plan.plan_hash, account, now + dt.timedelta(hours=valid_hours)
    )
    connection.execute(
        db.plan_approvals.insert().values(
            **asdict(approval),
            target=target,
            baseline=plan.baseline,
            reason=reason,
            created_at=now,
        )
    )
    audit.record(
        connection,
        now=now,
        actor=account,
        action="approve",
        subject=target,
        detail=plan.plan_hash,
        reason=reason,
    )
    return approval


def valid_approval(
    connection: sa.Connection, *, target: str, plan_hash: str, now: dt.datetime
) -> Approval | None:
    """An unused, unexpired approval of exactly this plan, or None.

    The hash covers the baseline, so an approval ends when anything is delivered.
    """
    c = db.plan_approvals.c
    row = connection.execute(
        sa.select(c.id, c.plan_hash, c.account, c.expires_at)
        .where(c.target == target, c.plan_hash == plan_hash)
        .where(c.used_at.is_(None), c.expires_at > now)
        .order_by(c.number.desc())
        .limit(1)
    ).first()
    return Approval(*row) if row else None


def use_approval(
    connection: sa.Connection, approval: Approval, *, target: str, now: dt.datetime
) -> None:
    """Mark an approval as used; it works once."""
    c = db.plan_approvals.c
    connection.execute(
        db.plan_approvals.update().where(c.id == approval.id).values(used_at=now)
    )
    audit.record(
        connection,
        now=now,
        actor=approval.account,
        action="approval used",
        subject=target,
        detail=approval.plan_hash,
    )


def _refusal(plan: StoredPlan | None, plan_hash: str, reason: str) -> str:
    if plan is None:
        return "There is no plan to approve."
    if len(plan_hash) < PREFIX_LENGTH or not plan.plan_hash.startswith(plan_hash):
        return f"The newest plan is {plan.plan_hash[:PREFIX_LENGTH]}, not {plan_hash[:64]}."
    if plan.verdict == "failed":
        return "This plan failed; a failure cannot be approved."
    if plan.verdict == "ready":
        return "This plan is not held; it needs no approval."
    if not reason.strip():
        return "An approval needs a reason."
    return ""
