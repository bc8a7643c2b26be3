"""`d118 plan`, `preview` and `approve`: what a plan would change, and its release.

Called by the command line. What a plan shows is in `workflows/runs/feed.py`; the job
`approve` in Dagster is in `jobs.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from textwrap import indent
from typing import Annotated

import typer

from d118_pipelines.cli.context import (
    AnyName,
    AsCsv,
    AsJson,
    TargetName,
    named_target,
)
from d118_pipelines.cli.output import say, show_csv, show_json, show_table
from d118_pipelines.cli.providers import UNDO, undo
from d118_pipelines.cli.run import run
from d118_pipelines.config.project import Project
from d118_pipelines.config.yaml_files import shown_path
from d118_pipelines.kernel.clock import local_time, utc_now
from d118_pipelines.kernel.guard_rule import GuardRule
from d118_pipelines.state.plans import StoredPlan
from d118_pipelines.targets.records import codes_counted
from d118_pipelines.workflows.monitoring.all_feeds import named_feed
from d118_pipelines.workflows.runs.admission import (
    approval_of,
    carried_out,
    newest_plan,
    release,
    release_text,
)
from d118_pipelines.workflows.runs.audit_trail import record_export
from d118_pipelines.workflows.runs.feed import Feed, PlanPage, Row, Shown
from d118_pipelines.workflows.runs.run import account
from d118_pipelines.workflows.targets.export import preview_export
from d118_pipelines.workflows.targets.plan_values import with_values
from d118_pipelines.workflows.targets.target_feed import TargetFeed, out_of_term_text

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
    values: Annotated[
        bool, typer.Option("--values", help="With the values before and now.")
    ] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show the newest plan: totals, each guard rule, what changes (keys, no values)."""
    feed = named_feed(Project.here(), target)
    stored = newest_plan(feed)
    is_whole = show_all or as_json or as_csv
    limit = None if is_whole else SHOWN_CHANGES
    page = feed.plan_page(stored, Shown(school, entity, limit))
    if values:
        page = replace(page, changes=with_values(feed, stored, page.changes))
        record_export(feed.project, target, f"plan {stored.plan_hash[:8]} with values")
    if as_csv:
        show_csv(page.changes)
        return
    approval = approval_of(feed, stored)
    if as_json:
        own = {"approval": approval, "changes": page.changes}
        show_json({**asdict(stored), **page.more, **own})
        return
    _show_page(
        feed,
        stored,
        page,
        is_approved=approval is not None,
        done=carried_out(feed, stored),
    )


def _show_page(
    feed: Feed, stored: StoredPlan, page: PlanPage, *, is_approved: bool, done: str
) -> None:
    """What decides comes first: verdict, broken rules, counts, then single records."""
    made = local_time(stored.created_at, feed.project.district().zone)
    state = "released by an approval" if is_approved else stored.verdict.upper()
    state = done or state
    say(
        f"{feed.name}: {state}. {feed.size(stored)}.\n"
        f"Plan {stored.plan_hash[:8]} of {feed.name}, made {made}, against {page.against}"
    )
    show_broken(stored.rules)
    if isinstance(feed, TargetFeed) and feed.target.undisclosed:
        say(feed.target.undisclosed)
    if stored.verdict in ("held", "waiting") and not (is_approved or done):
        if files := feed.files_at(stored):
            say(f"The files: {files}")
        say(release_text(feed.name, stored.plan_hash))
    all_by = f"d118 plan {feed.name} --all"
    _show_changes(feed, stored, page, all_by=all_by, is_done=bool(done))


def show_broken(rules: Iterable[GuardRule]) -> None:
    """Print the broken ones; every line of a message is moved in."""
    for rule in (rule for rule in rules if not rule.passed):
        say(f"{rule.kind.upper()} {rule.code}\n{indent(rule.message, '  ')}")


