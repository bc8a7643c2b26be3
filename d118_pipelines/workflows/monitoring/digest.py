"""The morning digest: what went out, what came in, what waits, who can correct what.

Called by the sensor `alert_sensor` and `d118 alerts digest`. Counts, names of files and
codes alone; no key and no value of a person.
Rule: docs/reference/alerts.md, digest.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from d118_pipelines.config.project import Project
from d118_pipelines.delivery.messages import Alert
from d118_pipelines.kernel.clock import day_time
from d118_pipelines.roster.model.tables import sis_sync_runs
from d118_pipelines.roster.store.runs import APPLIED, stats_total
from d118_pipelines.state import database as db
from d118_pipelines.state.open import state_database
from d118_pipelines.state.pauses import is_locked
from d118_pipelines.workflows.monitoring.all_feeds import (
    Feeds,
    State,
    cause_line,
    load_feeds,
)
from d118_pipelines.workflows.monitoring.findings import to_correct

KIND = "digest"
DAY = dt.timedelta(days=1)
_OF_ROSTER = ("created", "updated", "deactivated")


def digest_due(project: Project, now: dt.datetime) -> bool:
    """Whether today's digest is due and has not gone out."""
    settings, zone = project.district().alerts, project.district().zone
    local = now.astimezone(zone)
    if not settings.digest or local.time() < dt.time.fromisoformat(settings.digest):
        return False
    with state_database(project).reading() as connection:
        if is_locked(connection):
            return False
    last = _last_sent(project)
    return last is None or last.astimezone(zone).date() < local.date()


def make_digest(project: Project, states: Sequence[State], now: dt.datetime) -> Alert:
    """The digest since the last one, at most of a week; of the last day at first."""
    since = max(_last_sent(project) or now - DAY, now - 7 * DAY)
    feeds = load_feeds(project)
    waits = [cause_line(state) for state in states if state.standing.exit_code]
    parts = {
        "Went out": list(_went_out(project, since)),
        "Came in": list(_came_in(project, since)),
        "Waits for a person": waits,
        "To correct": list(_to_correct(project, feeds)),
    }
    lines = [
        line
        for title, found in parts.items()
        for line in (f"{title}:", *(f"  {one}" for one in found or ["nothing"]))
    ]
    title = (
        f"{project.district().name}: {len(parts['Went out'])} went out, "
        f"{len(parts['Came in'])} came in, {len(waits)} "
        f"{'waits' if len(waits) == 1 else 'wait'} for a person"
    )
    return Alert(KIND, KIND, title, "\n".join(lines))


def note_digest(project: Project, now: dt.datetime) -> None:
    """Remember that the digest went out."""
    row = {"cause": KIND, "kind": KIND, "title": "", "run_id": "", "feeds": []}
    with state_database(project).transaction() as connection:
        connection.execute(db.alerts.delete().where(db.alerts.c.cause == KIND))
        connection.execute(db.alerts.insert().values(**row, sent_at=now))


def _last_sent(project: Project) -> dt.datetime | None:
    sent = sa.select(db.alerts.c.sent_at).where(db.alerts.c.cause == KIND)
    with state_database(project).reading() as connection:
        return connection.scalar(sent)


def _went_out(project: Project, since: dt.datetime) -> Iterator[str]:
    zone, d = project.district().zone, db.deliveries.c
    query = (
        sa.select(db.deliveries)
        .where(d.status.in_(db.COUNTS), d.finished_at > since)
        .order_by(d.number)
    )
    with state_database(project).reading() as connection:
        for row in connection.execute(query):
            files = [f"{file['name']} {file['rows']:,} rows" for file in row.files]
            at = day_time(row.finished_at.astimezone(zone), since)
            again = " (sent again)" if row.resend_of else ""
            yield f"{row.target} {at}{again}: {', '.join(files) or row.status}"


def _came_in(project: Project, since: dt.datetime) -> Iterator[str]:
    zone, s = project.district().zone, sis_sync_runs.c
    query = (
        sa.select(sis_sync_runs)
        .where(s.status.in_(APPLIED), s.completed_at > since)
        .order_by(s.number)
    )
    with state_database(project).reading() as connection:
        for row in connection.execute(query):
            stats = json.loads(row.stats_json or "{}")
            counts = ", ".join(
                f"{stats_total(stats, kind):,} {kind}" for kind in _OF_ROSTER
            )
            at = day_time(row.completed_at.astimezone(zone), since)
            yield f"{row.provider_id} {at}: {row.status}, {counts}"


def _to_correct(project: Project, feeds: Feeds) -> Iterator[str]:
    """The findings that a person can correct, by whom: code, number, what to do."""
    for who, rows in to_correct(project, feeds).items():
        yield f"{who}:"
        for row in rows:
            line = f"  {row['of']}: {row['records']:,} {row['code']}"
            yield f"{line}. {row['to_do']}" if row["to_do"] else line
