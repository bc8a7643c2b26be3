"""Whether an alert goes out, and by which of the configured ways; when its cause ends.

Called by `sensors.py`, which notices, and `cli/alerts.py`; messages are sent by
`delivery/messages.py`. Rule: docs/reference/alerts.md.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial

import sqlalchemy as sa

from d118_pipelines.config.district import Alerts
from d118_pipelines.config.project import Project
from d118_pipelines.config.quarantine import STATE, Misconfigured
from d118_pipelines.delivery.messages import Alert, mail_alert, post_alert
from d118_pipelines.errors import D118Error
from d118_pipelines.kernel.clock import local_time
from d118_pipelines.state import database as db
from d118_pipelines.state.database import Database
from d118_pipelines.state.open import state_database
from d118_pipelines.state.pauses import is_locked
from d118_pipelines.workflows.monitoring.all_feeds import State, feed_name
from d118_pipelines.workflows.runs.status import CANNOT_LOOK

OF_RUNS = ("failed", "held")
"""Kinds that a run causes, and a later run ends."""
WATCHED = ("late", "automation", "expires", "webhook", "health")
"""Kinds that are looked for again and again: they end when they are not found."""
LASTS = {
    *("failed", "held", "released", "paused", "running", "never", "not sent"),
    *("waiting",),
    *(STATE, CANNOT_LOOK),
}
"""States that do not end what a run caused."""
FORGOTTEN = dt.timedelta(days=30)


def send_alert(
    database: Database, settings: Alerts, alert: Alert, *, now: dt.datetime
) -> list[str]:
    """Send the alert by every configured way, unless its cause lasts since it was told.

    What else the same targets and providers were told of a run counts as replaced.
    Returns: the ways used (`webhook`, `e-mail`), empty if none or told already.
    Raises: ConnectionLostError or ConfigurationError if a configured way does not work,
    after the other was tried.
    """
    c, feeds = db.alerts.c, set(alert.feeds or alert.targets)
    with database.reading() as connection:
        known = connection.execute(sa.select(c.cause, c.kind, c.feeds)).all()
        is_copy = is_locked(connection)
    if is_copy or any(row.cause == alert.cause for row in known):
        return []
    replaced = [
        row.cause
        for row in known
        if alert.kind in OF_RUNS and row.kind in OF_RUNS and feeds >= set(row.feeds)
    ]
    ways, failures = _sent(settings, alert)
    if ways:
        with database.transaction() as connection:
            connection.execute(db.alerts.delete().where(c.cause.in_(replaced)))
            connection.execute(
                db.alerts.insert().values(
                    cause=alert.cause,
                    kind=alert.kind,
                    title=alert.title,
                    run_id=alert.run_id,
                    feeds=sorted(feeds),
                    sent_at=now,
                )
            )
    if failures:
        raise failures[0]
    return ways


def _sent(settings: Alerts, alert: Alert) -> tuple[list[str], list[D118Error]]:
    """The ways that worked, and what those said that did not."""
    results = try_ways(settings, alert)
    ways = [way for way, error in results if error is None]
    return ways, [error for _, error in results if error is not None]


def try_ways(settings: Alerts, alert: Alert) -> list[tuple[str, D118Error | None]]:
    """Send by every configured way, whatever was told before; each with its error."""
    senders: dict[str, Callable[[Alert], None]] = {
        "webhook": partial(post_alert, settings.webhook_env)
    }
    if settings.email:
        senders["e-mail"] = partial(mail_alert, settings.email)
    results: list[tuple[str, D118Error | None]] = []
    for way in configured_ways(settings):
        try:
            senders[way](alert)
            results.append((way, None))
        except D118Error as exc:
            results.append((way, exc))
    return results


def tell(project: Project, alert: Alert, now: dt.datetime) -> str:
    """Send an alert as the district's file says; what came of it, for the log."""
    settings = project.district().alerts
    ways = send_alert(state_database(project), settings, alert, now=now)
    told = ", ".join(ways) or "nobody (not set up, or told already)"
    return f"{alert.title}: alert sent by {told}"


