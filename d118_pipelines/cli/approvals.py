"""`d118 approve`: release exactly one held plan.

Called by the command line; the job of the same name in Dagster is in `jobs.py`.
"""

from __future__ import annotations

from typing import Annotated

import typer

from d118_pipelines.cli.context import AnyName, AsJson
from d118_pipelines.cli.output import say, show_json
from d118_pipelines.config.project import Project
from d118_pipelines.kernel.clock import local_time
from d118_pipelines.workflows.account import account
from d118_pipelines.workflows.admission import release
from d118_pipelines.workflows.all_feeds import named_feed


def approve(
    target: AnyName,
    plan_hash: Annotated[
        str, typer.Argument(help="The hash, or its first 8 characters.")
    ],
    reason: Annotated[str, typer.Option(help="Why this plan is right.")],
    as_json: AsJson = False,
) -> None:
    """Release exactly one held plan, once, for a limited time."""
    project = Project.here()
    feed = named_feed(project, target)
    approval = release(feed, plan_hash, reason=reason, account=account())
    if as_json:
        show_json(approval)
        return
    until = local_time(approval.expires_at, project.district().zone)
    say(
        f"Plan {approval.plan_hash[:8]} of {feed.name} is released until {until}.\n"
        f"Carry it out: d118 run {feed.name}"
    )
