"""Events of runs: what is told, and to whom; entered in the outbox, sent by others.

Whoever makes an event happen enters it in the same transaction. Called by `run.py`,
`sync_runs.py`, `sync.py`, `undo.py`, `export.py`, `deliver.py` and `webhooks.py`, which
sends. Rule: docs/reference/webhooks.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import sqlalchemy as sa

from d118_pipelines.config.hearing import (
    FINAL,
    OF_A_RUN,
    PROGRESS,
    STARTED,
    Hearing,
    Webhook,
)
from d118_pipelines.config.project import Project
from d118_pipelines.config.secrets import resolved
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.kernel.text import printable
from d118_pipelines.state.outbox import PING, add_entry, urls_of_run
from d118_pipelines.targets.definition import find_target

STATUSES = {
    "IN_PROGRESS": STARTED,
    "SUCCESS": "run.succeeded",
    "PARTIAL": "run.partial",
    "HELD": "run.held",
    "FAILURE": "run.failed",
    "CANCELLED": "run.cancelled",
}
"""Status of a run -> the event that says so."""
OUTCOMES = {
    "delivered": "SUCCESS",
    "sent, not read back": "SUCCESS",
    "applied": "SUCCESS",
    "out of term": "SUCCESS",
    "held": "HELD",
    "failed": "FAILURE",
    "cancelled": "CANCELLED",
}
"""What came of a run -> its status; of all others nobody is told."""
LONGEST_TEXT = 500


@dataclass(frozen=True, slots=True)
class RunEvent:
    """What is told of one provider or target in one run. status: of `STATUSES`; of any
    other nobody is told.

    percent, step: of its progress, which makes it `run.progress` while it runs. stats:
    counts. error: the first line of what ended it. pings: whether a dead man's switch
    may be told of the success.
    """

    name: str
    run_id: str
    status: str
    is_target: bool = False
    percent: int | None = None
    step: str = ""
    stats: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    pings: bool = True

    @property
    def event(self) -> str:
        """Its name, as receivers choose it."""
        is_progress = self.percent is not None and self.status == "IN_PROGRESS"
        return PROGRESS if is_progress else STATUSES.get(self.status, "")


def tell_event(
    connection: sa.Connection, project: Project, hearing: Hearing, event: RunEvent
) -> None:
    """Enter an event for all that want to hear it; nothing is sent here.

    hearing: what the file of the provider or target says.
    """
    if not event.event:
        return
    now, district = utc_now(), project.district()
    given = urls_of_run(connection, event.run_id)
    receivers = [
        *(
            w
            for w in (*district.webhooks, *hearing.webhooks)
            if event.event in w.events
        ),
        *(Webhook(url=url, secret=OF_A_RUN) for url in given),
    ]
    body = {
        "event": event.event,
        "district_id": district.id,
        "provider_id": None if event.is_target else event.name,
        "target_id": event.name if event.is_target else None,
        "run_id": event.run_id,
        "status": event.status,
        "progress_percent": 100 if event.event in FINAL[:2] else event.percent,
        "current_step": event.step or None,
        "stats": dict(event.stats),
        "error_message": printable(event.error, one_line=True)[:LONGEST_TEXT] or None,
    }
    enter = partial(
        add_entry, connection, name=event.name, run_id=event.run_id, now=now
    )
    for one in receivers:
        enter(event=event.event, url=one.url, secret=one.secret, body=body)
    if hearing.ping and event.event in FINAL:
        is_good = event.event in FINAL[:2]
        if event.pings or not is_good:
            way = {"path": "" if is_good else "/fail"}
            enter(event=PING, url=hearing.ping, secret="", body=way)


def hearing_of(project: Project, name: str) -> tuple[Hearing, bool]:
    """Who wants to hear of a provider or target, and whether it is a target."""
    for provider in project.providers():
        if provider.id == name:
            return provider.model, False
    target = find_target(project.root, project.district().targets, name)
    return (target.model, True) if target else (Hearing(), False)


def check_url_of_run(url: str) -> None:
    """Raises: ConfigurationError if this address cannot be told of a run."""
    try:
        Webhook(url=url, secret=OF_A_RUN)
    except ValueError:
        raise ConfigurationError(
            "--webhook-url is no address.",
            rule="https://host/path, without a user, or ${NAME}",
            not_done="Nothing was started.",
        ) from None
    resolved(OF_A_RUN, needed_for="webhooks of single runs")
