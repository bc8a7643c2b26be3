"""`d118 approve`: release exactly one held plan."""

from __future__ import annotations

from typing import Annotated

import typer

from d118_pipelines.cli.context import (
    AnyName,
    AsJson,
    local,
    named,
)
from d118_pipelines.cli.output import say, show_json
from d118_pipelines.config.project import Project
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.state.open import state_database
from d118_pipelines.state.plans import approve as approve_plan
from d118_pipelines.state.plans import latest_plan
from d118_pipelines.workflows.account import account


def approve(
    target: AnyName,
    plan_hash: Annotated[
        str, typer.Argument(help="The hash, or its first 8 characters.")
    ],
    reason: Annotated[str, typer.Option(help="Why this plan may go.")],
    as_json: AsJson = False,
) -> None:
    """Release exactly one held plan, once, for a limited time."""
    project = Project.here()
    named(project, target)
    with state_database(project).transaction() as connection:
        approval = approve_plan(
            connection,
            latest_plan(connection, target),
            target=target,
            plan_hash=plan_hash,
            reason=reason,
            account=account(),
            now=utc_now(),
            valid_hours=project.district().approval_hours,
        )
    if as_json:
        show_json(approval)
        return
    until = local(project, approval.expires_at)
    say(
        f"Plan {approval.plan_hash[:8]} of {target} is released until "
        f"{until:%Y-%m-%d %H:%M %Z}.\nCarry it out: d118 run {target}"
    )
