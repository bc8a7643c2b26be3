"""The feeds of a project by name: its providers and its targets.

Called by the command line, the alert sensor and the job `approve`; the protocol is in
`feed.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from d118_pipelines.config.project import Project
from d118_pipelines.config.providers import (
    PowerSchoolProvider,
    Provider,
    VendorFileProvider,
    name_taken,
)
from d118_pipelines.config.quarantine import Misconfigured
from d118_pipelines.config.yaml_files import shown_path
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.sources.powerschool.source import Query
from d118_pipelines.targets.definition import Target, load_targets
from d118_pipelines.workflows.providers.powerschool_source import SYSTEM, query_files
from d118_pipelines.workflows.providers.provider_feed import (
    ProviderState,
    misconfigured_provider,
)
from d118_pipelines.workflows.providers.provider_sources import check_provider
from d118_pipelines.workflows.providers.vendor_file_feed import provider_feed
from d118_pipelines.workflows.runs.feed import Feed
from d118_pipelines.workflows.runs.run_history import RunHistory
from d118_pipelines.workflows.targets.target_feed import (
    TargetFeed,
    TargetState,
    misconfigured_target,
)

State = TargetState | ProviderState


@dataclass(frozen=True, slots=True)
class Feeds:
    """Enabled targets and all providers that are sound, and what is misconfigured."""

    targets: Sequence[Target]
    providers: Sequence[Provider]
    broken: Sequence[Misconfigured]

    def refuse(self, name: str) -> None:
        """Raise the ConfigurationError of what is misconfigured under this name."""
        for one in self.broken:
            if one.name == name:
                raise one.error


def load_feeds(project: Project) -> Feeds:
    """What the project's files say. Raises: ConfigurationError of district.yaml only."""
    targets, broken = load_targets(project.root, project.district().targets)
    broken += project.broken_providers()
    places = {target.name: shown_path(target.path) for target in targets}
    providers = []
    for provider in project.providers():
        try:
            if provider.id in places:
                raise name_taken(provider, places[provider.id])
            if provider.model.enabled:
                check_provider(project, provider)
            providers.append(provider)
        except ConfigurationError as exc:
            given = provider.model.model_dump()
            broken.append(Misconfigured("provider", provider.id, exc, given))
    sound = []
    for target in targets:
        try:
            _check_queries(project, target, providers)
            sound.append(target)
        except ConfigurationError as exc:
            given = target.model.model_dump()
            broken.append(Misconfigured("target", target.name, exc, given))
    return Feeds(sound, providers, broken)


def _check_queries(
    project: Project, target: Target, providers: Sequence[Provider]
) -> None:
    """Raise ConfigurationError for what the target reads and nobody can make."""
    for one in providers:
        if isinstance(one.model, VendorFileProvider):
            _check_files(target, one, one.model)
    if any(
        one.id == SYSTEM and not isinstance(one.model, PowerSchoolProvider)
        for one in providers
    ):
        return
    known = {path.stem: path for path in query_files(project)}
    for layer, system, entity in target.reads:
        if (layer, system) != ("raw", SYSTEM):
            continue
        if entity not in known:
            raise ConfigurationError(
                f"{target.name} reads raw.{SYSTEM}.{entity}, which nothing makes.",
                where=target.place_of(f"raw.{SYSTEM}.{entity}"),
                rule=f"The file sql/powerschool/{entity}.sql makes it.",
                not_done="Nothing of this target was started.",
                next_step="Correct the name, or write the query; then: d118 doctor",
            )
        Query.read(known[entity])


def _check_files(target: Target, provider: Provider, model: VendorFileProvider) -> None:
    """Raise ConfigurationError for a file that the provider does not declare."""
    for layer, system, entity in target.reads:
        if system != provider.id or (layer == "raw" and entity in model.config.files):
            continue
        raise ConfigurationError(
            f"{target.name} reads {layer}.{system}.{entity}, which nothing makes.",
            where=target.place_of(f"{layer}.{system}.{entity}"),
            rule=f"{system} has: "
            + ", ".join(f"raw.{system}.{name}" for name in model.config.files),
            not_done="Nothing of this target was started.",
            next_step="Correct the name, or declare the file; then: d118 doctor",
        )


def sound_feeds(project: Project, feeds: Feeds) -> list[Feed]:
    """All that are sound: first the providers, from whose rosters targets are fed."""
    return [
        *(provider_feed(project, provider) for provider in feeds.providers),
        *(TargetFeed(project, target) for target in feeds.targets),
    ]


def enabled_feeds(project: Project, feeds: Feeds) -> list[Feed]:
    """Those of them that may run."""
    return [feed for feed in sound_feeds(project, feeds) if feed.refused is None]


def all_provider_states(
    project: Project, feeds: Feeds, history: RunHistory | None = None
) -> list[ProviderState]:
    """All providers, disabled ones too; those that are misconfigured come last.

    history: with what Dagster has seen; by default only what the state database has.
    """
    broken = (one for one in feeds.broken if one.kind == "provider")
    return [
        *(provider_feed(project, one).state(history) for one in feeds.providers),
        *(misconfigured_provider(project, one) for one in broken),
    ]


def feed_name(state: State) -> str:
    """The name of the target, or the provider's id."""
    return state.target if isinstance(state, TargetState) else state.provider


def cause_line(state: State) -> str:
    """Why it is not well, in one line with the way on."""
    stands = state.standing
    row = stands.row("name", feed_name(state), utc_now())
    head = f"{stands.state.upper()}  {feed_name(state)} {row['when']}".rstrip()
    # What a step says begins with these two, for the log.
    reason = stands.why.replace(f"{feed_name(state)}: ", "", 1).rstrip(".")
    parts = [head, reason, stands.to_do and f"Next: {stands.to_do}"]
    return ". ".join(part for part in parts if part)


def states_of(
    project: Project,
    history: RunHistory,
    feeds: Sequence[Feed],
    broken: Sequence[Misconfigured] = (),
) -> list[State]:
    """How each stands, by name."""
    found = [feed.state(history) for feed in feeds]
    found += [
        misconfigured_target(project, one)
        if one.kind == "target"
        else misconfigured_provider(project, one)
        for one in broken
    ]
    states = [s for s in found if isinstance(s, TargetState | ProviderState)]
    return sorted(states, key=feed_name)


def named_feed(project: Project, name: str) -> Feed:
    """The sound provider or target of that name.

    Raises: ConfigurationError that says what is wrong with it, or lists the names.
    """
    feeds = load_feeds(project)
    for feed in sound_feeds(project, feeds):
        if feed.name == name:
            return feed
    feeds.refuse(name)
    targets = ", ".join(target.name for target in feeds.targets)
    ids = ", ".join(p.id for p in feeds.providers) or "none yet"
    raise ConfigurationError(
        f"There is no target or provider {name}.",
        rule=f"The targets are: {targets}. The providers are: {ids}.",
        next_step="d118 targets list; d118 providers list",
    )
