"""Which PowerSchool is read: the database, a folder of CSV files, or made-up people.

Belongs here: the choice by environment. Not here: how each source reads.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable
from pathlib import Path

from d118_pipelines.config.project import Project, environment_value
from d118_pipelines.config.providers import (
    PowerSchoolProvider,
    Provider,
    read_providers,
)
from d118_pipelines.roster.staging.powerschool import RAW_COLLECTIONS
from d118_pipelines.sources.powerschool.source import PowerSchoolSource, Query
from d118_pipelines.targets.definition import Target, read_targets


def powerschool_source(project: Project) -> PowerSchoolSource:
    """The source that the environment names.

    `POWERSCHOOL_PROD_DB` set: Oracle. Else `POWERSCHOOL_CSV_DIR` set: that folder. Else
    the demonstration district below `D118_HOME`, generated if it is not there yet.
    Raises: MissingSecretError if Oracle's user or password is not set.
    """
    database = os.environ.get("POWERSCHOOL_PROD_DB", "")
    if database:
        from d118_pipelines.sources.powerschool.oracle import OracleSource

        needed = "reading PowerSchool's database"
        return OracleSource(
            user=environment_value("POWERSCHOOL_READ_USER", needed_for=needed),
            password=environment_value("POWERSCHOOL_DB_PASSWORD", needed_for=needed),
            dsn=database,
        )
    from d118_pipelines.sources.powerschool.embedded import EmbeddedSource

    named = os.environ.get("POWERSCHOOL_CSV_DIR", "")
    folder = Path(named) if named else demonstration_folder(project)
    return EmbeddedSource(
        folder, cache=project.home / "cache", queries=lambda: _in_use(project)
    )


def demonstration_folder(project: Project) -> Path:
    """The demonstration district's folder, generated on first use."""
    folder = project.folder("demo") / "powerschool"
    if not folder.is_dir():
        from d118_pipelines.demo.district import make_demo_district

        today = dt.datetime.now(project.district().zone).date()
        make_demo_district(folder, today=today)
    return folder


def query_files(project: Project) -> list[Path]:
    """The files of `sql/powerschool/`, ordered by name."""
    return sorted((project.root / "sql/powerschool").glob("*.sql"))


def queries_in_use(
    project: Project, targets: Iterable[Target], providers: Iterable[Provider]
) -> list[Path]:
    """The queries that a target or an enabled provider reads, ordered by name."""
    wanted = {
        entity
        for target in targets
        for layer, system, entity in target.reads
        if (layer, system) == ("raw", "powerschool")
    }
    if any(isinstance(p.model, PowerSchoolProvider) for p in providers):
        wanted |= set(RAW_COLLECTIONS)
    return [path for path in query_files(project) if path.stem in wanted]


def _in_use(project: Project) -> list[Path]:
    targets = read_targets(project.root)
    enabled = [p for p in read_providers(project.root) if p.model.enabled]
    return queries_in_use(project, targets, enabled)


def read_query(project: Project, name: str) -> Query:
    """The query of one raw extract."""
    return Query.read(project.root / "sql/powerschool" / f"{name}.sql")
