"""`d118 doctor` and `d118 test-connection`: what is wrong with this installation.

How each system is reached is in `workflows/`; here are the order and the words.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from d118_pipelines.cli.context import AsJson, find_provider, named_target
from d118_pipelines.cli.output import say, show_json, show_lines
from d118_pipelines.config.guard_limits import guard_warnings, merged_guard
from d118_pipelines.config.project import Project
from d118_pipelines.config.quarantine import STATE, Misconfigured
from d118_pipelines.config.run_limits import runs_at_a_time
from d118_pipelines.errors import (
    ConfigurationError,
    D118Error,
    IncompleteExtractError,
)
from d118_pipelines.kernel.clock import day_time, utc_now
from d118_pipelines.kernel.processes import daemons_here
from d118_pipelines.state.open import state_database
from d118_pipelines.state.run_history import FOLDER, queue_limit, run_history_place
from d118_pipelines.targets.definition import Target
from d118_pipelines.targets.destination_model import AutocommDestination
from d118_pipelines.workflows.monitoring.alerts import configured_ways
from d118_pipelines.workflows.monitoring.all_feeds import (
    Feeds,
    enabled_feeds,
    load_feeds,
)
from d118_pipelines.workflows.monitoring.connection_test import (
    Reached,
    reach_provider,
    reach_target,
)
from d118_pipelines.workflows.monitoring.expiries import expiries_shown
from d118_pipelines.workflows.monitoring.health import Check, attempt, clock_found
from d118_pipelines.workflows.providers.powerschool_source import query_files
from d118_pipelines.workflows.targets.autocomm import not_picked_up
from d118_pipelines.workflows.targets.binding import bind
from d118_pipelines.workflows.targets.destinations import resolve
from d118_pipelines.workflows.upkeep.district_folder import SAME, own_files

POWERSCHOOL = "powerschool"


def doctor(as_json: AsJson = False) -> None:
    """Check configuration, databases, sources and destinations; say how to fix each."""
    project = Project.here()
    checks = [attempt("configuration: district.yaml", lambda: _district(project))]
    if checks[0].result == "ok":
        feeds = load_feeds(project)
        checks += [
            *_configuration(project, feeds),
            *_guards(project, feeds),
            *(
                Check(f"disclosure: {target.name}", "note", target.undisclosed)
                for target in feeds.targets
                if target.undisclosed
            ),
            _next_runs(project, feeds),
            *_installation(project),
            attempt("what expires", lambda: expiries_shown(project, feeds)),
            *(_sql(project, target) for target in feeds.targets),
            *_connections(project, feeds),
        ]
    if as_json:
        show_json(checks)
    else:
        show_lines("Doctor", [asdict(check) for check in checks])
    wrong = [check for check in checks if check.result == "wrong"]
    if not wrong:
        if not as_json:
            say("Nothing is wrong.")
        return
    raise typer.Exit(
        2 if any(c.check.startswith("configuration") for c in wrong) else 1
    )


def test_connection(
    name: Annotated[str, typer.Argument(help="A provider, or a target.")],
    as_json: AsJson = False,
) -> None:
    """Reach a provider or a target's server, log in, look, and write nothing."""
    project = Project.here()
    found = _reach(project, name)
    if as_json:
        show_json(found)
    else:
        word, took = "OK" if found.success else "FAILED", found.latency_seconds
        say(f"{word}  {name}: {found.text} ({took:.2f} s)")
    if not found.success:
        raise typer.Exit(1)


def _reach(project: Project, name: str) -> Reached:
    provider = find_provider(project, name)
    if provider is not None or name == POWERSCHOOL:
        return reach_provider(project, provider)
    return reach_target(project, named_target(project, name))


def _district(project: Project) -> str:
    found = project.district()
    return f"{found.name}, {found.time_zone}"


def _configuration(project: Project, feeds: Feeds) -> Iterator[Check]:
    """What is sound, by name, and what is wrong with the rest."""
    targets = ", ".join(target.name for target in feeds.targets) or "none"
    yield Check("configuration: targets", "ok", targets)
    ids = [f"{p.id}{'' if p.model.enabled else ' (off)'}" for p in feeds.providers]
    yield Check("configuration: providers", "ok", ", ".join(ids) or "none")
    told: dict[int, list[Misconfigured]] = {}
    for (
        one
    ) in feeds.broken:  # a file that is no YAML is one mistake for all its entries
        told.setdefault(id(one.error), []).append(one)
    for first, *others in told.values():
        names = ", ".join(one.name for one in (first, *others))
        name = f"configuration: {first.kind}{'s' if others else ''} {names}"
        yield Check(name, "wrong", f"{STATE}: {first.error}")

    def queries() -> str:
        from d118_pipelines.sources.powerschool.schema import check_subset
        from d118_pipelines.sources.powerschool.source import Query

        paths = query_files(project)
        wrong = [
            f"sql/powerschool/{path.name}: {complaint}"
            for path in paths
            for complaint in check_subset(Query.read(path))
        ]
        if wrong:
            raise ConfigurationError(
                "\n".join(wrong), rule="docs/reference/powerschool.md, the SQL subset"
            )
        return f"{len(paths)} queries"

    yield attempt("configuration: PowerSchool queries", queries)


