"""How far a run has come: one row for each of its targets and providers.

Written by `workflows/runs/run.py`, read by `workflows/monitoring/job_status.py`. Rule:
docs/reference/schedules.md, section 6.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from d118_pipelines.state.database import sync_progress


@dataclass(frozen=True, slots=True)
class Progress:
    """Of a whole run: percent done, what it does now, rows read so far."""

    percent: int
    step: str
    rows: int


def begin_progress(
    connection: sa.Connection, run_id: str, names: Iterable[str], now: dt.datetime
) -> None:
    """Make the rows of a run that has none yet, at 0 percent."""
    c = sync_progress.c
    known = connection.scalars(sa.select(c.name).where(c.run_id == run_id)).all()
    rows = [
        {"run_id": run_id, "name": name, "percent": 0, "rows": 0, "updated_at": now}
        for name in dict.fromkeys(names)
        if name not in known
    ]
    if rows:
        connection.execute(sync_progress.insert().values(step="Initializing job"), rows)


def note_progress(
    connection: sa.Connection,
    run_id: str,
    name: str,
    noted: Progress,
    now: dt.datetime,
) -> None:
    """Move one row; its percent and its rows never fall."""
    c = sync_progress.c

    def risen(column: sa.Column[int], value: int) -> sa.Case[int]:
        return sa.case((column > value, column), else_=value)

    connection.execute(
        sync_progress.update()
        .where(c.run_id == run_id, c.name == name)
        .values(
            percent=risen(c.percent, noted.percent),
            rows=risen(c.rows, noted.rows),
            step=noted.step,
            updated_at=now,
        )
    )


def progress_of(connection: sa.Connection, run_id: str) -> Progress | None:
    """The mean of a run's rows, with the newest step; None for a run without any."""
    c = sync_progress.c
    rows = connection.execute(
        sa.select(c.percent, c.step, c.rows)
        .where(c.run_id == run_id)
        .order_by(c.updated_at.desc(), c.percent.desc())
    ).all()
    if not rows:
        return None
    percent = sum(row.percent for row in rows) // len(rows)
    return Progress(percent, rows[0].step, sum(row.rows for row in rows))
