"""Pauses: a person's word that a target or provider does nothing until a time.

Called by `workflows/`, the schedules and sensors, and `cli/pause.py`. Rule:
docs/reference/delivery.md, section 8.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from d118_pipelines.errors import ConfigurationError, PausedError
from d118_pipelines.kernel.clock import local_time, utc_now
from d118_pipelines.state import audit
from d118_pipelines.state import database as db

ALL = "*"
"""The name under which everything is paused."""


RESTORED = "(restored copy)"
"""The name under which a copy that was restored is locked (`restored.py`)."""
FORMS = "as 2030-01-31 or '2030-01-31 06:00'"
NEVER = dt.datetime(9999, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Pause:
    """What is paused (`*` for all), until when, why, by whom."""

    name: str
    until: dt.datetime
    reason: str
    account: str
    created_at: dt.datetime

    def text(self, zone: ZoneInfo) -> str:
        """What whoever is kept from running is told."""
        if self.name == RESTORED:
            return f"LOCKED  {self.reason} Nothing is read, changed or sent."
        whom = "everything" if self.name == ALL else self.name
        until = local_time(self.until, zone)
        return f"PAUSED  {whom} is paused until {until}: {self.reason}"

    @property
    def way_out(self) -> str:
        """The command that ends it."""
        if self.name == RESTORED:
            return "d118 unlock"
        return f"d118 resume {'--all' if self.name == ALL else self.name}"


def time_of(text: str, zone: ZoneInfo) -> dt.datetime:
    """The end of a pause as a person writes it, in local time. Raises: ConfigurationError."""
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            f"{text[:64]} is no time.",
            rule=f"A local time, {FORMS}.",
            not_done="Nothing was paused.",
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=zone)


def pause(connection: sa.Connection, wanted: Pause) -> None:
    """Pause, or replace the pause of that name.

    Raises: ConfigurationError if the reason is empty or the time has passed.
    """
    if not wanted.reason.strip() or wanted.until <= wanted.created_at:
        raise ConfigurationError(
            "A pause needs a reason and a time that is still to come.",
            not_done="Nothing was paused.",
            next_step='d118 pause NAME --until 2030-01-31 --reason "..."',
        )
    connection.execute(db.pauses.delete().where(db.pauses.c.name == wanted.name))
    connection.execute(db.pauses.insert().values(**asdict(wanted)))
    audit.record(
        connection,
        now=wanted.created_at,
        actor=wanted.account,
        action="pause",
        subject=wanted.name,
        detail=wanted.until.isoformat(),
        reason=wanted.reason,
    )


def resume(
    connection: sa.Connection, name: str, *, account: str, now: dt.datetime
) -> bool:
    """End the pause of that name; False if there was none."""
    ended = connection.execute(db.pauses.delete().where(db.pauses.c.name == name))
    if ended.rowcount:
        audit.record(connection, now=now, actor=account, action="resume", subject=name)
    return bool(ended.rowcount)


def pause_of(connection: sa.Connection, name: str, *, now: dt.datetime) -> Pause | None:
    """The pause that keeps a target or provider from running now; the longer of two."""
    c = db.pauses.c
    row = connection.execute(
        sa.select(*(c[column] for column in Pause.__slots__))
        .where(c.name.in_([name, ALL, RESTORED]), c.until > now)
        .order_by(c.until.desc())
        .limit(1)
    ).first()
    return Pause(*row) if row else None


def is_locked(connection: sa.Connection) -> bool:
    """Whether this is a restored copy that nobody has unlocked: it tells nobody anything."""
    lock = sa.select(db.pauses.c.name).where(db.pauses.c.name == RESTORED)
    return connection.execute(lock).first() is not None


def refuse_paused(connection: sa.Connection, name: str, zone: ZoneInfo) -> None:
    """Raises: PausedError if the target or provider is paused now."""
    found = pause_of(connection, name, now=utc_now())
    if found is not None:
        raise PausedError(
            found.text(zone),
            not_done="Nothing was sent or changed.",
            next_step=f"Wait, or end the pause: {found.way_out}"
            if found.until < NEVER
            else f"Look at docs/reference/backup.md, then: {found.way_out}",
        )
