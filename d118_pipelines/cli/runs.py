"""`d118 runs`, `d118 runs show`, `d118 runs cancel`: what ran, what came of it, why.

Called by the command line. The listing is made in `workflows/runs/run_history.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

import sqlalchemy as sa
import typer

from d118_pipelines.cli.context import AsJson
from d118_pipelines.cli.output import say, say_narrow, show_json, show_lines, show_table
from d118_pipelines.config.project import Project
from d118_pipelines.errors import ConfigurationError, FatalError
from d118_pipelines.kernel.clock import day_time, utc_now
from d118_pipelines.roster.store.runs import logged_codes, sync_run_id
from d118_pipelines.state import audit
from d118_pipelines.state import database as db
from d118_pipelines.state.leases import ask_to_stop
from d118_pipelines.state.open import state_database
from d118_pipelines.workflows.monitoring.all_feeds import named_feed
from d118_pipelines.workflows.providers.sync_runs import close_lost_runs
from d118_pipelines.workflows.runs.run import account
from d118_pipelines.workflows.runs.run_history import PastRun, RunHistory

SHORT = 8
LOGGED_LINES = 40
RunId = Annotated[
    str, typer.Argument(help="The run: its id or the first characters of it.")
]
runs_app = typer.Typer(help="What ran, newest first.", invoke_without_command=True)
Rows = list[dict[str, Any]]


@runs_app.callback()
def runs(
    context: typer.Context,
    target: Annotated[
        str | None, typer.Option(help="Only runs of this target.")
    ] = None,
    provider: Annotated[
        str | None, typer.Option(help="Only runs of this provider, also a removed one.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most this many.")] = 20,
    offset: Annotated[
        int, typer.Option(min=0, help="Skip this many of the newest.")
    ] = 0,
    wide: Annotated[bool, typer.Option("--wide", help="Show every column.")] = False,
    as_json: AsJson = False,
) -> None:
    """List what ran, newest first, whoever started it: outcome, reason, numbers."""
    if context.invoked_subcommand is not None:
        return
    from d118_pipelines.instance import run_history

    project = Project.here()
    names = [name for name in (target, provider) if name]
    with run_history(project) as (_, history):
        for name in names:
            if name not in history.names():
                named_feed(project, name)  # it may never have run, but must be known
        keys = history.runs_of(*names)
        page = [history.entry(*key) for key in keys[offset : offset + limit]]
    if as_json:
        rows = [_plain(project, run) for run in page]
        show_json({"runs": rows, "total": len(keys), "limit": limit, "offset": offset})
    elif wide:
        show_table("Runs", [_plain(project, run) for run in page], empty="No run yet.")
    else:
        rows = [_line(project, run) for run in page]
        show_lines("Runs", rows, empty="No run yet.")
        if len(keys) > offset + limit:
            say(f"{len(keys) - offset - limit:,} more: --offset {offset + limit}")


@runs_app.command("show")
def show(run: RunId, as_json: AsJson = False) -> None:
    """Show one run: outcome and reason, steps, counts, findings, log."""
    from d118_pipelines.instance import log_of, run_history, steps_of

    project = Project.here()
    with run_history(project) as (instance, history):
        entries = found_runs(history, run)
        run_id = entries[0].run_id
        is_seen = instance.has_run(run_id)
        steps = steps_of(instance, run_id) if is_seen else []
        log = log_of(instance, run_id) if is_seen else []
    parts = {
        "runs": [_plain(project, entry) for entry in entries],
        "steps": steps,
        "counts": [row for entry in entries for row in _counts(project, entry)],
        "findings": [row for entry in entries for row in _findings(project, entry)],
        "log": [{**line, "at": project.local(line["at"])} for line in log],
    }
    if as_json:
        show_json(parts)
        return
    for entry in entries:
        _say_run(project, entry)
    for title in ("steps", "counts", "findings"):
        if parts[title]:
            say("")
            show_lines(title.capitalize(), parts[title])
    if log:
        say("")
        say(
            f"Log (the last {LOGGED_LINES} lines)" if len(log) > LOGGED_LINES else "Log"
        )
    for line in parts["log"][-LOGGED_LINES:]:
        say_narrow(f"{line['at']:%H:%M:%S}  {line['text']}")


@runs_app.command("cancel")
def cancel(run: RunId) -> None:
    """Stop a run that is at work or waits; what it has not committed does not count."""
    from d118_pipelines import instance as dagster
    from d118_pipelines.instance import run_history

    project = Project.here()
    with run_history(project) as (instance, history):
        entries = found_runs(history, run)
        run_id = entries[0].run_id
        seen = instance.get_run_by_id(run_id)
        if _asked(project, run_id, lambda: dagster.mark_canceling(instance, run_id)):
            _say_asked(run_id)
            return
        if seen is None or seen.is_finished:
            raise ConfigurationError(
                f"The run {run_id[:SHORT]} has ended already: {entries[0].outcome}.",
                not_done="Nothing was stopped.",
                next_step=f"d118 runs show {run_id[:SHORT]}",
            )
        if dagster.ask_to_stop(instance, run_id):
            _say_asked(run_id)
            return
        if any(entry.outcome == "running" for entry in entries):
            raise _unreachable(run_id)
        dagster.close_as_canceled(instance, run_id)
    for entry in entries:
        close_lost_runs(project, entry.name)
    say(f"Run {run_id[:SHORT]} was killed before; it is closed now.")


def _asked(project: Project, run_id: str, mark: Callable[[], None]) -> bool:
    """Leave the request in the run's leases; False if no live process holds one.

    mark: is called before the holder can see it.
    """
    with state_database(project).transaction() as connection:
        by = account()
        if not ask_to_stop(connection, run_id, by):
            return False
        mark()
        audit.record(
            connection, now=utc_now(), actor=by, action="cancel", subject=run_id
        )
    return True


def _say_asked(run_id: str) -> None:
    short = _short(run_id)
    say(f"Asked run {short} to stop. See: d118 runs show {short}")


def _unreachable(run_id: str) -> FatalError:
    return FatalError(
        f"The run {run_id[:SHORT]} cannot be reached from here.",
        rule="It has not taken its lease yet, in which it would find the request.",
        not_done="Nothing was stopped.",
        next_step="Press Ctrl-C where it was started, or stop it in the UI: make ui",
    )


def found_runs(history: RunHistory, wanted: str) -> list[PastRun]:
    """The entries of one run. Raises: ConfigurationError for none or several."""
    keys = [
        k for k in history.runs_of() if wanted in (k[0][: len(wanted)], _short(k[0]))
    ]
    ids = sorted({run_id for run_id, _ in keys})
    if len(ids) != 1:
        raise ConfigurationError(
            f"There is no run {wanted[:64]}."
            if not ids
            else f"{len(ids)} runs begin with {wanted[:64]}.",
            next_step="d118 runs",
        )
    return [history.entry(*key) for key in sorted(keys)]


def _line(project: Project, run: PastRun) -> dict[str, Any]:
    """A run for 80 columns."""
    started = project.local(run.started)
    assert started is not None
    facts = [f"{run.seconds:,.0f} s"] if run.seconds is not None else []
    facts += [f"{number:,} {name}" for name, number in run.numbers.items()]
    told = [", ".join(facts), run.reason]
    return {
        "run": _short(run.run_id),
        "what": f"{run.kind if run.kind != 'run' else ''} {run.name or 'assets'}".strip(),
        "started": day_time(started, utc_now()).removeprefix("today "),
        "outcome": run.outcome,
        "numbers, reason": "\n".join(part for part in told if part),
    }


def _short(run_id: str) -> str:
    """Of `undo-...` and `resend-...` what comes after the kind."""
    head, _, rest = run_id.partition("-")
    return (rest if head in ("undo", "resend") else run_id)[:SHORT]


def _plain(project: Project, run: PastRun) -> dict[str, Any]:
    """A run as JSON and in the wide table; times are local."""
    own = asdict(run)
    numbers = own.pop("numbers")
    return {
        "run": own.pop("run_id"),
        **own,
        "started": project.local(run.started),
        "ended": project.local(run.ended),
        "seconds": run.seconds,
        "rows": numbers.get("rows"),
        "changes": numbers.get("changes"),
    }


def _say_run(project: Project, run: PastRun) -> None:
    line = _line(project, run)
    say(f"{line['what']}: {run.outcome}, started {line['started']} by {run.trigger}")
    for part in line["numbers, reason"].splitlines():
        say_narrow(part)
    if run.next_step:
        say_narrow(f"Next: {run.next_step}")
    say(f"Run {run.run_id}")


def _counts(project: Project, run: PastRun) -> Rows:
    """What the run's plan counted: per file, or per entity."""
    plans = db.plans
    mine = sa.and_(plans.c.run_id == run.run_id, plans.c.target == run.name)
    with state_database(project).reading() as connection:
        counts = (
            connection.execute(sa.select(plans.c.counts).where(mine)).scalar() or {}
        )
    kinds = ("rows", "added", "changed", "removed")
    if "files" in counts:
        return [
            {"of": f"{run.name}/{name}", **{kind: one[kind] for kind in kinds}}
            for name, one in counts["files"].items()
        ]
    kinds = ("fetched", "created", "updated", "deactivated")
    return [
        {"of": f"{run.name}/{name}", **{kind: one.get(kind, 0) for kind in kinds}}
        for name, one in counts.get("entities", {}).items()
        if "/" not in name
    ]


def _findings(project: Project, run: PastRun) -> Rows:
    """How often the run found each code."""
    c = db.findings.c
    counted = (
        sa.select(c.code, c.level, sa.func.count())
        .where(c.run_id == run.run_id, c.target == run.name)
        .group_by(c.code, c.level)
        .order_by(sa.func.count().desc(), c.code)
    )
    with state_database(project).reading() as connection:
        found = [tuple(row) for row in connection.execute(counted)]
        found += logged_codes(connection, sync_run_id(run.run_id, run.name))
    return [
        {"of": run.name, "code": code, "level": level.lower(), "records": number}
        for code, level, number in found
    ]
