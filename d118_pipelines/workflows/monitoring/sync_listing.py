"""Syncs as other programs ask for them: status, times, statistics, a page of them.

Called by `console/`. A sync that was launched and has not begun is known to Dagster
alone; from its first step on it has a row in `sis_sync_runs`. Rule:
docs/reference/roster_database.md.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from d118_pipelines.roster.model.tables import sis_sync_runs
from d118_pipelines.roster.store.runs import stats_total
from d118_pipelines.workflows.monitoring.job_status import HELD
from d118_pipelines.workflows.runs.run_history import SeenRun

_WITHOUT_ROW = {
    "STARTED": "IN_PROGRESS",
    "CANCELING": "IN_PROGRESS",
    "SUCCESS": "SUCCESS",
    "FAILURE": "FAILURE",
    "CANCELED": "CANCELLED",
}


@dataclass(frozen=True, slots=True)
class Sync:
    """One sync of one provider. id: of the run. stats: entity -> counts."""

    id: str
    provider: str
    status: str
    started_at: dt.datetime
    completed_at: dt.datetime | None
    error: str
    is_manual: bool
    triggered_by: str
    stats: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it runs."""
        if self.completed_at is None:
            return None
        return round((self.completed_at - self.started_at).total_seconds(), 1)

    def total(self, *names: str) -> int:
        """The sum of counts over all entities."""
        return stats_total(self.stats, *names)


def syncs(
    connection: sa.Connection,
    seen: Sequence[SeenRun],
    providers: Collection[str] = (),
    run_id: str = "",
    *,
    limit: int = 1,
    offset: int = 0,
) -> tuple[list[Sync], int]:
    """A page of syncs, newest first, and how many there are.

    seen: Dagster's runs, newest first. providers: only of these; of all if empty.
    run_id: only of this run.
    """
    if run_id:
        seen = [one for one in seen if one.run_id == run_id]
    c = sis_sync_runs.c
    chosen = sa.select(sis_sync_runs).where(c.kind == "sync")
    if providers:
        chosen = chosen.where(c.provider_id.in_(providers))
    if run_id:
        chosen = chosen.where(c.run_id == run_id)
    waiting = list(_without_row(connection, seen, providers))
    counted = sa.select(sa.func.count()).select_from(chosen.subquery())
    total = int(connection.execute(counted).scalar_one()) + len(waiting)
    page = waiting[offset : offset + limit]
    rest = limit - len(page)
    if rest:
        rows = chosen.order_by(c.number.desc()).limit(rest)
        rows = rows.offset(max(offset - len(waiting), 0))
        page += [_of_row(row) for row in connection.execute(rows).mappings()]
    return page, total


def _without_row(
    connection: sa.Connection, seen: Sequence[SeenRun], providers: Collection[str]
) -> Iterator[Sync]:
    """Dagster's runs of providers that never came to their first step, or not yet."""
    ids = [one.run_id for one in seen]
    c = sis_sync_runs.c
    begun = {
        (row.run_id, row.provider_id)
        for row in connection.execute(
            sa.select(c.run_id, c.provider_id).where(c.run_id.in_(ids))
        )
    }
    for one in seen:
        for name in one.names:
            is_wanted = not providers or name in providers
            is_sync = one.kind == "run" and one.job == f"sync_{name}"
            if is_sync and is_wanted and (one.run_id, name) not in begun:
                yield Sync(
                    id=one.run_id,
                    provider=name,
                    status=_WITHOUT_ROW.get(one.status, "PENDING"),
                    started_at=one.started,
                    completed_at=one.ended,
                    error="",
                    is_manual=one.trigger not in ("schedule", "sensor"),
                    triggered_by=one.trigger,
                )


def _of_row(row: sa.RowMapping) -> Sync:
    error = str(row["error_message"] or "")
    return Sync(
        id=row["run_id"],
        provider=row["provider_id"],
        status=row["status"],
        started_at=row["started_at"],
        completed_at=row["completed_at"],
        error=HELD if row["status"] == "HELD" else error,
        is_manual=bool(row["is_manual"]),
        triggered_by=row["triggered_by"],
        stats=json.loads(row["stats_json"] or "{}"),
    )
