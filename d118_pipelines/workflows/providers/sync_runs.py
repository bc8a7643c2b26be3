"""One step of a provider's run: its lease, its row in `sis_sync_runs`, its log, its end.

Called by `sync.py`, which does the work of the steps, and by the sensor that tidies up.
Statuses: docs/reference/roster_database.md, runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d118_pipelines.config.crons import crons_shown
from d118_pipelines.config.project import Project
from d118_pipelines.config.providers import Provider
from d118_pipelines.errors import D118Error, HeldError, WaitingError
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.kernel.outages import NamedOutages
from d118_pipelines.roster.store import runs as history
from d118_pipelines.state.database import Database
from d118_pipelines.state.leases import is_held
from d118_pipelines.state.open import state_database
from d118_pipelines.workflows.runs.run import Run
from d118_pipelines.workflows.runs.run_events import RunEvent, tell_event

if TYPE_CHECKING:
    import duckdb
    import sqlalchemy as sa

LOGGED_RECORDS = 100
"""Of each code of an entity; all of them are in the staged roster's findings."""
KILLED = "The run ended before the apply: its process was killed, or only a part ran."
_LEVELS = {"fatal": "ERROR", "reject": "WARNING", "warn": "WARNING", "info": "INFO"}


@contextmanager
def sync_step(run: Run, provider: Provider) -> Iterator[Database]:
    """Keep the provider's row true while the block runs; its first step opens it.

    The run holds the provider's lease from then on. An error closes the row as FAILURE
    or HELD, an interruption as CANCELLED; the row stays open after a block that ended
    well.
    Raises: BusyError if another run of the provider is active; PausedError; FatalError
    if this one has ended.
    """
    with run.database.reading() as connection:
        # A run that was given up must not take the lease from its successor.
        history.refuse_ended(connection, provider=provider.id, run_id=run.run_id)
    try:
        with NamedOutages():
            if run.hold(provider.id):
                _open(run, provider)
            yield run.database
    except BaseException as exc:
        close_failed(run, provider, exc)
        raise


def close_failed(
    run: Run, provider: Provider, exc: BaseException, plan_hash: str | None = None
) -> None:
    """End a run's row as what ended it says: HELD, WAITING, FAILURE or CANCELLED."""
    if isinstance(exc, D118Error):
        words = {HeldError: "HELD", WaitingError: "WAITING"}
        status = words.get(type(exc), "FAILURE")
        text = exc.what
    elif isinstance(exc, Exception):
        # Only the class: the text may carry a person's data.
        status, text = "FAILURE", f"internal.{type(exc).__name__}"
    else:
        status, text = "CANCELLED", "The run was ended from outside."
    close_row(run, provider, status, text, plan_hash)


def close_lost_runs(project: Project, provider: str) -> int:
    """Close the provider's open rows whose process is gone. Returns how many."""
    # In one transaction: no run can begin in between.
    with state_database(project).transaction() as connection:
        if is_held(connection, provider):
            return 0  # a run is active, and its row belongs to it
        return history.close_open_runs(
            connection, provider=provider, now=utc_now(), error=KILLED
        )


def mirror(project: Project, database: Database) -> None:
    """Bring `sis_providers` up to date with `config/providers.yaml`."""
    entries = [
        history.Provider(
            id=provider.id,
            provider_type=provider.model.type,
            name=provider.model.name,
            enabled=provider.model.enabled,
            sync_schedule=crons_shown(provider.model.schedule),
            # Equal priorities: the order of the file decides.
            priority=provider.model.priority * 1000 + place,
            entry_hash=provider.fingerprint,
        )
        for place, provider in enumerate(project.providers())
    ]
    kept = [one.name for one in project.broken_providers()]
    with database.transaction() as connection:
        history.mirror_providers(connection, project.district().id, entries, keep=kept)


def _open(run: Run, provider: Provider) -> None:
    mirror(run.project, run.database)
    with run.database.transaction() as connection:
        history.close_open_runs(
            connection,
            provider=provider.id,
            now=utc_now(),
            error=KILLED,
            but=run.run_id,
        )
        history.open_run(
            connection,
            district=run.project.district().id,
            provider=provider.id,
            run_id=run.run_id,
            now=utc_now(),
            actor=run.actor,
        )


def close_row(
    run: Run, provider: Provider, status: str, error: str, plan_hash: str | None = None
) -> None:
    """End the row of the run if it is still open."""
    ended = RunEvent(provider.id, run.run_id, status, error=error, pings=False)
    with run.database.transaction() as connection:
        end_row(connection, run.project, provider, ended, plan_hash)


def end_row(
    connection: sa.Connection,
    project: Project,
    provider: Provider,
    ended: RunEvent,
    plan_hash: str | None = None,
) -> None:
    """End the row of a run that is still open, and tell of it."""
    is_closed = history.close_run(
        connection,
        provider=provider.id,
        run_id=ended.run_id,
        status=ended.status,
        now=utc_now(),
        stats=ended.stats or None,
        error=ended.error or None,
        plan_hash=plan_hash,
    )
    if is_closed:
        tell_event(connection, project, provider.model, ended)


def write_log(
    run: Run, provider: Provider, duck: duckdb.DuckDBPyConnection, findings: Path
) -> None:
    """Log the findings of a staged roster, or of files.

    Of each code the first records, and how many more there are.
    """
    rows = _finding_rows(duck, findings)
    with run.database.transaction() as connection:
        history.name_records(connection, provider.id, rows)
        history.add_logs(
            connection,
            district=run.project.district().id,
            job_id=history.sync_run_id(run.run_id, provider.id),
            now=utc_now(),
            rows=rows,
        )


def _finding_rows(
    duck: duckdb.DuckDBPyConnection, findings: Path
) -> list[dict[str, Any]]:
    found = duck.execute(
        "SELECT entity, code, severity, field, source_file, source_line, external_id, "
        "count::BIGINT, sum(count) OVER (PARTITION BY entity, code, severity)::BIGINT, "
        "row_number() OVER (PARTITION BY entity, code, severity "
        "ORDER BY source_file, source_line, external_id) AS place "
        "FROM read_parquet(?) QUALIFY place <= ? ORDER BY entity, code, severity, place",
        [str(findings), LOGGED_RECORDS],
    ).fetchall()
    rows: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    totals: dict[tuple[str, ...], int] = {}
    for entity, code, severity, field, file, line, key, count, total, _ in found:
        kind = (entity, code, severity)
        place = {"field": field or None, "file": file, "line": line, "rows": count}
        rows.setdefault(kind, []).append(_log_row(kind, key or None, place))
        totals[kind] = total
    for group, total in totals.items():
        told = sum(row["details"]["rows"] for row in rows[group])
        if total > told:
            more = {"field": None, "file": None, "line": None, "rows": total - told}
            rows[group].append(_log_row(group, None, more))
    return [row for several in rows.values() for row in several]


def _log_row(
    kind: tuple[str, ...], key: str | None, place: dict[str, Any]
) -> dict[str, Any]:
    entity, code, severity = kind
    return {
        "level": _LEVELS[severity],
        "message": code,
        "record_type": entity,
        "external_id": key,
        "record_id": None,
        "details": place,
    }
