"""Storing an export: its plan and its findings, in the state database.

Called by `workflows/targets/export.py` and whoever shows findings; plans are made by
`build.py`, approvals are in `state/plans.py`.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from d118_pipelines.kernel.finding import Finding
from d118_pipelines.kernel.guard_rule import verdict
from d118_pipelines.state import database as db
from d118_pipelines.state.plans import StoredPlan, store_plan
from d118_pipelines.targets.build import Export
from d118_pipelines.targets.results import result_findings

# What the state database keeps of a finding, and what is shown of it.
FINDING_COLUMNS = ("code", "level", "key", "field", "detail", "todo")


def plan_of(
    export: Export | None,
    *,
    target: str,
    destination: str,
    run_id: str,
    folder: str,
    demonstration: bool,
    data_at: dt.datetime,
    now: dt.datetime,
) -> StoredPlan:
    """The plan of an export as the database keeps it.

    export None: the target is out of term; its plan can never be delivered.
    """
    return StoredPlan(
        id=uuid.uuid4().hex,
        target=target,
        destination=destination,
        plan_hash=export.plan.hash if export else "",
        baseline=export.plan.baseline if export else None,
        run_id=run_id,
        verdict=verdict(export.rules) if export else "out_of_term",
        rules=list(export.rules) if export else [],
        counts=_counts(export) if export else {},
        files=list(export.to_send) if export else [],
        folder=folder,
        demonstration=demonstration,
        data_at=data_at,
        created_at=now,
    )


def store_export(
    connection: sa.Connection, export: Export | None, plan: StoredPlan
) -> None:
    """Store the plan of an export and its findings."""
    store_plan(connection, plan)
    found = export.findings if export else ()
    store_findings(connection, found, target=plan.target, run_id=plan.run_id)


def store_findings(
    connection: sa.Connection, found: Iterable[Finding], *, target: str, run_id: str
) -> None:
    """Store findings of a run."""
    rows = [
        {"target": target, "run_id": run_id}
        | {name: getattr(finding, name) for name in FINDING_COLUMNS}
        for finding in found
    ]
    if rows:
        connection.execute(db.findings.insert(), rows)


def _counts(export: Export) -> dict[str, Any]:
    files = export.plan.counts.items()
    return {
        "people": dict(export.counts),
        "files": {name: asdict(value) for name, value in files},
        "facts": {name: asdict(value) for name, value in export.facts.items()},
    }


def findings_of(connection: sa.Connection, plan: StoredPlan) -> list[Finding]:
    """The findings of the run that made the plan, errors first, then by code and key.

    Before them those of the vendor's answers to what is at the plan's destination.
    """
    c = db.findings.c
    level = sa.case({"error": 0, "warning": 1}, value=c.level, else_=2)
    rows = connection.execute(
        sa.select(*(c[name] for name in FINDING_COLUMNS))
        .where(c.target == plan.target, c.run_id == plan.run_id)
        .order_by(level, c.code, c.id)
    )
    answers = result_findings(connection, plan.target, plan.destination)
    return [*answers, *(Finding(*row) for row in rows)]


def codes_counted(findings: Iterable[Finding]) -> dict[str, int]:
    """Number of findings per code, most first."""
    counts = Counter(finding.code for finding in findings)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
