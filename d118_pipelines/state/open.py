"""Opening the state database of a project."""

from __future__ import annotations

from d118_pipelines.config.project import Project
from d118_pipelines.state.database import Database


def state_database(project: Project) -> Database:
    """The state database of the project's `D118_HOME`."""
    return Database(project.home / "d118.sqlite")
