"""The audit log: who did what to what, when and why. Rows are added, never changed.

Called by whatever changes something, inside the transaction of the change, and by
`cli/audit.py`. Triggers of the database refuse updates and deletes. Rules and actions:
docs/reference/audit.md.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa

from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.kernel.text import printable
from d118_pipelines.state.database import Database, audit_log

COLUMNS = (
    *("at", "actor", "action", "object"),
    *("detail", "hash_before", "hash_after", "reason"),
)
LONGEST = 500
"""Characters of a text that a person typed or a program sent; the rest is cut."""


def record(
    connection: sa.Connection,
    *,
    now: dt.datetime,
    actor: str,
    action: str,
    subject: str,
    detail: str = "",
    before: str = "",
    after: str = "",
    reason: str = "",
) -> None:
    """Append one row.

    subject: what it was done to (the column `object`): a target, a provider, a file.
    detail: counts and ids only, never a person's data. before, after: hashes of the
    object. reason: a person's words.
    """
    values = {
        "actor": actor,
        "action": action,
        "object": subject,
        "detail": detail,
        "hash_before": before,
        "hash_after": after,
        "reason": reason,
    }
    texts = {name: printable(value)[:LONGEST] for name, value in values.items()}
    connection.execute(audit_log.insert().values(at=now, **texts))


def record_alone(
    database: Database, *, now: dt.datetime | None = None, **row: str
) -> None:
    """Append one row, as `record`, in a transaction of its own.

    For what is changed outside the state database: files, other databases.
    """
    with database.transaction() as connection:
        record(connection, now=now or utc_now(), **row)


def entries(
    connection: sa.Connection,
    *,
    since: dt.datetime | None = None,
    actor: str = "",
    action: str = "",
    subject: str = "",
    limit: int | None = None,
) -> list[dict[str, Any]]:
    """The rows that match every filter that is given, newest first: COLUMNS.

    actor, action and subject match from their beginning: `ui` finds `ui/jane`.
    """
    c = audit_log.c
    query = sa.select(*(c[name] for name in COLUMNS)).order_by(c.id.desc())
    if since is not None:
        query = query.where(c.at >= since)
    for column, wanted in ((c.actor, actor), (c.action, action), (c.object, subject)):
        if wanted:
            query = query.where(column.startswith(wanted, autoescape=True))
    return [dict(row._mapping) for row in connection.execute(query.limit(limit))]


def last_of(
    connection: sa.Connection, action: str, subject: str
) -> dict[str, Any] | None:
    """The newest row of exactly this action and object, or None."""
    c = audit_log.c
    query = (
        sa.select(*(c[name] for name in COLUMNS))
        .where(c.action == action, c.object == subject)
        .order_by(c.id.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    return dict(row._mapping) if row else None
