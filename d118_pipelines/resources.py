"""Dagster resources: the PowerSchool that the assets read.

Belongs here: thin wrappers. Not here: credentials; they stay in the environment and are
read when a run needs them, so neither the UI nor a run's configuration ever holds one.
"""

import dagster as dg

from d118_pipelines.config.project import Project
from d118_pipelines.sources.powerschool.source import PowerSchoolSource
from d118_pipelines.workflows.powerschool_source import powerschool_source


class PowerSchoolResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """PowerSchool as the environment names it: Oracle, CSV folder or demonstration."""

    def source(self, project: Project) -> PowerSchoolSource:
        """The source to read in this run. Raises: MissingSecretError."""
        return powerschool_source(project)
