"""Telling people that a run failed or is held: webhook and e-mail, where configured.

Belongs here: the message and its two ways out. Not here: noticing (sensors.py).
A message holds targets, rule codes, counts, hashes and run ids, nothing of a person.
"""

from __future__ import annotations

import datetime as dt
import os
import smtplib
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage

import sqlalchemy as sa

from d118_pipelines import database as db
from d118_pipelines.configuration import Alerts, Email, environment_value
from d118_pipelines.database import Database
from d118_pipelines.errors import ConnectionLostError

TIMEOUT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Alert:
    """One message. `cause` is what it is about: the same cause is told once a day."""

    kind: str
    cause: str
    title: str
    text: str
    targets: tuple[str, ...]
    run_id: str


def send_alert(
    database: Database, settings: Alerts, alert: Alert, *, now: dt.datetime
) -> list[str]:
    """Send the alert by every configured way, unless its cause was told today.

    Returns: the ways used (`webhook`, `e-mail`), empty if none or told already.
    Raises: ConnectionLostError if a way is configured and does not work.
    """
    cause = f"{alert.cause} {now:%Y-%m-%d}"
    with database.transaction() as connection:
        if connection.scalar(
            sa.select(sa.func.count()).where(db.alerts_sent.c.cause == cause)
        ):
            return []
    ways = []
    if os.environ.get(settings.webhook_env):
        _post(settings.webhook_env, alert)
        ways.append("webhook")
    if settings.email:
        _mail(settings.email, alert)
        ways.append("e-mail")
    if ways:
        with database.transaction() as connection:
            connection.execute(db.alerts_sent.insert().values(cause=cause, sent_at=now))
    return ways


def configured_ways(settings: Alerts) -> Sequence[str]:
    """The ways that an alert would take now."""
    webhook = ["webhook"] if os.environ.get(settings.webhook_env) else []
    return [*webhook, *(["e-mail"] if settings.email else [])]


def _post(variable: str, alert: Alert) -> None:
    import httpx  # heavy: only when an alert goes out

    body = {
        "kind": alert.kind,
        "title": alert.title,
        "text": f"{alert.title}\n{alert.text}",
        "targets": list(alert.targets),
        "run_id": alert.run_id,
    }
    try:
        response = httpx.post(os.environ[variable], json=body, timeout=TIMEOUT_SECONDS)
        response.raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        # The address of a webhook is a credential and stands in httpx's texts.
        raise ConnectionLostError(
            f"The alert could not be posted ({type(exc).__name__}).",
            where=f"${variable}",
            not_done="The alert was not sent by webhook.",
            next_step=f"Check {variable}, then run: d118 doctor",
        ) from None


def _mail(settings: Email, alert: Alert) -> None:
    host, _, port = environment_value(
        settings.host_env, needed_for="alerts by e-mail"
    ).partition(":")
    message = EmailMessage()
    message["Subject"] = alert.title
    message["From"] = settings.sender
    message["To"] = ", ".join(settings.to)
    message.set_content(f"{alert.text}\n\nRun {alert.run_id}\n")
    username = os.environ.get(settings.username_env, "")
    try:
        with smtplib.SMTP(host, int(port or 25), timeout=TIMEOUT_SECONDS) as server:
            if server.has_extn("starttls") or username:
                server.starttls()
            if username:
                server.login(username, os.environ.get(settings.password_env, ""))
            server.send_message(message)
    except (OSError, smtplib.SMTPException) as exc:
        raise ConnectionLostError(
            f"The alert could not be mailed ({type(exc).__name__}).",
            where=f"${settings.host_env}",
            not_done="The alert was not sent by e-mail.",
            next_step=f"Check {settings.host_env} and the login, then run: d118 doctor",
        ) from None
