"""One run for a program that watches it: `d118 status --job RUN`.

Called by `cli/status.py` and the console; what came of the run is in `run_history.py`,
how far it has come in `state/progress.py`. Rule: docs/reference/schedules.md, section
6.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from d118_pipelines.roster.model.tables import sis_sync_runs
from d118_pipelines.roster.store.runs import stats_total
from d118_pipelines.state import database as db
from d118_pipelines.state.progress import progress_of
from d118_pipelines.workflows.runs.run_history import DONE, PastRun, RunHistory

_WAITS = ("QUEUED", "NOT_STARTED", "STARTING")
_ENDED_WELL = (*DONE, "not sent", "waiting")
_FIRST = "Initializing job"
_STEPS = {"pending": _FIRST, "running": _FIRST, "completed": "Done"}
HELD = "held for review"


@dataclass(frozen=True, slots=True)
class JobStatus:
    """Its fields are the JSON form; times are in the zone that was asked for.

    status: pending, running, completed, failed, cancelled. total_processed: rows that
    were read, of a target rows of its files; total_failed: rejected ones and conflicts.
    """

    job_id: str
    status: str
    progress_percent: int
    current_step: str
    started_at: dt.datetime
    completed_at: dt.datetime | None
    duration_seconds: float | None
    total_processed: int
    total_created: int
    total_updated: int
    total_failed: int
    error: str | None


def job_status(
    connection: sa.Connection,
    history: RunHistory,
    entries: Sequence[PastRun],
    *,
    zone: dt.tzinfo,
    now: dt.datetime,
) -> JobStatus:
    """The status of a run. entries: its targets and providers."""
    run_id = entries[0].run_id
    status = _status(entries, history.status_in_dagster(run_id))
    progress = progress_of(connection, run_id)
    totals = _totals(connection, run_id)
    is_open = status in ("pending", "running")
    ends = [entry.ended for entry in entries if entry.ended]
    ended = max(ends) if ends and not is_open else None
    started = min(entry.started for entry in entries)
    reasons = (
        HELD if one.outcome == "held" else one.reason
        for one in entries
        if one.outcome not in _ENDED_WELL
    )
    error = next((reason for reason in reasons if reason), "")
    percent = progress.percent if progress else 0
    return JobStatus(
        job_id=run_id,
        status=status,
        progress_percent=100 if status == "completed" else min(percent, 99),
        current_step=progress.step if progress else _STEPS.get(status, ""),
        started_at=started.astimezone(zone),
        completed_at=ended.astimezone(zone) if ended else None,
        duration_seconds=round(((ended or now) - started).total_seconds(), 1),
        total_processed=totals["processed"]
        or (progress.rows if progress and is_open else 0),
        total_created=totals["created"],
        total_updated=totals["updated"],
        total_failed=totals["failed"],
        error=error or None if status in ("failed", "cancelled") else None,
    )


def _status(entries: Sequence[PastRun], seen_as: str) -> str:
    if seen_as in _WAITS:
        return "pending"
    outcomes = {entry.outcome for entry in entries}
    if "running" in outcomes:
        return "running"
    if outcomes <= set(_ENDED_WELL):
        return "completed"
    return "cancelled" if outcomes <= {"cancelled", *_ENDED_WELL} else "failed"


def _totals(connection: sa.Connection, run_id: str) -> Mapping[str, int]:
    """What the run's rows say: of providers their statistics, of targets their plans."""
    found = dict.fromkeys(("processed", "created", "updated", "failed"), 0)
    s, p = sis_sync_runs.c, db.plans.c
    kept = sa.select(s.stats_json).where(s.run_id == run_id)
    for text in connection.scalars(kept):
        stats = json.loads(text or "{}")
        found["processed"] += stats_total(stats, "fetched")
        found["created"] += stats_total(stats, "created")
        found["updated"] += stats_total(stats, "updated")
        found["failed"] += stats_total(stats, "errors", "conflicts")
    for counts in connection.scalars(sa.select(p.counts).where(p.run_id == run_id)):
        for file in counts.get("files", {}).values():
            found["processed"] += int(file["rows"])
            found["created"] += int(file["added"])
            found["updated"] += int(file["changed"])
    return found
