"""`d118 prune`: remove what is older than `retention:` of config/district.yaml says.

Called by the command line; the same happens once a day by the job `cleanup_old_jobs`.
What goes and what stays is in `workflows/upkeep/retention.py`.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from d118_pipelines.cli.context import AsJson
from d118_pipelines.cli.output import say, show_json, show_lines
from d118_pipelines.config.project import Project
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.workflows.runs.run import account


def prune(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would go.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Remove what is kept for longer than config/district.yaml says; erase who left."""
    from d118_pipelines.instance import dagster_instance, remove_old_runs
    from d118_pipelines.workflows.upkeep import retention

    project = Project.here()
    with dagster_instance(project) as instance:
        done = retention.prune(
            project,
            now=utc_now(),
            actor=account(),
            old_runs=partial(remove_old_runs, instance, project),
            is_dry=dry_run,
        )
    if as_json:
        show_json(done)
        return
    word = "would go" if dry_run else "removed"
    rows = [
        {
            "class": one.kind,
            "days": one.days,
            word: one.removed,
            "MB": round(one.size_bytes / 1e6, 1),
            "older, but kept": one.kept or "",
        }
        for one in done
    ]
    show_lines("Retention", rows)
    say("What each class is, and what never goes: docs/reference/retention.md")
