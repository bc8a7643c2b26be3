"""`config/district.yaml`: this district's settings, for all providers and targets.

Called by `project.py`, which reads it; the limits under `guard` are in `guard_limits.py`.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

from pydantic import field_validator

from d118_pipelines.config.guard_limits import RosterGuard
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
    """Ways to send alerts about failed and held runs. Each is off while unset."""

    webhook_env: str = "ALERT_WEBHOOK_URL"
    email: Email | None = None


class District(Model):
    """`config/district.yaml`: this district's settings."""

    id: str
    name: str
    time_zone: str
    approval_hours: int = 24
    alerts: Alerts = Alerts()
    guard: RosterGuard = RosterGuard()
    retention: Retention = Retention()

    _zone = field_validator("time_zone")(check_time_zone)

    @property
    def zone(self) -> ZoneInfo:
        """The district's time zone."""
        return ZoneInfo(self.time_zone)
