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
from d118_pipelines.config.quarantine import STATE
from d118_pipelines.state.open import state_database
from d118_pipelines.workflows.all_feeds import load_feeds
from d118_pipelines.workflows.provider_feed import (
    ProviderFeed,
    ProviderState,
    misconfigured_provider,
)
from d118_pipelines.workflows.scim_state import scim_counts
from d118_pipelines.workflows.target_feed import (
    TargetFeed,
    TargetState,
    misconfigured_target,
)

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
        [one] = provider_states(project, provider)
        if as_json:
            show_json(one)
        else:
            show_table("Status", [one.row])
        return
    states = _target_states(project, target)
    if as_json:
        show_json(states)
        return
    show_table("Status", [state.row for state in states], empty="No target.")
    providers = [] if target else provider_states(project)
    rows = [s.row for s in providers if s.enabled or s.last_status == STATE]
    if rows:
        show_table("Rosters in", rows)
    if files:
        rows = [
            {"target": s.target, **file, "where": s.destination}
            for s in states
            for file in s.file_rows
        ]
        show_table("Files of the last verified delivery", rows)


def _target_states(project: Project, name: str | None = None) -> list[TargetState]:
    """All targets by name, or the named one; those that are misconfigured too."""
    feeds = load_feeds(project)
    broken = [one for one in feeds.broken if one.kind == "target"]
    if name and name not in [one.name for one in broken]:
        return [TargetFeed(project, named_target(project, name)).state()]
    sound = [TargetFeed(project, one).state() for one in feeds.targets]
    states = [*sound, *(misconfigured_target(project, one) for one in broken)]
    return sorted(
        (s for s in states if name in (None, s.target)), key=lambda s: s.target
    )


def provider_states(project: Project, name: str | None = None) -> list[ProviderState]:
    """All providers, or the named one; those that are misconfigured come last."""
    feeds = load_feeds(project)
    broken = [one for one in feeds.broken if one.kind == "provider"]
    if name and name not in [one.name for one in broken]:
        return [ProviderFeed(project, named_provider(project, name)).state()]
    sound = [ProviderFeed(project, one).state() for one in feeds.providers]
    states = [*sound, *(misconfigured_provider(project, one) for one in broken)]
    return [s for s in states if name in (None, s.provider)]


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
    sound = {target.name: target for target in load_feeds(project).targets}
    rows = []
    for state in _target_states(project):
        target = sound.get(state.target)
        schedule = target.model.schedule if target else None
        rows.append(
            {
                "target": state.target,
                "title": target.model.title if target else "",
                "files": target.names_sent if target else [],
                "destination": state.destination,
                "schedule": schedule.cron if schedule else "",
                "next_run": state.next_run,
                "last_delivery": state.last_delivery,
                "last_status": state.state,
            }
        )
    empty = "No target in mappings/targets."
    show_rows("Targets", rows, as_json=as_json, empty=empty)
