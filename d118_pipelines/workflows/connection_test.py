"""One test of a connection: reach it, log in, look, write nothing.

Called by `cli/doctor.py` and `console/`. What is done there is in `sources/` and
`delivery/`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from d118_pipelines.config.project import Project
from d118_pipelines.config.providers import Provider
from d118_pipelines.targets.definition import Target
from d118_pipelines.targets.destination_model import ScimDestination
from d118_pipelines.workflows.destinations import (
    FileDestination,
    resolve,
    scim_settings,
)
from d118_pipelines.workflows.powerschool_source import powerschool_source
from d118_pipelines.workflows.provider_sources import provider_source


@dataclass(frozen=True, slots=True)
class Reached:
    """What a test found; its fields are the JSON form."""

    success: bool
    message: str
    latency_seconds: float
    details: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The message with its details."""
        details = "; ".join(f"{key}: {text}" for key, text in self.details.items())
        return f"{self.message.rstrip('.')}. {details}" if details else self.message


def reach_provider(project: Project, provider: Provider | None) -> Reached:
    """Test a provider; None stands for PowerSchool as the targets read it.

    Raises: MissingSecretError, ConfigurationError.
    """
    source = (
        provider_source(project, provider) if provider else powerschool_source(project)
    )
    found = source.test()
    seconds = round(found.latency_seconds, 3)
    return Reached(found.success, found.message, seconds, dict(found.details))


def reach_target(project: Project, target: Target) -> Reached:
    """Test a target's destination. Raises: MissingSecretError, ConfigurationError."""
    from d118_pipelines.delivery.connection_test import test_destination

    wanted, destination = target.model.destination, resolve(project, target)
    if isinstance(wanted, ScimDestination) and not destination.is_outbox:
        from d118_pipelines.delivery.scim.client import look

        abilities, seconds = look(scim_settings(target, wanted))
        text = f"{destination.label} supports {abilities}"
        return Reached(True, text, round(seconds, 3))
    files = target.names_sent
    if isinstance(wanted, ScimDestination):
        from d118_pipelines.delivery.scim.outbox import NAME

        files = [NAME]
    assert isinstance(destination, FileDestination)
    report = test_destination(destination.connect, files)
    return Reached(report.success, report.message, round(report.latency_seconds, 3))
