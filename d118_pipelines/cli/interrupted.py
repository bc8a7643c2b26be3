"""Ctrl-C: what a command says that was stopped by hand, and what had happened by then.

Called by `app.py`. What it says was sent comes from the state database, not from where
the command stood.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

import sqlalchemy as sa

from d118_pipelines.config.project import Project
from d118_pipelines.errors import D118Error
from d118_pipelines.roster.model.tables import sis_sync_runs
from d118_pipelines.state import database as db
from d118_pipelines.state.open import state_database

CODE = 130  # as shells report a program that SIGINT ended
NOTHING = "Interrupted; nothing was sent."


def interrupted(
    project: Project, words: Collection[str], since: dt.datetime
) -> D118Error:
    """The error of a command that was stopped: what was sent or changed, and what not.

    words: its arguments; the targets and providers among them are asked for.
    """
    try:
        done = _done(project, words, since)
    except D118Error:
        done = ["It cannot be said whether anything was sent: see d118 status."]
    error = D118Error("\n".join(["Interrupted.", *done]) if done else NOTHING)
    error.exit_code = CODE
    return error


def _done(project: Project, words: Collection[str], since: dt.datetime) -> list[str]:
    """A sentence for each delivery and sync that the command had begun."""
    d, s = db.deliveries.c, sis_sync_runs.c
    with state_database(project).reading() as connection:
        sent = connection.execute(
            sa.select(d.id, d.target, d.destination, d.status).where(
                d.target.in_(words), d.started_at >= since
            )
        ).all()
        synced = connection.execute(
            sa.select(s.provider_id).where(
                s.provider_id.in_(words),
                s.started_at >= since,
                s.status.in_(("SUCCESS", "PARTIAL")),
            )
        ).all()
        users = {
            one.id: connection.scalar(
                sa.select(sa.func.count()).where(
                    db.delivery_ledger.c.last_delivery == one.id
                )
            )
            for one in sent
        }
    done = [f"The roster was already changed by {row.provider_id}." for row in synced]
    for one in sent:
        name, place = one.target, one.destination
        if one.status in db.COUNTS:
            how = "not read back" if one.status == db.NOT_READ_BACK else "read back"
            done.append(f"{name} was already sent to {place} and {how}.")
            continue
        kept = f" {users[one.id]:,} users were confirmed." if users[one.id] else ""
        done.append(
            f"{name} was being sent to {place}: files there may be new, or incomplete. "
            f"It does not count as delivered.{kept} Send it again: d118 run {name}"
        )
    return done
