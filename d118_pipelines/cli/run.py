"""`d118 run` and `d118 resend`: starting work.

Called by the command line; the only command that knows Dagster. What a run reports is
in `workflows/runs/feed.py`, what ran before in `runs.py`.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from d118_pipelines.cli.context import AsJson, NameOrAll, TargetName, named_target
from d118_pipelines.cli.output import say, show_json, show_table, warn
from d118_pipelines.config.project import Project
from d118_pipelines.config.quarantine import Misconfigured
from d118_pipelines.errors import D118Error, HeldError
from d118_pipelines.kernel.after_commit import after_commit
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.state.database import NOT_READ_BACK
from d118_pipelines.state.open import state_database
from d118_pipelines.state.outbox import tell_of_run
from d118_pipelines.state.pauses import refuse_paused
from d118_pipelines.workflows.monitoring.all_feeds import (
    enabled_feeds,
    load_feeds,
    named_feed,
)
from d118_pipelines.workflows.runs.audit_trail import audited_run
from d118_pipelines.workflows.runs.feed import Feed, RunReport
from d118_pipelines.workflows.runs.run import account
from d118_pipelines.workflows.runs.run_events import check_url_of_run
from d118_pipelines.workflows.runs.run_history import STOPPED
from d118_pipelines.workflows.targets.deliver import resend_last
from d118_pipelines.workflows.targets.deliveries import file_set_of

if TYPE_CHECKING:
    import dagster as dg


def run(
    target: NameOrAll = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every provider, then every target.")
    ] = False,
    webhook_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Tell this address too what becomes of the run; signed with "
            "WEBHOOK_SECRET.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run one target or provider now, in this process, from extract to end.

    With --all each one has a run of its own; what fails or is held stops no other.
    """
    project = Project.here()
    if everything is (target is not None):
        raise typer.BadParameter("Give one name, or --all.", param_hint="target")
    if webhook_url is not None:
        check_url_of_run(webhook_url)
    feeds, broken = _chosen(project, target)
    done, stopped = _run_each(
        project, feeds, everything=everything, webhook_url=webhook_url
    )
    stopped |= {one.name: one.error for one in broken}
    with after_commit("Reporting the run", warn):
        _show_reports(done, as_json, everything=everything)
    if stopped:
        raise _not_all(stopped, len(feeds) + len(broken))


def _chosen(
    project: Project, target: str | None
) -> tuple[Sequence[Feed], Sequence[Misconfigured]]:
    """The feed of that name, else all that may run, and what is misconfigured."""
    if target is not None:
        return [named_feed(project, target)], []
    found = load_feeds(project)
    return enabled_feeds(project, found), found.broken


def _run_each(
    project: Project,
    feeds: Sequence[Feed],
    *,
    everything: bool,
    webhook_url: str | None,
) -> tuple[list[tuple[str, Feed]], dict[str, D118Error]]:
    """Run ids of what ended well, and by name the errors of the others.

    Raises: the error of a feed that was named.
    """
    from d118_pipelines.assets.reports import KEY
    from d118_pipelines.definitions import build_definitions
    from d118_pipelines.instance import close_orphans, dagster_instance
    from d118_pipelines.jobs import execute_here
    from d118_pipelines.loggers import be_brief

    done: list[tuple[str, Feed]] = []
    stopped: dict[str, D118Error] = {}
    definitions = build_definitions(project)
    with dagster_instance(project) as instance:
        close_orphans(project, instance)
        be_brief(not everything)
        for feed in feeds:
            try:
                run_id = _run_one(project, feed, definitions, instance, webhook_url)
                done.append((run_id, feed))
            except D118Error as exc:
                if not everything:
                    raise
                stopped[feed.name] = exc
        if everything:
            # Without a daemon nothing else renews the register.
            whole = definitions.resolve_implicit_global_asset_job_def()
            execute_here(whole, instance, [KEY])
    return done, stopped


def _run_one(
    project: Project,
    feed: Feed,
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    webhook_url: str | None,
) -> str:
    """Run it and return the run's id. Raises: its error, with its exit code."""
    from d118_pipelines.jobs import execute_here

    if feed.refused:
        raise feed.refused
    with state_database(project).reading() as connection:
        refuse_paused(connection, feed.name, project.district().zone)
    run_id = str(uuid.uuid4())
    if webhook_url is not None:
        with state_database(project).transaction() as connection:
            tell_of_run(connection, run_id, webhook_url, utc_now())
    job = definitions.resolve_job_def(feed.job)
    result = execute_here(job, instance, run_id=run_id)
    if not result.success:
        raise _outcome(feed, result)
    return result.run_id


def _show_reports(
    done: Sequence[tuple[str, Feed]], as_json: bool, *, everything: bool
) -> None:
    reports = [(run_id, feed.report()) for run_id, feed in done]
    if as_json:
        answers = [{"run_id": run_id, "status": r.state} for run_id, r in reports]
        show_json(answers if everything else answers[0])
        return
    for _, report in reports:
        _say_report(report, with_table=not everything)


def _say_report(report: RunReport, *, with_table: bool) -> None:
    if report.text:
        say(report.text)
    if report.table and with_table:
        show_table(report.table, report.rows, empty="There was nothing to do.")
    if report.hint:
        warn(report.hint)


def _not_all(stopped: Mapping[str, D118Error], total: int) -> D118Error:
    """The error of `--all`: each one's first line; a failure outweighs a hold."""
    lines = [str(error).splitlines()[0] for error in stopped.values()]
    error = D118Error(
        f"{len(stopped)} of {total} runs failed or are held.\n  " + "\n  ".join(lines),
        next_step="d118 status",
    )
    codes = [one.exit_code for one in stopped.values()]
    error.exit_code = min(codes, key=lambda code: code == HeldError.exit_code)
    return error


def resend(target: TargetName, as_json: AsJson = False) -> None:
    """Send the last verified set again, byte for byte."""
    project = Project.here()
    wanted = named_target(project, target)
    way = file_set_of(project, wanted)
    run_id, database = f"resend-{uuid.uuid4().hex}", state_database(project)
    with audited_run(database, actor=account(), run_id=run_id, subject=target):
        delivered = resend_last(way, run_id=run_id)
    if as_json:
        show_json(delivered)
        return
    names = ", ".join(file.name for file in delivered.report.files)
    how = "not read back" if delivered.status == NOT_READ_BACK else "read back"
    say(f"Sent again and {how} at {delivered.label}: {names}")
    if any(file.command for file in wanted.model.files):
        say("The add and change commands are those of that delivery, unchanged.")


def _outcome(feed: Feed, result: dg.ExecuteInProcessResult) -> D118Error:
    """The error of a run that did not succeed, with its exit code."""
    from d118_pipelines.instance import step_failure

    failed_steps = (one for one in result.all_events if one.is_step_failure)
    for failure in map(step_failure, failed_steps):
        if failure.error == STOPPED:
            raise KeyboardInterrupt  # Dagster makes a failed step of it
        if failure.text:
            failed = D118Error(failure.text)
            failed.exit_code = failure.exit_code
            return failed
    return D118Error(
        f"The run {result.run_id} failed.",
        not_done=feed.not_done,
        next_step=f"d118 findings {feed.name}; or open the run in the UI: make ui",
    )
