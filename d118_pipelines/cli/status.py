"""`d118 status` and `d118 targets list`: did last night's files go out?

Called by the command line. What a line says is in `workflows/runs/status.py`, what
Dagster knows in `instance.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from d118_pipelines.cli.context import AsJson, named_provider, named_target
from d118_pipelines.cli.output import (
    gathered,
    say,
    say_narrow,
    show_json,
    show_lines,
    show_table,
)
from d118_pipelines.cli.providers import NO_PROVIDER
from d118_pipelines.cli.runs import found_runs
from d118_pipelines.config.crons import crons_shown
from d118_pipelines.config.project import Project
from d118_pipelines.config.quarantine import Misconfigured
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.clock import day_time, local_time, utc_now
from d118_pipelines.state.open import state_database
from d118_pipelines.workflows.monitoring.all_feeds import (
    State,
    cause_line,
    enabled_feeds,
    feed_name,
    load_feeds,
)
from d118_pipelines.workflows.monitoring.health import (
    health,
    stats_connectors,
    stats_overview,
    workers,
)
from d118_pipelines.workflows.monitoring.job_status import job_status
from d118_pipelines.workflows.providers.provider_feed import ProviderState
from d118_pipelines.workflows.providers.vendor_file_feed import provider_feed
from d118_pipelines.workflows.runs.feed import Feed
from d118_pipelines.workflows.targets.scim_state import scim_counts
from d118_pipelines.workflows.targets.target_feed import TargetFeed, TargetState

targets_app = typer.Typer(help="The targets of this project.", no_args_is_help=True)
Wide = Annotated[bool, typer.Option("--wide", help="Show every column.")]


@targets_app.callback()
def _targets() -> None:
    """The targets of this project."""


def status(
    target: Annotated[str | None, typer.Option(help="Only this target.")] = None,
    provider: Annotated[str | None, typer.Option(help="Only this provider.")] = None,
    files: Annotated[
        bool, typer.Option("--files", help="List the files sent.")
    ] = False,
    scim: Annotated[
        bool, typer.Option("--scim", help="Only users at the SCIM service provider.")
    ] = False,
    district: Annotated[
        str | None, typer.Option(help="With --scim: the district's id.")
    ] = None,
    job: Annotated[
        str | None,
        typer.Option(help="How far this run is: its id, or the start of it."),
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="For cron and monitoring: one line per cause; exit 0 all well, "
            "1 late or failed, 3 held or paused.",
        ),
    ] = False,
    is_health: Annotated[
        bool,
        typer.Option("--health", help="Whether all works; exit 1 if not."),
    ] = False,
    is_stats: Annotated[
        bool, typer.Option("--stats", help="Counts of all syncs.")
    ] = False,
    is_connectors: Annotated[
        bool, typer.Option("--connectors", help="Syncs of each kind of provider.")
    ] = False,
    is_workers: Annotated[
        bool, typer.Option("--workers", help="Daemons, and what runs and waits.")
    ] = False,
    wide: Wide = False,
    as_json: AsJson = False,
) -> None:
    """Say what went out and what came in, when, and what to do if not."""
    project = Project.here()
    if is_health:
        _show_health(project, as_json=as_json)
        return
    if is_stats or is_connectors or is_workers:
        asked = "stats" if is_stats else "connectors" if is_connectors else "workers"
        _show_figures(project, asked, as_json=as_json)
        return
    if scim:
        _show_users(project, district, as_json=as_json)
        return
    if job is not None:
        _show_job(project, job, as_json=as_json)
        return
    from d118_pipelines.instance import look

    states, faults, note = look(project, *_chosen(project, target, provider))
    if check:
        _check(states, faults, as_json=as_json)
    elif as_json:
        targets = [s for s in states if isinstance(s, TargetState)]
        show_json(states[0] if provider else targets)
    else:
        _show(project, states, is_wide=wide, is_of_one=bool(provider))
        if files:
            _show_files(states, is_wide=wide)
        for line in [*faults, *note]:
            say("")
            say_narrow(line)


def _chosen(
    project: Project, target: str | None, provider: str | None
) -> tuple[Sequence[Feed], list[Misconfigured]]:
    """What was asked for, sound or misconfigured; by default all but disabled ones."""
    found, name = load_feeds(project), provider or target
    if name:
        kind = "provider" if provider else "target"
        broken = [one for one in found.broken if (one.kind, one.name) == (kind, name)]
        if broken:
            return [], broken
    if provider:
        return [provider_feed(project, named_provider(project, provider))], []
    if target:
        return [TargetFeed(project, named_target(project, target))], []
    return enabled_feeds(project, found), list(found.broken)


def _check(states: Sequence[State], faults: Sequence[str], *, as_json: bool) -> None:
    """Print the causes and leave with their exit code."""
    bad = [state for state in states if state.standing.exit_code]
    lines = [cause_line(state) for state in bad] + list(faults)
    codes = {state.standing.exit_code for state in bad} | {1 for _ in faults}
    code = min(codes, default=0)  # what failed counts more than what is held
    if as_json:
        show_json({"exit_code": code, "causes": lines})
    else:
        for line in lines or [f"All well: {', '.join(feed_name(s) for s in states)}."]:
            say(line)
    raise typer.Exit(code)


def _show(
    project: Project, states: Sequence[State], *, is_wide: bool, is_of_one: bool
) -> None:
    """The targets, then the providers; of one provider that alone."""
    now = utc_now()
    targets = [s for s in states if isinstance(s, TargetState)]
    providers = [s for s in states if isinstance(s, ProviderState)]
    show = show_table if is_wide else show_lines
    title = f"Status, {local_time(now, project.district().zone)}"
    if not is_of_one:
        rows = [state.row(now, is_wide=is_wide) for state in targets]
        show(title, rows, empty="No target.")
        title = "\nRosters in"
    if providers:
        show(title, [state.row(now, is_wide=is_wide) for state in providers])
    elif not is_of_one and not (project.providers() or load_feeds(project).broken):
        say_narrow(f"\n{NO_PROVIDER}")


def _show_files(states: Sequence[State], *, is_wide: bool) -> None:
    rows = [
        {"target": s.target, **file, "where": s.destination}
        for s in states
        if isinstance(s, TargetState)
        for file in s.file_rows
    ]
    title = "\nFiles of the last verified delivery"
    if is_wide:
        show_table(title, rows)
    else:
        for row in rows:
            row["sha256"] = row["sha256"][:12]  # the whole one: --wide, --json
        show_lines(title, gathered(rows, "delivered", "target", "file"))


def _show_health(project: Project, *, as_json: bool) -> None:
    """Print the checks and leave with 1 if one is wrong."""
    from d118_pipelines.instance import dagster_facts

    found = health(project, dagster_facts(project))
    if as_json:
        show_json(found)
    else:
        show_lines(f"{found['service']}: {found['status']}", found["checks"])
    if found["status"] != "healthy":
        raise typer.Exit(1)


def _show_figures(project: Project, asked: str, *, as_json: bool) -> None:
    from d118_pipelines.instance import dagster_facts

    figures: dict[str, Any]
    if asked == "stats":
        figures = stats_overview(project)
        figures["last_sync"] = project.local(figures["last_sync"])
        rows = [figures]
    elif asked == "connectors":
        figures = stats_connectors(project)
        rows = [{"connector": name, **one} for name, one in figures.items()]
    else:
        figures = workers(dagster_facts(project))
        daemons = figures["worker_stats"].items()
        rows = [
            {"what": name, "state": f"{d['seconds_ago']} s ago"} for name, d in daemons
        ]
        for kind in ("active", "scheduled"):
            for task in figures[f"{kind}_tasks"]:
                what = ", ".join(task["names"]) or task["id"][:8]
                state = f"{kind}, {task['age_seconds']} s {task['step']}".strip()
                rows.append({"what": what, "state": state})
    if as_json:
        show_json(figures)
    else:
        show_lines(asked.capitalize(), rows)


def _show_users(project: Project, district: str | None, *, as_json: bool) -> None:
    """The users of one district, under the names that programs know."""
    wanted = district or project.district().id
    if wanted != project.district().id:
        raise ConfigurationError(
            f"This project has no district {wanted[:64]}.",
            rule=f"config/district.yaml says id: {project.district().id}.",
            next_step="d118 status --scim",
        )
    with state_database(project).transaction() as connection:
        found = scim_counts(connection, wanted)
    found["last_sync"] = project.local(found["last_sync"])
    counts = {"district_id": wanted, "total_users": found.pop("total"), **found}
    if as_json:
        show_json(counts)
    else:
        show_table("Users at the service provider", [counts])


def _show_job(project: Project, wanted: str, *, as_json: bool) -> None:
    """The state of one run, also while it is at work in another process."""
    from d118_pipelines.instance import run_history

    with (
        run_history(project) as (_, history),
        state_database(project).reading() as connection,
    ):
        entries, zone = found_runs(history, wanted), project.district().zone
        found = job_status(connection, history, entries, zone=zone, now=utc_now())
    if as_json:
        show_json(found)
        return
    names = ", ".join(entry.name for entry in entries)
    say(f"{names}: {found.status}, {found.progress_percent} %. {found.current_step}")
    say(
        f"{found.total_processed:,} rows, {found.total_created:,} new, "
        f"{found.total_updated:,} changed, {found.total_failed:,} failed, "
        f"{found.duration_seconds:,.0f} s"
    )
    for entry in entries if found.error else ():
        say_narrow(entry.reason)


@targets_app.command("list")
def targets_list(as_json: AsJson = False) -> None:
    """List the targets: files, destination, schedule, next run, last delivery."""
    from d118_pipelines.instance import look

    project = Project.here()
    found = load_feeds(project)
    sound = {target.name: target for target in found.targets}
    broken = [one for one in found.broken if one.kind == "target"]
    feeds = [TargetFeed(project, target) for target in found.targets]
    states, _, _ = look(project, feeds, broken)
    rows: list[dict[str, Any]] = []
    for state in states:
        assert isinstance(state, TargetState)
        target = sound.get(state.target)
        schedule = target.model.schedule if target else None
        rows.append(
            {
                "target": state.target,
                "title": target.model.title if target else "",
                "files": target.names_sent if target else [],
                "destination": state.destination,
                "schedule": crons_shown(schedule.cron) or "" if schedule else "",
                "next_run": state.next_run,
                "last_delivery": state.last_delivery,
                "last_status": state.state,
            }
        )
    if as_json:
        show_json(rows)
        return
    now = utc_now()
    for row in rows:
        row["next run"] = day_time(row.pop("next_run"), now)
        sent = day_time(row.pop("last_delivery"), now)
        row["last delivery"] = f"{sent}\n{row.pop('last_status')}".strip()
    kept = ("target", "next run", "last delivery")
    shown = gathered(rows, "more", *kept)
    show_lines("Targets", shown, empty="No target in mappings/targets.")