def _guards(project: Project, feeds: Feeds) -> Iterator[Check]:
    """What is odd about the guard's windows, and where each one is."""
    district = project.district()
    guards = {"district.yaml": district.guard}
    for provider in feeds.providers:
        if provider.model.enabled and "windows" in provider.model.guard:
            own = merged_guard(district.guard, provider.model.guard)
            guards[provider.id] = own
    today = utc_now().astimezone(district.zone).date()
    for name, guard in guards.items():
        for warning in guard_warnings(guard, today):
            yield Check(f"guard of {name}", "note", warning)


def _next_runs(project: Project, feeds: Feeds) -> Check:
    """When each schedule is due next, the nearest first."""
    now = utc_now()
    found = [(feed.next_run(now), feed.name) for feed in enabled_feeds(project, feeds)]
    zone = project.district().zone
    coming = sorted((at.astimezone(zone), name) for at, name in found if at)
    shown = [f"{name} {day_time(at, now)}" for at, name in coming]
    by_hand = [f"{name} by hand" for at, name in found if at is None]
    return Check("next runs", "ok", ", ".join([*shown, *by_hand]) or "none")


def _installation(project: Project) -> Iterator[Check]:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    yield Check("Python", "ok" if sys.version_info >= (3, 11) else "wrong", version)

    def home() -> str:
        folder = project.folder()
        if not os.access(folder, os.W_OK):
            raise ConfigurationError(
                f"{folder} cannot be written.",
                next_step="Set D118_HOME, or its rights.",
            )
        return f"{folder}{_open_to_others(folder)}"

    def history() -> str:
        place, folder = run_history_place(project.root), project.root / FOLDER
        return place + (_open_to_others(folder) if folder.is_dir() else "")

    def database() -> str:
        found = state_database(project)
        with found.transaction():
            return f"{found.place}, opened for writing"

    yield attempt("D118_HOME", home)
    yield _own_files(project)

    def at_a_time() -> str:
        most, queued = runs_at_a_time(), queue_limit(project.root)
        text = f"{most} runs"
        if queued not in (None, most):
            text += f"; Dagster's queue starts {queued} (max_concurrent_runs)"
        return text

    yield attempt("runs at a time", at_a_time)
    yield attempt("state database", database)
    yield attempt("clock", lambda: clock_found(project))
    yield attempt("run history", history)
    ways = configured_ways(project.district().alerts)
    told = (
        ", ".join(ways) or "no alerts are sent: set ALERT_WEBHOOK_URL, or alerts.email"
    )
    yield Check("alerts", "ok" if ways else "note", told)
    yield _daemons(project)


def _own_files(project: Project) -> Check:
    """What of this folder replaces shipped files, and which of those have changed."""
    try:
        files = own_files(project.root)
    except ConfigurationError as exc:
        return Check("own files", "wrong", str(exc))
    stale = [one.file for one in files if one.shipped_changed]
    if stale:
        text = f"the shipped original has changed: {', '.join(stale)}. d118 diff FILE"
        return Check("own files", "note", text)
    return Check(
        "own files", "ok", f"{sum(f.state != SAME for f in files)} own or changed"
    )


def _daemons(project: Project) -> Check:
    """Whether exactly one Dagster daemon of this machine works on this project."""
    found = daemons_here(project.root)
    names = " and ".join(f"process {pid}" for pid in found)
    if len(found) > 1:
        text = f"{names}: every schedule runs twice. Stop one: kill {found[-1]}"
        return Check("Dagster daemon", "wrong", text)
    idle = "none: schedules, sensors and alerts do not run. Start it: make ui"
    return Check("Dagster daemon", "ok" if found else "note", names or idle)


def _open_to_others(folder: Path) -> str:
    is_open = folder.stat().st_mode & 0o077
    return f" (readable by others: chmod 700 {folder.name})" if is_open else ""


def _sql(project: Project, target: Target) -> Check:
    """Whether the target's SQL runs, on what there is to try it on."""
    try:
        return Check(f"SQL {target.name}", "ok", bind(project, target))
    except IncompleteExtractError as exc:
        return Check(f"SQL {target.name}", "note", str(exc))
    except D118Error as exc:
        return Check(f"SQL {target.name}", "wrong", str(exc))


def _connections(project: Project, feeds: Feeds) -> Iterator[Check]:
    enabled = [p.id for p in feeds.providers if p.model.enabled]
    targets = [target.name for target in feeds.targets]
    for name in dict.fromkeys([POWERSCHOOL, *enabled, *targets]):
        yield _connection(project, name)
    for target in feeds.targets:
        try:
            is_outbox = resolve(project, target).is_outbox
            left = not_picked_up(project, target, utc_now())
        except D118Error:
            continue  # reported above, as the connection's fault
        if is_outbox:
            wanted = target.model.destination
            reason = f"{wanted.address_env} is unset"
            if isinstance(wanted, AutocommDestination) and not wanted.enabled:
                reason = "destination.enabled is false"
            text = f"{reason}: files go to the outbox only"
            yield Check(f"destination {target.name}", "note", text)
        if left:
            names = ", ".join(finding.key for finding in left)
            text = f"PowerSchool has not imported the last delivery: {names}"
            yield Check(f"destination {target.name}", "note", text)


def _connection(project: Project, name: str) -> Check:
    try:
        found = _reach(project, name)
    except D118Error as exc:
        return Check(f"connection {name}", "wrong", str(exc))
    result = "ok" if found.success else "wrong"
    return Check(f"connection {name}", result, found.text)
