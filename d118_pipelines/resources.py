"""The Dagster resource of a run: what its steps share.

Wired in `definitions.py`, taken by every asset. Credentials are not in it: they stay in the
environment and are read when a run needs them, so the UI never holds one.
"""

from collections.abc import Iterator

import dagster as dg

from d118_pipelines.config.project import Project
from d118_pipelines.workflows.run import Run, actor_of


@dg.resource(
    required_resource_keys={"project"},
    description="What the steps of a run share: the project as read once, and the leases "
    "of its providers and targets, given back when the run ends.",
)
def run_resource(context: dg.InitResourceContext) -> Iterator[Run]:
    """The run, held open from its first step to its end, however it ends."""
    assert context.run is not None and context.log is not None
    project: Project = context.resources.project
    actor, warn = actor_of(context.run.tags), context.log.warning
    run = Run(project.fresh(), context.run.run_id, actor, warn=warn)
    with run.leases:
        yield run
