"""What pages and JSON routes do to providers: add, change, remove, test, tell.

Called by `integration_pages.py`, `provider_routes.py` and `job_routes.py`, so that both
ways have one set of rules. The work is in `workflows/provider_changes.py`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from d118_pipelines.config.project import Project
from d118_pipelines.config.provider_edits import edit_providers, hosts_in, sent_values
from d118_pipelines.config.providers import (
    TYPE_SYNONYMS,
    TYPES,
    Provider,
    load_providers,
)
from d118_pipelines.console import dagster_calls
from d118_pipelines.console.hosts import refuse_hosts
from d118_pipelines.console.identity import Caller, Refused
from d118_pipelines.console.world import World
from d118_pipelines.errors import ConfigurationError, D118Error
from d118_pipelines.workflows.connection_test import Reached, reach_provider
from d118_pipelines.workflows.provider_changes import (
    add_provider,
    change_provider,
    remove_provider,
)
from d118_pipelines.workflows.provider_feed import (
    ProviderState,
    misconfigured_provider,
)
from d118_pipelines.workflows.vendor_file_feed import provider_feed

NEVER_BY_WEB = ("POWERSCHOOL",)
"""Types whose login is in the environment: they are added in the file alone."""


def add(
    world: World,
    caller: Caller,
    *,
    kind: str,
    name: str,
    config: Mapping[str, Any],
    schedule: str | None,
    enabled: bool = True,
) -> str:
    """Add a provider; its id. Raises: ConfigurationError."""
    _refuse_kind(kind)
    refuse_hosts(hosts_in(config), world.settings)
    made = add_provider(
        world.project,
        kind=kind,
        name=name,
        config=config,
        schedule=schedule,
        enabled=enabled,
        account=caller.account,
    )
    dagster_calls.reload(world)
    return made


def change(
    world: World, caller: Caller, provider: str, changes: Mapping[str, Any]
) -> None:
    """Change keys of a provider. Raises: Refused, ConfigurationError."""
    known(world, provider)
    if isinstance(changes.get("config"), Mapping):
        refuse_hosts(hosts_in(changes["config"]), world.settings)
    change_provider(world.project, provider, changes, account=caller.account)
    dagster_calls.reload(world)


def remove(world: World, caller: Caller, provider: str) -> None:
    """Remove a provider. Raises: Refused, ConfigurationError."""
    known(world, provider)
    remove_provider(world.project, provider, account=caller.account)
    dagster_calls.reload(world)


def test(world: World, caller: Caller, provider: str) -> Reached:
    """Test the connection of a provider as it is configured. Raises: Refused."""
    known(world, provider)
    found = sound(world, provider)
    world.record(caller.account, "test connection", provider)
    return _reached(world.project, found)


def test_sent(
    world: World, caller: Caller, *, kind: str, name: str, config: Mapping[str, Any]
) -> Reached:
    """Test a connection that is not saved. Raises: ConfigurationError."""
    _refuse_kind(kind)
    with _beside(world, kind, name, config) as (project, provider):
        # With the addresses that the type itself brings.
        given = provider.model.config.model_dump(exclude_none=True)
        refuse_hosts(hosts_in(given), world.settings)
        world.record(caller.account, "test connection", f"not saved: {name[:80]}")
        return _reached(project, provider)


@contextmanager
def _beside(
    world: World, kind: str, name: str, config: Mapping[str, Any]
) -> Iterator[tuple[Project, Provider]]:
    """A provider in a file of its own, which is gone afterwards.

    Its files are looked for in its own, empty inbox: no test reads another's.
    """
    entry: dict[str, Any] = {
        "id": "tried",
        "type": kind,
        **sent_values({"name": name or "tried", "config": config}),
    }
    district = world.project.district().id
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "config").mkdir()
        edit_providers(root, lambda entries: entries.append(entry), district=district)
        [provider], _ = load_providers(root, district=district)
        yield replace(world.project, home=root / "home"), provider


def _reached(project: Project, provider: Provider) -> Reached:
    """What the test found; why there is none counts as a failure."""
    try:
        return reach_provider(project, provider)
    except D118Error as exc:
        return Reached(False, exc.what, 0.0)


def known(world: World, provider: str) -> None:
    """Raises: Refused if no entry has that id."""
    feeds = world.feeds
    ids = {one.id for one in feeds.providers}
    ids |= {one.name for one in feeds.broken if one.kind == "provider"}
    if provider not in ids:
        raise Refused(404, "There is no such provider.")


def sound(world: World, provider: str) -> Provider:
    """The provider. Raises: ConfigurationError that says what is wrong with its entry."""
    for one in world.feeds.providers:
        if one.id == provider:
            return one
    world.feeds.refuse(provider)
    raise Refused(404, "There is no such provider.")


def states(world: World) -> list[ProviderState]:
    """All providers, disabled and misconfigured ones too."""
    project, feeds = world.project, world.feeds
    with world.history() as history:
        found = [provider_feed(project, one).state(history) for one in feeds.providers]
    broken = (one for one in feeds.broken if one.kind == "provider")
    return [*found, *(misconfigured_provider(project, one) for one in broken)]


def state(world: World, provider: str) -> ProviderState:
    """One of them. Raises: Refused."""
    for one in states(world):
        if one.provider == provider:
            return one
    raise Refused(404, "There is no such provider.")


def _refuse_kind(kind: str) -> None:
    kind = TYPE_SYNONYMS.get(kind, kind)
    if kind not in TYPES or kind in NEVER_BY_WEB:
        offered = [one for one in TYPES if one not in NEVER_BY_WEB]
        raise ConfigurationError(
            f"unsupported provider type {kind[:40]}",
            rule=f"The types are: {', '.join(offered)}.",
            not_done="Nothing was contacted, nothing was saved.",
        )
