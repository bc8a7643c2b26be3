"""Alerts on their way: one message, by webhook or by e-mail.

Called by `workflows/monitoring/alerts.py`, which decides whether it goes. A message
holds targets, rule codes, counts, hashes and run ids, nothing of a person.
"""

from __future__ import annotations

import logging
import os
import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from urllib.parse import urlsplit

from d118_pipelines.config.district import Email
from d118_pipelines.config.project import environment_value
from d118_pipelines.errors import ConfigurationError, ConnectionLostError
from d118_pipelines.kernel.addresses import may_be_asked
from d118_pipelines.kernel.text import markdown, printable

TIMEOUT_SECONDS = 30
SMTP_PORT = 25


@dataclass(frozen=True, slots=True)
class Alert:
    """One message. `cause` is what it is about: while that lasts it is told once.

    feeds: the targets and providers whose next good run ends it, by default `targets`.
    """

    kind: str
    cause: str
    title: str
    text: str
    targets: tuple[str, ...] = ()
    run_id: str = ""
    feeds: tuple[str, ...] = ()


def post_alert(variable: str, alert: Alert) -> None:
    """Send an alert to the webhook whose address an environment variable holds.

    It follows no redirect. Raises: ConnectionLostError, without the address, which is a
    credential.
    """
    import httpx  # heavy: only when an alert goes out

    # It logs every address, and the address of a webhook is a credential.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    body = {
        "kind": alert.kind,
        # Chats read Markdown or HTML.
        "title": markdown(alert.title),
        "text": "\n".join(map(markdown, [alert.title, *alert.text.split("\n")])),
        "targets": list(alert.targets),
        "run_id": alert.run_id,
    }
    address = os.environ[variable]
    if not may_be_asked(address, may_have_query=True):
        raise _not_posted(variable, "it is no https address") from None
    try:
        response = httpx.post(address, json=body, timeout=TIMEOUT_SECONDS)
        response.raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        # The address of a webhook is a credential, and httpx's texts quote it.
        raise _not_posted(variable, type(exc).__name__) from None


def _not_posted(variable: str, why: str) -> ConnectionLostError:
    return ConnectionLostError(
        f"The alert could not be posted ({why}).",
        where=f"${variable}",
        not_done="The alert was not sent by webhook.",
        next_step=f"Check {variable}, then run: d118 doctor",
    )


def mail_alert(settings: Email, alert: Alert) -> None:
    """Send an alert by e-mail.

    Raises: ConnectionLostError; ConfigurationError for a wrong server address.
    """
    host, port = _mail_server(settings.host_env)
    message = EmailMessage()
    message["Subject"] = printable(alert.title, one_line=True)
    message["From"] = settings.sender
    message["To"] = ", ".join(settings.to)
    run = f"\nRun {alert.run_id}\n" if alert.run_id else ""
    message.set_content(f"{printable(alert.text)}\n{run}")
    username = os.environ.get(settings.username_env, "")
    password = os.environ.get(settings.password_env, "")
    try:
        with smtplib.SMTP(host, port, timeout=TIMEOUT_SECONDS) as server:
            server.ehlo_or_helo_if_needed()
            if username:
                # A password goes only to a server that proves who it is.
                server.starttls(context=ssl.create_default_context())
                server.login(username, password)
            elif server.has_extn("starttls"):
                server.starttls()
            server.send_message(message)
    except (OSError, smtplib.SMTPException) as exc:
        raise ConnectionLostError(
            f"The alert could not be mailed ({type(exc).__name__}).",
            where=f"${settings.host_env}",
            not_done="The alert was not sent by e-mail.",
            next_step=f"Check {settings.host_env} and the login, then run: d118 doctor",
        ) from None


def _mail_server(variable: str) -> tuple[str, int]:
    text = environment_value(variable, needed_for="alerts by e-mail")
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port or SMTP_PORT
    except ValueError:
        host, port = None, 0
    if not host:
        raise ConfigurationError(
            f"{variable} is not the address of a mail server.",
            rule="host, host:port or [v6]:port",
            not_done="The alert was not sent by e-mail.",
            next_step=f"Correct {variable} in .env, then run: d118 doctor",
        )
    return host, port
