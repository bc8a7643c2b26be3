"""The feeds of a project by name: its providers and its targets.

Called by the command line, the alert sensor and the job `approve`; the protocol is in
`feed.py`.
"""

from __future__ import annotations

from d118_pipelines.config.project import Project
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.targets.definition import read_targets
from d118_pipelines.workflows.feed import Feed
from d118_pipelines.workflows.provider_feed import ProviderFeed
from d118_pipelines.workflows.target_feed import TargetFeed


def find_feed(project: Project, name: str) -> Feed | None:
    """The provider or target of that name, or None."""
    for provider in project.providers():
        if provider.id == name:
            return ProviderFeed(project, provider)
    for target in read_targets(project.root):
        if target.name == name:
            return TargetFeed(project, target)
    return None


def enabled_feeds(project: Project) -> list[Feed]:
    """All that may run: first the providers, from whose rosters targets are fed."""
    enabled = [one for one in project.providers() if one.model.enabled]
    return [
        *(ProviderFeed(project, provider) for provider in enabled),
        *(TargetFeed(project, target) for target in read_targets(project.root)),
    ]


def named_feed(project: Project, name: str) -> Feed:
    """The provider or target of that name. Raises: ConfigurationError listing both."""
    found = find_feed(project, name)
    if found is None:
        targets = ", ".join(target.name for target in read_targets(project.root))
        ids = ", ".join(p.id for p in project.providers()) or "none yet"
        raise ConfigurationError(
            f"There is no target or provider {name}.",
            rule=f"The targets are: {targets}. The providers are: {ids}.",
            next_step="d118 targets list; d118 providers list",
        )
    return found
