"""What most commands need: the project, the named target, the times as people read them."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer

from d118_pipelines.configuration import Project
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.stored_plans import StoredPlan, latest_plan
from d118_pipelines.targets.definition import Target, read_targets

TargetName = Annotated[str, typer.Argument(help="A target; see d118 targets list.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV.")]


def named_target(project: Project, name: str) -> Target:
    """The target of that name. Raises: ConfigurationError listing the names."""
    targets = {target.name: target for target in read_targets(project.root)}
    if name not in targets:
        raise ConfigurationError(
            f"There is no target {name}.",
            rule=f"The targets are: {', '.join(targets)}.",
            next_step="d118 targets list",
        )
    return targets[name]


def newest_plan(project: Project, target: Target) -> StoredPlan:
    """The target's newest plan. Raises: ConfigurationError if there is none yet."""
    from d118_pipelines.ops.export import state_database

    with state_database(project).transaction() as connection:
        plan = latest_plan(connection, target.name)
    if plan is None:
        raise ConfigurationError(
            f"{target.name} has no plan yet.",
            next_step=f"Make one: d118 run {target.name}",
        )
    return plan


def local(project: Project, moment: dt.datetime | None) -> dt.datetime | None:
    """The moment in the district's time zone."""
    return moment.astimezone(project.district().zone) if moment else None
