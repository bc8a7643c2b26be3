"""Which PowerSchool is read: the database, a folder of CSV files, or made-up people.

Called by `provider_sources.py` for a roster, by `assets/pulls.py` for single queries.
How each source reads is in `sources/powerschool`.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable
from pathlib import Path

from d118_pipelines.config.project import Project, environment_value
from d118_pipelines.config.providers import PowerSchoolProvider, Provider
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.kernel.shipped import files_of
from d118_pipelines.roster.staging.powerschool import RAW_COLLECTIONS
from d118_pipelines.sources.powerschool.pull import QueriesSource
from d118_pipelines.sources.powerschool.source import PowerSchoolSource, Query
from d118_pipelines.sources.pull import Progress, Pull, find_pull, run_pull
from d118_pipelines.targets.definition import Target, read_targets

SYSTEM = "powerschool"  # the second segment of the asset keys of its queries


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
    """The files of `sql/powerschool/`, own and shipped, ordered by name."""
    return files_of(project.root, "sql/powerschool", "*.sql")


def target_queries(
    project: Project, targets: Iterable[Target], providers: Iterable[Provider]
) -> list[Query]:
    """The queries that targets read and no roster of an enabled provider does, by name."""
    wanted = {
        entity
        for target in targets
        for layer, system, entity in target.reads
        if (layer, system) == ("raw", SYSTEM)
    }
    if any(_is_roster(provider) and provider.id == SYSTEM for provider in providers):
        wanted -= set(RAW_COLLECTIONS)
    return [Query.read(path) for path in query_files(project) if path.stem in wanted]


def _in_use(project: Project) -> list[Path]:
    """The query files that a target or an enabled provider reads."""
    enabled = [one for one in project.providers() if one.model.enabled]
    queries = target_queries(
        project, read_targets(project.root, project.district().targets), enabled
    )
    names = {query.name for query in queries}
    if any(_is_roster(provider) for provider in enabled):
        names |= set(RAW_COLLECTIONS)
    return [path for path in query_files(project) if path.stem in names]


def _is_roster(provider: Provider) -> bool:
    return isinstance(provider.model, PowerSchoolProvider)


def read_query(project: Project, name: str) -> Query:
    """The query of one raw extract."""
    return Query.read(project.file(f"sql/powerschool/{name}.sql"))


def query_columns(project: Project, name: str) -> dict[str, str]:
    """The columns that a query promises, with their DuckDB types.

    Raises: ConfigurationError, QueryError for a query that does not fit the schema.
    """
    from d118_pipelines.sources.powerschool.schema import expected_schema

    kinds = {"int64": "BIGINT", "double": "DOUBLE", "string": "VARCHAR"}
    kinds["timestamp[us]"] = "TIMESTAMP"
    return {
        field.name: kinds.get(
            str(field.type), str(field.type).replace("decimal128", "DECIMAL")
        )
        for field in expected_schema(read_query(project, name))
    }


def roster_queries(project: Project) -> QueriesSource:
    """Every query of a roster, to be pulled from one moment. Raises: MissingSecretError."""
    queries = [read_query(project, name) for name in RAW_COLLECTIONS]
    return QueriesSource(powerschool_source(project), queries)


def extract(
    project: Project,
    query: Query,
    *,
    run_id: str,
    on_progress: Progress = lambda name, rows, pages, seconds: None,
) -> Pull:
    """Pull one query for a target; no roster is ever staged from it.

    Raises: MissingSecretError; what `QueriesSource.pull` raises. The newest complete
    extract then stays the newest.
    """
    return run_pull(
        QueriesSource(powerschool_source(project), [query]),
        project.folder("raw", SYSTEM, query.name),
        provider=SYSTEM,
        run_id=run_id,
        now=utc_now(),
        on_progress=on_progress,
    )


def extract_command(name: str) -> str:
    """The command that makes one extract. name: `raw/powerschool/<query>`."""
    command = "dagster asset materialize -m d118_pipelines.definitions"
    return f"{command} --select 'key:\"{name}\"'"


def find_extract(
    project: Project, system: str, name: str, run_id: str | None = None
) -> Pull | None:
    """The rows `raw/<system>/<name>` that the run made, else the newest; None without.

    They are an extract of one query, or part of a pull of the whole roster.
    """
    folder = project.home / "raw" / system
    places = (folder / name, folder)
    pulls = [pull for place in places if (pull := find_pull(place, run_id=run_id))]
    return max(
        (pull for pull in pulls if name in pull.collections),
        key=lambda pull: (pull.run_id == run_id, pull.folder.name),
        default=None,
    )