def _show_changes(
    feed: Feed,
    stored: StoredPlan,
    page: PlanPage,
    *,
    all_by: str,
    is_done: bool = False,
) -> None:
    """Counts, then single records.

    all_by: the command that shows every one. is_done: it was carried out.
    """
    title, counts = page.counts
    columns = "changed columns"
    show_table(title, _filled([{**row, columns: ""} for row in counts]))
    for row in counts:
        if row.get(columns):
            say(f"Changed in {row['file']}: {row[columns]}")
    for title, rows in page.tables.items():
        show_table(title, _filled(rows[:SHOWN_CHANGES]), empty="None.")
        if len(rows) > SHOWN_CHANGES:
            say(f"{len(rows) - SHOWN_CHANGES:,} more")
    is_first = not page.total and feed.size(stored)[0] != "0"
    first = "Every record was new: it was the first delivery."
    if not is_done:
        first = "Every record is new: there is no delivery yet."
    empty = first if is_first else "None."
    show_table("Changes", _filled(_as_counted(feed, page.changes)), empty=empty)
    if len(page.changes) < page.total:
        say(f"{page.total - len(page.changes):,} more: {all_by}")
    kept = [{"rule": r.code, "figures": r.message} for r in stored.rules if r.passed]
    show_table("Guard: rules that are kept", kept)


def _filled(rows: Sequence[Row]) -> list[Row]:
    """The rows without the columns in which none has anything."""
    names = [n for n in (rows[0] if rows else ()) if any(row[n] for row in rows)]
    return [{name: row[name] for name in names} for row in rows]


def _as_counted(feed: Feed, changes: Sequence[Row]) -> list[Row]:
    """The changes in the words of the counts: names of files; added, updated, conflict."""
    names = feed.file_names if isinstance(feed, TargetFeed) else {}
    return [
        {
            name: names.get(value, value)
            if name == "file"
            else _past(value)
            if name == "action"
            else ""  # most vendors know a record by its key
            if name == "identity" and value == row["key"]
            else value
            for name, value in row.items()
        }
        for row in changes
    ]


def _past(action: str) -> str:
    if action in ("conflict", "withheld", "absent_once"):
        return action.replace("_", " ")
    return action.removesuffix("e") + "ed"


def preview(target: TargetName, as_json: AsJson = False) -> None:
    """Show what the target's YAML and SQL, as edited, would change in the last delivery.

    From the newest extracts, without a run: nothing is stored and nothing is sent.
    """
    project = Project.here()
    feed = TargetFeed(project, named_target(project, target))
    with preview_export(project, feed.target, now=utc_now()) as (export, stored):
        page = feed.plan_page(stored, Shown(limit=None if as_json else SHOWN_CHANGES))
    if as_json:
        show_json({**asdict(stored), "changes": page.changes})
        return
    if export is None:
        say(out_of_term_text(feed.target))
        return
    data_at = local_time(stored.data_at, project.district().zone)
    say(
        f"{target}: would be {stored.verdict.upper()}. {feed.size(stored)}.\n"
        f"Of {shown_path(feed.target.path)} and its SQL, from data of {data_at}, against "
        f"{page.against}. Nothing was stored or sent."
    )
    show_broken(stored.rules)
    counted = codes_counted(export.findings).items()
    rows = [{"code": code, "records": number} for code, number in counted]
    show_table("Findings", rows, empty="None.")
    _show_changes(feed, stored, page, all_by=f"d118 preview {target} --json")


def approve(
    target: AnyName,
    plan_hash: Annotated[
        str, typer.Argument(help="The hash, or its first 8 characters.")
    ],
    reason: Annotated[str, typer.Option(help="Why this plan is right.")],
    is_run: Annotated[
        bool, typer.Option("--run", help="Carry it out at once, as d118 run does.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Release exactly one held plan, once, for a limited time."""
    project = Project.here()
    feed = named_feed(project, target)
    approval = release(feed, plan_hash, reason=reason, account=account())
    # An undo is carried out by another undo: a run would make another plan.
    again = "undo" if newest_plan(feed).run_id.startswith(UNDO) else feed.again
    if is_run:
        (undo if again == "undo" else run)(feed.name, as_json=as_json)
        return
    if as_json:
        show_json(approval)
        return
    until = local_time(approval.expires_at, project.district().zone)
    say(
        f"Plan {approval.plan_hash[:8]} of {feed.name} is released until {until}.\n"
        f"Carry it out: d118 {again} {feed.name}"
    )
