"""Whether an alert goes out, and by which of the configured ways.

Called by `sensors.py`, which notices; messages are sent by `delivery/messages.py`. One
alert a day and cause.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Sequence

import sqlalchemy as sa

from d118_pipelines.config.district import Alerts
from d118_pipelines.config.project import Project
from d118_pipelines.config.quarantine import STATE, Misconfigured
from d118_pipelines.delivery.messages import Alert, mail_alert, post_alert
from d118_pipelines.errors import D118Error
from d118_pipelines.state import database as db
from d118_pipelines.state.database import Database
from d118_pipelines.state.open import state_database


def send_alert(
    database: Database, settings: Alerts, alert: Alert, *, now: dt.datetime
) -> list[str]:
    """Send the alert by every configured way, unless its cause was reported today.

    Returns: the ways used (`webhook`, `e-mail`), empty if none or already reported.
    Raises: ConnectionLostError or ConfigurationError if a configured way does not work,
    after the other was tried.
    """
    cause = f"{alert.cause} {now:%Y-%m-%d}"
    with database.transaction() as connection:
        if connection.scalar(
            sa.select(sa.func.count()).where(db.alerts_sent.c.cause == cause)
        ):
            return []
    ways, failures = [], []
    for way in configured_ways(settings):
        try:
            if way == "webhook":
                post_alert(settings.webhook_env, alert)
            elif settings.email:
                mail_alert(settings.email, alert)
            ways.append(way)
        except D118Error as exc:
            failures.append(exc)
    if ways:
        with database.transaction() as connection:
            connection.execute(db.alerts_sent.insert().values(cause=cause, sent_at=now))
    if failures:
        raise failures[0]
    return ways


def tell(project: Project, alert: Alert, now: dt.datetime) -> str:
    """Send an alert as the district's file says; what came of it, for the log."""
    district = project.district()
    at = now.astimezone(district.zone)
    ways = send_alert(state_database(project), district.alerts, alert, now=at)
    told = ", ".join(ways) or "nobody (not set up, or already today)"
    return f"{alert.title}: alert sent by {told}"


def tell_misconfigured(
    project: Project, broken: Sequence[Misconfigured], now: dt.datetime
) -> str:
    """Send one alert for all that is misconfigured, once a day; says by which way."""
    if not broken:
        return "Every target and provider is configured."
    names = tuple(one.name for one in broken)
    title = f"MISCONFIGURED: {', '.join(names)}; nothing of it runs, all else does"
    text = "\n".join(dict.fromkeys(str(one.error) for one in broken))
    alert = Alert(STATE, f"{STATE} {' '.join(names)}", title, text, names, "")
    return tell(project, alert, now)


def configured_ways(settings: Alerts) -> Sequence[str]:
    """The ways that an alert would take now."""
    webhook = ["webhook"] if os.environ.get(settings.webhook_env) else []
    return [*webhook, *(["e-mail"] if settings.email else [])]
