"""`d118 plan` and `d118 approve`: what the newest plan would change, and its release.

Called by the command line. What a plan shows is in `workflows/feed.py`; the job `approve`
in Dagster is in `jobs.py`.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from d118_pipelines.cli.context import AnyName, AsCsv, AsJson
from d118_pipelines.cli.output import say, show_csv, show_json, show_table
from d118_pipelines.config.project import Project
from d118_pipelines.kernel.clock import local_time
from d118_pipelines.state.plans import StoredPlan
from d118_pipelines.workflows.admission import (
    approval_of,
    newest_plan,
    release,
    release_text,
)
from d118_pipelines.workflows.all_feeds import named_feed
from d118_pipelines.workflows.feed import Feed, PlanPage, Shown
from d118_pipelines.workflows.run import account

SHOWN_CHANGES = 40


def plan(
    target: AnyName,
    show_all: Annotated[bool, typer.Option("--all", help="List every change.")] = False,
    school: Annotated[
        str | None, typer.Option(help="For a provider: only this school.")
    ] = None,
    entity: Annotated[
        str | None, typer.Option(help="For a provider: only this entity.")
    ] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show the newest plan: totals, each guard rule, what changes (keys, no values)."""
    feed = named_feed(Project.here(), target)
    stored = newest_plan(feed)
    is_whole = show_all or as_json or as_csv
    limit = None if is_whole else SHOWN_CHANGES
    page = feed.plan_page(stored, Shown(school, entity, limit))
    if as_csv:
        show_csv(page.changes)
        return
    approval = approval_of(feed, stored)
    if as_json:
        own = {"approval": approval, "changes": page.changes}
        show_json({**asdict(stored), **page.more, **own})
        return
    _show_page(feed, stored, page, is_approved=approval is not None)


def _show_page(
    feed: Feed, stored: StoredPlan, page: PlanPage, *, is_approved: bool
) -> None:
    made = local_time(stored.created_at, feed.project.district().zone)
    state = "released by an approval" if is_approved else stored.verdict
    say(
        f"Plan {stored.plan_hash[:8]} of {feed.name}, made {made}, against "
        f"{page.against}: {state}"
    )
    show_table(*page.counts)
    rules = [
        {
            "rule": r.code,
            "result": "OK" if r.passed else r.kind.upper(),
            "figures": r.message,
        }
        for r in stored.rules
    ]
    show_table("Guard", rules)
    for title, rows in page.tables.items():
        show_table(title, rows, empty="None.")
    show_table("Changes", page.changes, empty="None.")
    if len(page.changes) < page.total:
        left = page.total - len(page.changes)
        say(f"{left:,} more: d118 plan {feed.name} --all")
    if stored.verdict == "held" and not is_approved:
        say(f"Held. {release_text(feed.name, stored.plan_hash)}")


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
