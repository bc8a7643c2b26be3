"""The sync log of a run: one row per kind of finding, without a value of a person.

Called by `sync.py` after staging; the findings themselves are in `roster/staging`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from d118_pipelines.config.providers import Provider
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.roster.staging.staged import Staged
from d118_pipelines.roster.store.runs import add_logs, sync_run_id
from d118_pipelines.workflows.run import Run

if TYPE_CHECKING:
    import duckdb

_LEVELS = {"fatal": "ERROR", "reject": "WARNING", "warn": "WARNING", "info": "INFO"}


def write_log(
    run: Run, provider: Provider, duck: duckdb.DuckDBPyConnection, staged: Staged
) -> None:
    """Log the findings of a staged roster: how many of each code, where the first is."""
    with run.database.transaction() as connection:
        add_logs(
            connection,
            district=run.project.district().id,
            job_id=sync_run_id(run.run_id, provider.id),
            now=utc_now(),
            rows=_finding_rows(duck, staged),
        )


def _finding_rows(
    duck: duckdb.DuckDBPyConnection, staged: Staged
) -> list[dict[str, Any]]:
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
