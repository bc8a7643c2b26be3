"""Dagster resources: the run that the assets belong to, and PowerSchool.

Wired in `definitions.py`. Credentials stay in the environment and are read when a run needs
them, so neither the UI nor a run's configuration ever holds one.
"""

from collections.abc import Iterator

import dagster as dg

from d118_pipelines.config.project import Project
from d118_pipelines.sources.powerschool.source import PowerSchoolSource
from d118_pipelines.workflows.powerschool_source import powerschool_source
from d118_pipelines.workflows.run import Run, actor_of


@dg.resource(
    required_resource_keys={"project"},
    description="What the steps of a run share: the project as read once, and the leases "
    "of its providers and targets, given back when the run ends.",
)
def run_resource(context: dg.InitResourceContext) -> Iterator[Run]:
    """The run, held open from its first step to its end, however it ends."""
    assert context.run is not None
    project: Project = context.resources.project
    run = Run(project.fresh(), context.run.run_id, actor_of(context.run.tags))
    with run.leases:
        yield run


class PowerSchoolResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """PowerSchool as the environment names it: Oracle, CSV folder or demonstration."""

    def source(self, project: Project) -> PowerSchoolSource:
        """The source to read in this run. Raises: MissingSecretError."""
        return powerschool_source(project)
