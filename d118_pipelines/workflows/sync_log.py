"""The sync log of a run: one row per kind of finding, and one for what ended it.

Belongs here: what is written to `sync_logs`; codes, counts, files and lines, never a
value of a person. Not here: the findings themselves (`d118 findings`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from d118_pipelines.config.project import Project
from d118_pipelines.config.providers import Provider
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.roster.staging.staged import Staged
from d118_pipelines.roster.store.runs import add_logs, sync_run_id
from d118_pipelines.state.database import Database

if TYPE_CHECKING:
    import duckdb

_LEVELS = {"fatal": "ERROR", "reject": "WARNING", "warn": "WARNING", "info": "INFO"}


def finding_rows(
    duck: duckdb.DuckDBPyConnection, staged: Staged
) -> list[dict[str, Any]]:
    """The findings of a staged roster: entity, code, how many, where the first one is."""
    found = duck.execute(
        "SELECT entity, code, severity, sum(count)::BIGINT, "
        "arg_min(source_file, source_line), min(source_line) "
        "FROM read_parquet(?) GROUP BY ALL ORDER BY ALL",
        [str(staged.findings_file)],
    ).fetchall()
    return [
        {
            "level": _LEVELS[severity],
            "message": code,
            "record_type": entity,
            "details": {"rows": rows, "first_file": file, "first_line": line},
        }
        for entity, code, severity, rows, file, line in found
    ]


def write_log(
    project: Project,
    database: Database,
    provider: Provider,
    run_id: str,
    rows: Iterable[Mapping[str, Any]],
) -> None:
    """Append rows to the log of one provider's run."""
    with database.transaction() as connection:
        add_logs(
            connection,
            district=project.district().id,
            job_id=sync_run_id(run_id, provider.id),
            now=utc_now(),
            rows=rows,
        )
