"""The outbox of webhooks: what waits to be sent, to whom, and what came of it.

Filled by `workflows/monitoring/webhooks.py` in the transaction of the event, emptied by
its sender. Rule: docs/reference/webhooks.md, delivery.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from d118_pipelines.config.hearing import FINAL, PROGRESS
from d118_pipelines.state.database import webhook_outbox, webhook_runs

BACK_OFF = (10, 60, 300)
"""Seconds before the second, third and fourth attempt; then the entry is dead."""
CLAIMED = dt.timedelta(seconds=60)
"""A sender that was killed left its entry; so long nobody else takes it."""
PING = "ping"
c = webhook_outbox.c


def add_entry(
    connection: sa.Connection,
    *,
    name: str,
    run_id: str,
    event: str,
    url: str,
    secret: str,
    body: Mapping[str, Any],
    now: dt.datetime,
) -> bool:
    """Enter one message for one receiver; False if it is there already.

    Of the events that end a run, a receiver gets the first one only.
    """
    mine = sa.and_(c.run_id == run_id, c.name == name, c.url == url)
    if event in FINAL:
        same = sa.and_(mine, c.event.in_(FINAL))
    else:
        # What is noted behind the end of a run is no news.
        same = sa.and_(mine, c.event.in_([event, *FINAL]))
    known = connection.execute(sa.select(c.event, c.body).where(same)).all()
    if any(one.event != PROGRESS or one.body == body for one in known):
        return False
    connection.execute(
        webhook_outbox.insert().values(
            id=str(uuid.uuid4()),
            name=name,
            run_id=run_id,
            event=event,
            url=url,
            secret=secret,
            body=body,
            state="waiting",
            attempts=0,
            created_at=now,
            next_at=now,
        )
    )
    return True


def tell_of_run(
    connection: sa.Connection, run_id: str, url: str, now: dt.datetime
) -> None:
    """Send the events of one run to this address too."""
    connection.execute(
        webhook_runs.insert().values(run_id=run_id, url=url, created_at=now)
    )


def urls_of_run(connection: sa.Connection, run_id: str) -> list[str]:
    """The addresses that were given when the run was started."""
    of_run = webhook_runs.c.run_id == run_id
    return list(connection.scalars(sa.select(webhook_runs.c.url).where(of_run)))


def waiting_receivers(connection: sa.Connection, now: dt.datetime) -> list[str]:
    """The addresses whose oldest waiting entry is due."""
    heads = sa.select(sa.func.min(c.number)).where(c.state == "waiting").group_by(c.url)
    due = sa.select(c.url).where(c.number.in_(heads), c.next_at <= now)
    return list(connection.scalars(due.order_by(c.number)))


def claim(
    connection: sa.Connection, url: str, now: dt.datetime
) -> sa.RowMapping | None:
    """Take the oldest waiting entry of a receiver, if it is due, for one attempt.

    An older one keeps all others waiting, so that they arrive in order.
    """
    oldest = (
        sa.select(webhook_outbox)
        .where(c.url == url, c.state == "waiting")
        .order_by(c.number)
        .limit(1)
    )
    row = connection.execute(oldest).mappings().first()
    if row is None or row["next_at"] > now:
        return None
    connection.execute(
        webhook_outbox.update()
        .where(c.number == row["number"])
        .values(attempts=c.attempts + 1, next_at=now + CLAIMED)
    )
    return (
        connection.execute(sa.select(webhook_outbox).where(c.number == row["number"]))
        .mappings()
        .one()
    )


def settle(
    connection: sa.Connection,
    row: sa.RowMapping,
    answer: str,
    now: dt.datetime,
    *,
    is_delivered: bool,
    is_final: bool = False,
) -> None:
    """Note what came of an attempt. is_final: a further one would end the same.

    Progress is tried once: the next one says more.
    """
    values: dict[str, Any] = {"answer": answer}
    attempts = row["attempts"]
    if is_delivered:
        values |= {"state": "delivered", "delivered_at": now}
    elif is_final or row["event"] == PROGRESS or attempts > len(BACK_OFF):
        values |= {"state": "dead"}
    else:
        wait = dt.timedelta(seconds=BACK_OFF[attempts - 1])
        values |= {"next_at": now + wait}
    connection.execute(
        webhook_outbox.update().where(c.number == row["number"]).values(**values)
    )


def entries(
    connection: sa.Connection, *where: sa.ColumnElement[bool], limit: int = 50
) -> list[sa.RowMapping]:
    """Entries of the outbox, newest first."""
    query = sa.select(webhook_outbox).where(*where).order_by(c.number.desc())
    return list(connection.execute(query.limit(limit)).mappings())


def replay(
    connection: sa.Connection, *where: sa.ColumnElement[bool], now: dt.datetime
) -> int:
    """Let entries wait again, with their ids and all attempts; how many."""
    again = webhook_outbox.update().where(*where)
    done = connection.execute(again.values(state="waiting", attempts=0, next_at=now))
    return int(done.rowcount)


def given_up(connection: sa.Connection) -> list[sa.RowMapping]:
    """The last settled entry of each address, where it is dead."""
    last = sa.select(sa.func.max(c.number)).where(c.state != "waiting").group_by(c.url)
    return entries(connection, c.number.in_(last), c.state == "dead")
