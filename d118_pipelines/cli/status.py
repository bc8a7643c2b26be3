"""`d118 status` and `d118 targets list`: did last night's files go out?

Called by the command line. What a line says is in `workflows/target_feed.py` and
`workflows/provider_feed.py`.
"""

from __future__ import annotations

from typing import Annotated

import typer

from d118_pipelines.cli.context import AsJson, local, named_provider, named_target
from d118_pipelines.cli.output import show_json, show_rows, show_table
from d118_pipelines.config.project import Project
from d118_pipelines.state.open import state_database
from d118_pipelines.targets.definition import read_targets
from d118_pipelines.workflows.provider_feed import ProviderFeed
from d118_pipelines.workflows.scim_state import scim_counts
from d118_pipelines.workflows.target_feed import TargetFeed

targets_app = typer.Typer(help="The targets of this project.", no_args_is_help=True)


@targets_app.callback()
def _targets() -> None:
    """The targets of this project."""


def status(
    target: Annotated[str | None, typer.Option(help="Only this target.")] = None,
    provider: Annotated[str | None, typer.Option(help="Only this provider.")] = None,
    files: Annotated[
        bool, typer.Option("--files", help="List the files sent.")
    ] = False,
    scim: Annotated[
        bool, typer.Option("--scim", help="Only users at the SCIM service provider.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what went out and what came in, when, and what to do if not."""
    project = Project.here()
    if scim:
        _show_users(project, as_json=as_json)
        return
    if provider:
        one = ProviderFeed(project, named_provider(project, provider)).state()
        if as_json:
            show_json(one)
        else:
            show_table("Status", [one.row])
        return
    wanted = [named_target(project, target)] if target else read_targets(project.root)
    states = [TargetFeed(project, one).state() for one in wanted]
    if as_json:
        show_json(states)
        return
    show_table("Status", [state.row for state in states], empty="No target.")
    providers = [p for p in project.providers() if p.model.enabled]
    if providers and not target:
        rows = [ProviderFeed(project, p).state().row for p in providers]
        show_table("Rosters in", rows)
    if files:
        rows = [
            {"target": s.target, **file, "where": s.destination}
            for s in states
            for file in s.file_rows
        ]
        show_table("Files of the last verified delivery", rows)


def _show_users(project: Project, *, as_json: bool) -> None:
    with state_database(project).transaction() as connection:
        counts = scim_counts(connection, project.district().id)
    counts["last_sync"] = local(project, counts["last_sync"])
    if as_json:
        show_json(counts)
    else:
        show_table("Users at the service provider", [counts])


@targets_app.command("list")
def targets_list(as_json: AsJson = False) -> None:
    """List the targets: files, destination, schedule, next run, last delivery."""
    project = Project.here()
    rows = []
    for target in read_targets(project.root):
        state = TargetFeed(project, target).state()
        schedule = target.model.schedule
        rows.append(
            {
                "target": target.name,
                "title": target.model.title,
                "files": target.names_sent,
                "destination": state.destination,
                "schedule": schedule.cron if schedule else "",
                "next_run": state.next_run,
                "last_delivery": state.last_delivery,
                "last_status": state.state,
            }
        )
    empty = "No target in mappings/targets."
    show_rows("Targets", rows, as_json=as_json, empty=empty)
