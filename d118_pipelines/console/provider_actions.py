"""What pages and JSON routes do to providers: add, change, remove, test, tell.

Called by `integration_pages.py`, `provider_routes.py` and `job_routes.py`, so that both
ways have one set of rules. The work is in `workflows/providers/provider_changes.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from d118_pipelines.config.provider_edits import hosts_in
from d118_pipelines.config.providers import TYPE_SYNONYMS, TYPES, Provider
from d118_pipelines.config.quarantine import Misconfigured
from d118_pipelines.console.hosts import refuse_hosts
from d118_pipelines.console.identity import Caller, Refused
from d118_pipelines.console.world import World
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.workflows.monitoring.all_feeds import all_provider_states
from d118_pipelines.workflows.monitoring.connection_test import (
    Reached,
    provider_beside,
    try_provider,
)
from d118_pipelines.workflows.providers.provider_changes import (
    add_provider,
    change_provider,
    remove_provider,
)
from d118_pipelines.workflows.providers.provider_feed import (
    ProviderState,
    misconfigured_provider,
)
from d118_pipelines.workflows.providers.vendor_file_feed import provider_feed

NEVER_BY_WEB = ("POWERSCHOOL",)
"""Types whose login is in the environment: they are added in the file alone."""


def add(
    world: World, caller: Caller, *, kind: str, config: Mapping[str, Any], **entry: Any
) -> str:
    """Add a provider; its id. entry: name, schedule, enabled. Raises: ConfigurationError."""
    _refuse_kind(kind)
    refuse_hosts(hosts_in(config), world.settings)
    made = add_provider(
        world.project, kind=kind, config=config, account=caller.account, **entry
    )
    world.reload()
    return made


def change(
    world: World, caller: Caller, provider: str, changes: Mapping[str, Any]
) -> None:
    """Change keys of a provider. Raises: Refused, ConfigurationError."""
    known(world, provider)
    if isinstance(changes.get("config"), Mapping):
        refuse_hosts(hosts_in(changes["config"]), world.settings)
    change_provider(world.project, provider, changes, account=caller.account)
    world.reload()


def remove(world: World, caller: Caller, provider: str) -> None:
    """Remove a provider. Raises: Refused, ConfigurationError."""
    known(world, provider)
    remove_provider(world.project, provider, account=caller.account)
    world.reload()


def test(world: World, caller: Caller, provider: str) -> Reached:
    """Test the connection of a provider as it is configured.

    Raises: Refused; ConfigurationError that says what is wrong with its entry.
    """
    found = known(world, provider)
    if isinstance(found, Misconfigured):
        raise found.error
    world.record(caller.account, "test connection", provider)
    return try_provider(world.project, found)


def test_sent(
    world: World, caller: Caller, *, kind: str, name: str, config: Mapping[str, Any]
) -> Reached:
    """Test a connection that is not saved. Raises: ConfigurationError."""
    _refuse_kind(kind)
    with provider_beside(world.project, kind, name, config) as (project, provider):
        # With the addresses that the type itself brings.
        given = provider.model.config.model_dump(exclude_none=True)
        refuse_hosts(hosts_in(given), world.settings)
        world.record(caller.account, "test connection", f"not saved: {name[:80]}")
        return try_provider(project, provider)


def known(world: World, provider: str) -> Provider | Misconfigured:
    """The provider of that id. Raises: Refused."""
    feeds = world.feeds
    for one in feeds.providers:
        if one.id == provider:
            return one
    for broken in feeds.broken:
        if (broken.kind, broken.name) == ("provider", provider):
            return broken
    raise Refused(404, "There is no such provider.")


def states(world: World) -> list[ProviderState]:
    """All providers, disabled and misconfigured ones too."""
    with world.history() as history:
        return all_provider_states(world.project, world.feeds, history)


def state(world: World, provider: str) -> ProviderState:
    """One of them. Raises: Refused."""
    found = known(world, provider)
    if isinstance(found, Misconfigured):
        return misconfigured_provider(world.project, found)
    with world.history() as history:
        return provider_feed(world.project, found).state(history)


def _refuse_kind(kind: str) -> None:
    kind = TYPE_SYNONYMS.get(kind, kind)
    if kind not in TYPES or kind in NEVER_BY_WEB:
        offered = [one for one in TYPES if one not in NEVER_BY_WEB]
        raise ConfigurationError(
            f"unsupported provider type {kind[:40]}",
            rule=f"The types are: {', '.join(offered)}.",
            not_done="Nothing was contacted, nothing was saved.",
        )
