"""Who hears of runs: keys that the district, a provider and a target may all have.

Read by `district.py`, `providers.py` and `targets/model.py`; the messages are made in
`workflows/monitoring/webhooks.py` and sent by `delivery/webhooks.py`.
Rule: docs/reference/webhooks.md.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from d118_pipelines.config.yaml_files import Model
from d118_pipelines.kernel.addresses import origin

STARTED, PROGRESS = "run.started", "run.progress"
FINAL = ("run.succeeded", "run.partial", "run.held", "run.failed", "run.cancelled")
EVENTS = (STARTED, PROGRESS, *FINAL)
OF_A_RUN = "${WEBHOOK_SECRET}"
"""The secret of an address that was given with a run."""
_SECRET = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}|fernet:[A-Za-z0-9_=-]+")


def checked_url(text: str) -> str:
    """An address as configured: `https://...`, `http://...`, or `${NAME}`.

    Raises: ValueError for any other text.
    """
    found = origin(text)
    is_address = found is not None and found[0] in ("https", "http") and "@" not in text
    if is_address or re.fullmatch(r"\$\{\w+\}", text):
        return text
    raise ValueError("an address is https://host/path, without a user, or ${NAME}")


def _secret(text: str) -> str:
    if not _SECRET.fullmatch(text):
        raise ValueError("a secret is ${NAME} or fernet:..., never the text itself")
    return text


def _known_event(text: str) -> str:
    if text not in EVENTS:
        raise ValueError(f"{text} is none of: {', '.join(EVENTS)}")
    return text


def _text(value: object) -> object:
    """A date as text; YAML reads it as one."""
    return value.isoformat() if isinstance(value, dt.date) else value


Url = Annotated[str, AfterValidator(checked_url)]


class Webhook(Model):
    """One receiver. events: by default how each run ended."""

    url: Url
    secret: Annotated[str, AfterValidator(_secret)]
    events: list[Annotated[str, AfterValidator(_known_event)]] = list(FINAL)


class Hearing(Model):
    """webhooks: who is told of runs. webhook_private_hosts: hosts that may be told
    although their address is private. ping: called after each verified success, with
    `/fail` after a failure. expires: what ends when: a date, or the path of a certificate.
    """

    webhooks: list[Webhook] = []
    webhook_private_hosts: list[str] = []
    ping: Url | None = None
    expires: dict[str, Annotated[str, BeforeValidator(_text)]] = {}
