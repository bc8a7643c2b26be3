"""`config/district.yaml`: this district's settings, for all providers and targets.

Called by `project.py`, which reads it; the limits under `guard` are in
`guard_limits.py`.
"""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from d118_pipelines.config.guard_limits import DateRange, RosterGuard
from d118_pipelines.config.hearing import Hearing, Url
from d118_pipelines.config.retention import Retention
from d118_pipelines.config.yaml_files import Model, check_time_zone


class Email(Model):
    """Where alerts go by e-mail; the server's address and login are environment names."""

    to: list[str]
    sender: str
    host_env: str = "ALERT_SMTP_HOST"
    username_env: str = "ALERT_SMTP_USERNAME"
    password_env: str = "ALERT_SMTP_PASSWORD"


class Alerts(Model):
    """Ways to send alerts; each is off while unset.

    digest: when the morning's goes out, in the district's time; null: never.
    expiry_days: so long before something ends it is told.
    """

    webhook_env: str = "ALERT_WEBHOOK_URL"
    email: Email | None = None
    digest: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] | None = "07:00"
    expiry_days: Annotated[int, Field(ge=0)] = 30


class District(Hearing):
    """`config/district.yaml`: this district's settings.

    targets: the shipped targets in use; the folder's own `mappings/targets/` always
    are. school_years, terms: for the SQL of targets; without them those of the roster.
    """

    id: str
    name: str
    time_zone: str
    approval_hours: int = 24
    alerts: Alerts = Alerts()
    daemon_ping: Url | None = None
    guard: RosterGuard = RosterGuard()
    retention: Retention = Retention()
    targets: list[str] = []
    school_years: list[DateRange] = []
    terms: list[DateRange] = []

    _zone = field_validator("time_zone")(check_time_zone)

    @property
    def zone(self) -> ZoneInfo:
        """The district's time zone."""
        return ZoneInfo(self.time_zone)
