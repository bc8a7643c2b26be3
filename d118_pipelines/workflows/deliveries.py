"""Which of the two ways a target is delivered: its files as a set, or its users.

Called by the export, the delivery's asset and `d118 resend`; the ways are in
`file_set.py` and `scim.py`, what they share is in `deliver.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from d118_pipelines.config.project import Project
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.targets.definition import Target
from d118_pipelines.workflows.deliver import Delivery
from d118_pipelines.workflows.destinations import FileDestination, resolve
from d118_pipelines.workflows.file_set import FileSet
from d118_pipelines.workflows.scim import Users


def delivery_of(
    project: Project, target: Target, tell: Callable[[str], None] | None = None
) -> Delivery[Any]:
    """The target's way to its present destination; opens no connection.

    tell: is told of the progress. Raises: ConfigurationError for a bad address.
    """
    destination = resolve(project, target)
    if target.sends_users:
        return Users(project, target, destination, tell=tell)
    assert isinstance(destination, FileDestination)
    return FileSet(project, target, destination, tell=tell)


def file_set_of(project: Project, target: Target) -> FileSet:
    """As `delivery_of`. Raises: ConfigurationError for a target of users."""
    way = delivery_of(project, target)
    if isinstance(way, FileSet):
        return way
    raise ConfigurationError(
        f"{target.name} sends no files: {way.destination.label} gets its users one by "
        "one.",
        not_done="Nothing was sent.",
        next_step=f"Send what has changed: d118 run {target.name}",
    )
