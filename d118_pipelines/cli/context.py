"""What most commands need: options, the named target or provider, local times.

Called by the commands. A name of either kind is searched in
`workflows/monitoring/all_feeds.py`.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from d118_pipelines.config.project import Project
from d118_pipelines.config.providers import Provider
from d118_pipelines.errors import ConfigurationError, D118Error
from d118_pipelines.targets.definition import Target
from d118_pipelines.workflows.monitoring.all_feeds import load_feeds


def _names(incomplete: str, *, targets: bool, providers: bool) -> list[str]:
    """For shell completion; a configuration that is wrong has no names."""
    project = Project.here()
    with suppress(D118Error):
        feeds = load_feeds(project)
        found = [target.name for target in feeds.targets] * targets
        found += [provider.id for provider in feeds.providers] * providers
        return [name for name in found if name.startswith(incomplete)]
    return []


def _targets(incomplete: str) -> list[str]:
    return _names(incomplete, targets=True, providers=False)


def _providers(incomplete: str) -> list[str]:
    return _names(incomplete, targets=False, providers=True)


def _targets_and_providers(incomplete: str) -> list[str]:
    return _names(incomplete, targets=True, providers=True)


TargetName = Annotated[
    str,
    typer.Argument(help="A target; see d118 targets list.", autocompletion=_targets),
]
ProviderName = Annotated[
    str,
    typer.Argument(
        help="A provider; see d118 providers list.", autocompletion=_providers
    ),
]
_ANY_NAME = typer.Argument(
    help="A target or a provider.", autocompletion=_targets_and_providers
)
AnyName = Annotated[str, _ANY_NAME]
NameOrAll = Annotated[str | None, _ANY_NAME]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
Workbook = Annotated[
    Path | None, typer.Option("--xlsx", help="Write an Excel workbook to this file.")
]


def named_target(project: Project, name: str) -> Target:
    """The target of that name.

    Raises: ConfigurationError that says what is wrong with it, or lists the names.
    """
    feeds = load_feeds(project)
    targets = {target.name: target for target in feeds.targets}
    if name not in targets:
        feeds.refuse(name)
        raise _unknown("target", name, ", ".join(targets))
    return targets[name]


def find_provider(project: Project, name: str) -> Provider | None:
    """The sound provider of that id, or None."""
    return next((p for p in load_feeds(project).providers if p.id == name), None)


def named_provider(project: Project, name: str) -> Provider:
    """The provider of that id. Raises: as `named_target`."""
    feeds = load_feeds(project)
    providers = {provider.id: provider for provider in feeds.providers}
    if name not in providers:
        feeds.refuse(name)
        raise _unknown("provider", name, ", ".join(providers) or "none yet")
    return providers[name]


def _unknown(kind: str, name: str, known: str) -> ConfigurationError:
    return ConfigurationError(
        f"There is no {kind} {name}.",
        rule=f"The {kind}s are: {known}.",
        next_step=f"d118 {kind}s list",
    )