def tell_misconfigured(
    project: Project, broken: Sequence[Misconfigured], now: dt.datetime
) -> str:
    """Send one alert for all that is misconfigured; says by which way."""
    if not broken:
        return "Every target and provider is configured."
    names = tuple(one.name for one in broken)
    title = f"MISCONFIGURED: {', '.join(names)}; nothing of it runs, all else does"
    text = "\n".join(dict.fromkeys(str(one.error) for one in broken))
    cause = f"{STATE} {' '.join(one.line for one in broken)}"
    return tell(project, Alert(STATE, cause, title, text, names), now)


def review(
    project: Project,
    states: Sequence[State],
    watched: Sequence[Alert],
    now: dt.datetime,
) -> list[str]:
    """Tell what lasts and was not told yet, then what has ended; lines for the log.

    states: of all targets and providers. watched: all that was found of these kinds.
    """
    database, settings = state_database(project), project.district().alerts
    said = [tell(project, alert, now) for alert in watched]
    with database.reading() as connection:
        rows = connection.execute(sa.select(db.alerts)).all()
        if is_locked(connection):
            return ["This copy is locked; nobody is told anything."]
    ended = list(_ended(rows, {alert.cause for alert in watched}, states, now))
    zone = project.district().zone
    for row, is_known in ended:
        what = row.title.partition(": ")[2].partition("; ")[0]
        title = f"RESOLVED: {what or row.title}"
        text = f"It was told {local_time(row.sent_at, zone)}."
        alert = Alert("resolved", "", title, text, tuple(row.feeds), row.run_id)
        results = try_ways(settings, alert) if is_known else []
        if any(error for _, error in results):
            continue  # the next look tells it again
        with database.transaction() as connection:
            gone = db.alerts.delete().where(db.alerts.c.cause == row.cause)
            connection.execute(gone)
        said.append(title)
    return said


def _ended(
    rows: Sequence[sa.Row[tuple[object, ...]]],
    found: Collection[str],
    states: Sequence[State],
    now: dt.datetime,
) -> Iterator[tuple[sa.Row[tuple[object, ...]], bool]]:
    """Alerts whose cause is over; False: nobody knows, since what it names is gone."""
    standing = {feed_name(state): state.standing.state for state in states}
    for row in rows:
        if row.kind in WATCHED:
            if row.cause not in found:
                yield row, True
            continue
        mine = {standing[name] for name in row.feeds if name in standing}
        if not mine:
            if row.kind in (*OF_RUNS, STATE) and now - row.sent_at > FORGOTTEN:
                yield row, False
        elif not mine & ({STATE} if row.kind == STATE else LASTS):
            yield row, True


def late_alerts(states: Sequence[State]) -> list[Alert]:
    """One for each target whose last deadline has passed without a delivery."""
    return [
        Alert(
            "late",
            f"late {feed_name(state)}",
            f"LATE: {feed_name(state)}; nothing was delivered by its deadline",
            f"Due {state.when:%Y-%m-%d %H:%M}. {state.standing.reason}\n"
            f"  Next: {state.to_do}",
            (feed_name(state),),
        )
        for state in states
        if state.state == "late"
    ]


def automation_alerts(faults: Sequence[str]) -> list[Alert]:
    """One for each schedule or sensor that is off or whose last tick failed."""
    return [
        Alert("automation", f"automation {what}", f"AUTOMATION: {what}", fault)
        for fault in faults
        for what in [fault.partition(". Next: ")[0]]
    ]


def configured_ways(settings: Alerts) -> Sequence[str]:
    """The ways that an alert would take now."""
    webhook = ["webhook"] if os.environ.get(settings.webhook_env) else []
    return [*webhook, *(["e-mail"] if settings.email else [])]
