"""Webhooks: the sending of what waits, and of a test.

Events are entered by `run_events.py`; the sensor `send_webhook_notification` sends
them. Called by `sensors.py` and `cli/webhooks.py`. Rule: docs/reference/webhooks.md.
"""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from d118_pipelines.config.hearing import Hearing, Webhook
from d118_pipelines.config.project import Project
from d118_pipelines.config.secrets import resolved
from d118_pipelines.delivery.messages import Alert
from d118_pipelines.delivery.webhooks import send, signed
from d118_pipelines.errors import ConfigurationError, D118Error, RetriableError
from d118_pipelines.kernel.addresses import host
from d118_pipelines.kernel.clock import Clock, utc_now
from d118_pipelines.state.open import state_database
from d118_pipelines.state.outbox import (
    PING,
    claim,
    given_up,
    settle,
    waiting_receivers,
)
from d118_pipelines.state.pauses import is_locked
from d118_pipelines.workflows.monitoring.all_feeds import Feeds, load_feeds, named_feed
from d118_pipelines.workflows.runs.run_events import OUTCOMES, RunEvent, tell_event
from d118_pipelines.workflows.runs.run_history import PastRun

TEST = "webhook.test"
SENDERS = 8
BUDGET_SECONDS = 15.0
"""No attempt begins later in one look: it may take 30 s, and Dagster allows 60 for all."""
OLDEST_PING = dt.timedelta(hours=6)


def tell_ended(project: Project, ended: Iterable[PastRun]) -> int:
    """Enter how runs ended that could not say so themselves; how many were looked at.

    What ended a run in its own transaction has been told already.
    """
    feeds = load_feeds(project)
    known = {b.name: Hearing() for b in feeds.broken} | _hearings(feeds)
    targets = {t.name for t in feeds.targets}
    targets |= {b.name for b in feeds.broken if b.kind == "target"}
    told = 0
    for run in ended:
        status = OUTCOMES.get(run.outcome)
        if run.kind == "approve" or status is None or run.name not in known:
            continue
        event = RunEvent(
            run.name,
            run.run_id,
            status,
            is_target=run.name in targets,
            stats=dict(run.numbers),
            error=run.reason,
            pings=False,  # of a success only the transaction that made it
        )
        with state_database(project).transaction() as connection:
            tell_event(connection, project, known[run.name], event)
        told += 1
    return told


def _hearings(feeds: Feeds) -> dict[str, Hearing]:
    """Who wants to hear of each sound provider and target."""
    return {
        **{p.id: p.model for p in feeds.providers},
        **{t.name: t.model for t in feeds.targets},
    }


def send_due(project: Project, clock: Clock = utc_now) -> Counter[str]:
    """Send what is due, to several receivers at once, to each in order; counts of what
    came of it: delivered, failed. A restored copy sends nothing before it is unlocked.
    """
    database = state_database(project)
    with database.reading() as connection:
        receivers = waiting_receivers(connection, clock())
        is_copy = is_locked(connection)
    if is_copy or not receivers:
        return Counter()
    stop = time.monotonic() + BUDGET_SECONDS
    hosts = private_hosts(project)
    one = partial(_send_queue, project, hosts, clock, lambda: time.monotonic() > stop)
    with ThreadPoolExecutor(SENDERS) as pool:
        return sum(pool.map(one, receivers), Counter())


def private_hosts(project: Project) -> frozenset[str]:
    """The hosts that may be told although they are private, as all files say together."""
    hearings = [project.district(), *_hearings(load_feeds(project)).values()]
    names = {name for one in hearings for name in one.webhook_private_hosts}
    return frozenset(name.lower() for name in names)


def _send_queue(
    project: Project,
    hosts: frozenset[str],
    clock: Clock,
    is_late: Callable[[], bool],
    url: str,
) -> Counter[str]:
    """Send the entries of one receiver until one fails, or the time is over."""
    database, counts = state_database(project), Counter[str]()
    while not is_late():
        with database.transaction() as connection:
            row = claim(connection, url, clock())
        if row is None:
            break
        answer, is_final = attempt(dict(row), hosts, clock())
        is_delivered = answer.isdigit() and 200 <= int(answer) < 300
        with database.transaction() as connection:
            settle(
                connection,
                row,
                answer,
                clock(),
                is_delivered=is_delivered,
                is_final=is_final,
            )
        counts["delivered" if is_delivered else "failed"] += 1
    return counts


def attempt(
    row: Mapping[str, Any], hosts: frozenset[str], now: dt.datetime
) -> tuple[str, bool]:
    """Send one entry once: the status or the error, and whether that is the last word."""
    try:
        url = resolved(row["url"], needed_for="webhooks")
        if row["event"] == PING:
            if now - row["created_at"] > OLDEST_PING:
                return "too old: it would tell of the past", True
            target = url.rstrip("/") + row["body"]["path"]
            return str(send(target, method="GET", private_hosts=hosts)), False
        body = {
            **row["body"],
            "id": row["id"],
            "timestamp": now.astimezone(dt.UTC).isoformat(timespec="seconds"),
            "attempt": row["attempts"],
        }
        secret = resolved(row["secret"], needed_for="webhooks")
        raw, headers = signed(body, secret, int(now.timestamp()))
        return str(send(url, body=raw, headers=headers, private_hosts=hosts)), False
    except D118Error as exc:
        # What is misconfigured may be corrected before the next attempt.
        is_final = not isinstance(exc, RetriableError | ConfigurationError)
        return exc.what, is_final


def test_receiver(project: Project, receiver: Webhook) -> tuple[str, str]:
    """Send one test event now: the receiver's host, and its status or the error."""
    row = {
        "id": str(uuid.uuid4()),
        "event": TEST,
        "url": receiver.url,
        "secret": receiver.secret,
        "attempts": 1,
        "body": {"event": TEST, "district_id": project.district().id},
    }
    answer, _ = attempt(row, private_hosts(project), utc_now())
    return shown_receiver(receiver.url), answer


def shown_receiver(url: str) -> str:
    """The host of an address, which may be a credential; a variable by its name."""
    return url if url.startswith("${") else host(url)


def receivers_of(project: Project, name: str | None) -> list[Webhook]:
    """The receivers that are configured, each once: the district's, and those of one
    target or provider, else of all.

    Raises: ConfigurationError if there is no target or provider of that name.
    """
    hearings = _hearings(load_feeds(project))
    if name is not None:
        named_feed(project, name)
        hearings = {name: hearings[name]}
    found = [project.district(), *hearings.values()]
    return list(
        {one.url: one for hearing in found for one in hearing.webhooks}.values()
    )


def webhook_alerts(project: Project) -> list[Alert]:
    """One for each receiver to which the last message was given up."""
    with state_database(project).reading() as connection:
        rows = given_up(connection)
    return [
        Alert(
            "webhook",
            f"webhook {row['url']}",
            f"WEBHOOK: {shown_receiver(row['url'])} does not take messages",
            f"{row['answer']}\n  Next: d118 webhooks test; then: d118 webhooks replay --dead",
            (row["name"],),
        )
        for row in rows
    ]


def ping_daemon(project: Project) -> str:
    """Call the district's `daemon_ping`; what came of it, for the log."""
    url = project.district().daemon_ping
    if url is None:
        return "No daemon_ping is configured."
    with state_database(project).reading() as connection:
        if is_locked(connection):
            return "This copy is locked; the machine that it is of must be heard."
    try:
        found = resolved(url, needed_for="daemon_ping")
        hosts = private_hosts(project)
        return f"Answered: {send(found, method='GET', private_hosts=hosts)}."
    except D118Error as exc:
        return exc.what
