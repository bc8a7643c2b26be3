"""A copy that was restored from a backup: locked, and what must be compared first.

Called by `workflows/upkeep/restore.py`, which locks it, `cli/restore.py` and
`workflows/targets/deliver.py`. The lock is a pause that only `d118 unlock` ends. Rules:
docs/reference/backup.md.
"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa

from d118_pipelines.state import audit, pauses
from d118_pipelines.state import database as db

OUTBOX = "outbox"
"""The destination on this machine: nobody else holds what went there."""


def lock_copy(
    connection: sa.Connection, *, backup_at: dt.datetime, actor: str, now: dt.datetime
) -> None:
    """Nothing is sent until `unlock`; every known destination is to be compared then."""
    connection.execute(db.sync_leases.delete())
    connection.execute(db.pauses.delete().where(db.pauses.c.name == pauses.RESTORED))
    reason = (
        f"This copy was restored from the backup of {backup_at:%Y-%m-%d %H:%M} UTC."
    )
    connection.execute(
        db.pauses.insert().values(
            name=pauses.RESTORED,
            until=pauses.NEVER,
            created_at=now,
            reason=reason,
            account=actor,
        )
    )
    connection.execute(db.uncompared.delete())
    d, e = db.deliveries.c, db.delivery_ledger.c
    known = sa.union(
        sa.select(d.target, d.destination).where(d.status.in_(db.COUNTS)),
        sa.select(e.target, e.destination),
    )
    rows = [
        {"target": row.target, "destination": row.destination, "backup_at": backup_at}
        for row in connection.execute(known)
        if row.destination != OUTBOX
    ]
    if rows:
        connection.execute(db.uncompared.insert(), rows)
    detail = f"backup of {backup_at.isoformat()}, {len(rows)} destinations to compare"
    _audit(connection, "restored", "*", actor, now, detail=detail)


def unlock(connection: sa.Connection, *, actor: str, now: dt.datetime) -> bool:
    """End the lock of the copy; False if there was none."""
    ended = connection.execute(
        db.pauses.delete().where(db.pauses.c.name == pauses.RESTORED)
    )
    if ended.rowcount:
        _audit(connection, "unlocked", "*", actor, now)
    return bool(ended.rowcount)


def is_uncompared(connection: sa.Connection, target: str, destination: str) -> bool:
    """Whether the first delivery to a destination waits for its comparison."""
    c = db.uncompared.c
    query = sa.select(c.target).where(c.target == target, c.destination == destination)
    return connection.execute(query).first() is not None


def settle(
    connection: sa.Connection,
    target: str,
    *,
    actor: str,
    now: dt.datetime,
    destination: str = "",
    reason: str = "",
) -> bool:
    """A target's destinations, or one of them, are as this copy knows them.

    reason: of the person who looked; empty if the files were compared here. Returns
    False if there was nothing to settle.
    """
    c = db.uncompared.c
    mine = c.target == target
    if destination:
        mine = sa.and_(mine, c.destination == destination)
    done = connection.execute(db.uncompared.delete().where(mine))
    if done.rowcount:
        detail = "" if reason else "the destination has the files of the last delivery"
        _audit(connection, "compared", target, actor, now, detail=detail, reason=reason)
    return bool(done.rowcount)


def _audit(
    connection: sa.Connection,
    action: str,
    subject: str,
    actor: str,
    now: dt.datetime,
    *,
    detail: str = "",
    reason: str = "",
) -> None:
    audit.record(
        connection,
        now=now,
        actor=actor,
        action=action,
        subject=subject,
        detail=detail,
        reason=reason,
    )
