"""`d118 providers`, `d118 conflicts`, `d118 undo`: what comes in, and how to correct it."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from typing import Annotated, Any

import typer

from d118_pipelines.cli.context import AsJson, ProviderName, named_provider
from d118_pipelines.cli.output import gathered, say, show_json, show_lines, show_table
from d118_pipelines.config.project import Project
from d118_pipelines.kernel.clock import day_time, utc_now
from d118_pipelines.roster.store.conflicts import list_conflicts, resolve_conflict
from d118_pipelines.roster.store.runs import Actor
from d118_pipelines.state.open import state_database
from d118_pipelines.workflows.monitoring.all_feeds import (
    all_provider_states,
    load_feeds,
)
from d118_pipelines.workflows.runs.audit_trail import audited_run
from d118_pipelines.workflows.runs.run import account

providers_app = typer.Typer(help="The providers of this project.", no_args_is_help=True)
NO_PROVIDER = (
    "No provider in config/providers.yaml, so no roster comes in. Add one below "
    "providers: as docs/reference/providers.md says; examples: "
    "d118 diff config/providers.yaml"
)
UNDO = "undo-"  # begins the run id of an undo
conflicts_app = typer.Typer(
    help="People and schools that could not be matched for certain.",
    no_args_is_help=True,
)

# What a person types -> the state that is stored.
RESOLUTIONS = {
    "merged": "RESOLVED_MERGED",
    "kept-separate": "RESOLVED_KEPT_SEPARATE",
    "manual": "RESOLVED_MANUAL",
    "dismissed": "DISMISSED",
}


@providers_app.callback()
def _providers() -> None:
    """The providers of this project."""


@providers_app.command("list")
def providers_list(
    district: Annotated[
        str | None, typer.Option(help="Only providers of this district.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the providers: type, schedule, next run, last sync, last status."""
    project = Project.here()
    own = project.district().id
    states = (
        all_provider_states(project, load_feeds(project))
        if district in (None, own)
        else []
    )
    if as_json:
        show_json(states)
        return
    now = utc_now()
    rows = [
        {
            "provider": state.provider,
            "next run": day_time(state.next_run, now),
            "last sync": f"{day_time(state.last_sync, now)}\n{state.state}".strip(),
            "name": state.name,
            "type": state.type,
            "schedule": state.schedule or "by hand",
        }
        for state in states
    ]
    kept = ("provider", "next run", "last sync")
    shown = gathered(rows, "more", *kept)
    show_lines("Providers", shown, empty=NO_PROVIDER)


@conflicts_app.command("list")
def conflicts_list(
    provider: Annotated[str | None, typer.Option(help="Only this provider.")] = None,
    resolved: Annotated[
        bool, typer.Option("--resolved", help="Resolved ones too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the open conflicts, most serious first; ids only, no names."""
    project = Project.here()
    if provider:
        named_provider(project, provider)
    with state_database(project).transaction() as connection:
        cases = list_conflicts(
            connection,
            district=project.district().id,
            provider=provider,
            is_open=not resolved,
        )
    if as_json:
        show_json([dict(case) for case in cases])
        return
    rows = [_case_row(project, dict(case)) for case in cases]
    show_table("Conflicts", rows, empty="No open conflict.")
    if rows:
        say(
            "Resolve one: d118 conflicts resolve CASE --as "
            f'{"|".join(RESOLUTIONS)} --reason "..."'
        )


@conflicts_app.command("resolve")
def conflicts_resolve(
    case: Annotated[str, typer.Argument(help="The case, 8 or more characters.")],
    decision: Annotated[
        str, typer.Option("--as", help=f"One of: {', '.join(RESOLUTIONS)}.")
    ],
    reason: Annotated[str, typer.Option(help="Why; without naming a person.")],
    record: Annotated[
        str | None,
        typer.Option(help="With merged: the internal id of the record to merge with."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Close one conflict with a reason; the provider's next plan follows it."""
    project = Project.here()
    if decision not in RESOLUTIONS:
        raise typer.BadParameter(f"--as is one of: {', '.join(RESOLUTIONS)}")
    with state_database(project).transaction() as connection:
        found = resolve_conflict(
            connection,
            case,
            district=project.district().id,
            resolution=RESOLUTIONS[decision],
            reason=reason,
            account=account(),
            now=utc_now(),
            record=record,
        )
    provider = found["provider_id"]
    if as_json:
        show_json(dict(found))
        return
    say(f"Resolved as {decision}. Next: d118 run {provider}")


def undo(provider: ProviderName, as_json: AsJson = False) -> None:
    """Put back what the provider's last apply changed; planned, guarded and recorded."""
    from d118_pipelines.workflows.providers.undo import undo_provider

    project = Project.here()
    wanted = named_provider(project, provider)
    run_id, by = f"{UNDO}{uuid.uuid4().hex}", account()
    database = state_database(project)
    with audited_run(database, actor=by, run_id=run_id, subject=provider):
        done = undo_provider(project, wanted, run_id, Actor(by))
    if as_json:
        show_json({**asdict(done.result), "undoes_run": done.undone.undoes_run})
        return
    say(
        f"{provider}: {done.result.changed:,} records are back to what they were before run "
        f"{done.undone.undoes_run}. Roster revision {done.result.revision}."
    )
    left = [
        {"code": f.code, "entity": f.entity, "external_id": f.key}
        for f in done.undone.findings
    ]
    if left:
        show_table(
            "Not reverted: changed since, or the old values no longer exist", left
        )
    say(
        f"The next sync brings the changes back: correct {provider} first, or disable it."
    )


def _case_row(project: Project, case: dict[str, Any]) -> dict[str, Any]:
    return {
        "case": case["id"][:8],
        "severity": case["severity"],
        "type": case["type"],
        "provider": case["provider_id"],
        "entity": case["entity"],
        "key": case["external_id"],
        "record": case["record_id"] or "",
        "rule": case["rule"],
        "state": case["state"],
        "opened": project.local(case["opened_at"]),
    }
