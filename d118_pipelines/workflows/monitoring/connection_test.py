"""One test of a connection: reach it, log in, look, write nothing.

Called by `cli/doctor.py` and `console/`. What is done there is in `sources/` and
`delivery/`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from d118_pipelines.config.project import Project
from d118_pipelines.config.provider_edits import edit_providers, sent_values
from d118_pipelines.config.providers import Provider, load_providers
from d118_pipelines.errors import D118Error
from d118_pipelines.targets.definition import Target
from d118_pipelines.targets.destination_model import ScimDestination
from d118_pipelines.workflows.providers.powerschool_source import powerschool_source
from d118_pipelines.workflows.providers.provider_sources import provider_source
from d118_pipelines.workflows.targets.destinations import (
    FileDestination,
    resolve,
    scim_settings,
)


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


def try_provider(project: Project, provider: Provider) -> Reached:
    """The same; why there is no test counts as a failure."""
    try:
        return reach_provider(project, provider)
    except D118Error as exc:
        return Reached(False, exc.what, 0.0)


@contextmanager
def provider_beside(
    project: Project, kind: str, name: str, config: Mapping[str, Any]
) -> Iterator[tuple[Project, Provider]]:
    """A provider in a file of its own, which is gone afterwards, and the project for it.

    Its files are looked for in its own, empty inbox: no test reads another's.
    Raises: ConfigurationError if the entry is not sound.
    """
    entry: dict[str, Any] = {
        "id": "tried",
        "type": kind,
        **sent_values({"name": name or "tried", "config": config}),
    }
    district = project.district().id
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "config").mkdir()
        edit_providers(root, lambda entries: entries.append(entry), district=district)
        [provider], _ = load_providers(root, district=district)
        yield replace(project, home=root / "home"), provider


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
