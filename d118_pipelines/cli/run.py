"""`d118 run`, `d118 resend` and `d118 runs`: starting work and looking back at it.

Called by the command line; the only command that knows Dagster. What a run reports is in
`workflows/feed.py`.
"""

from __future__ import annotations

import fcntl
import os
import uuid
from typing import TYPE_CHECKING, Annotated, Any

import typer

from d118_pipelines.cli.context import (
    AnyName,
    AsJson,
    TargetName,
    local,
    named_provider,
    named_target,
)
from d118_pipelines.cli.output import say, show_json, show_table, warn
from d118_pipelines.config.project import Project
from d118_pipelines.config.providers import Provider
from d118_pipelines.errors import D118Error
from d118_pipelines.state.database import NOT_READ_BACK
from d118_pipelines.state.open import state_database
from d118_pipelines.workflows.admission import stopped_by_guard
from d118_pipelines.workflows.all_feeds import named_feed
from d118_pipelines.workflows.deliver import resend_last
from d118_pipelines.workflows.deliveries import file_set_of
from d118_pipelines.workflows.feed import Feed
from d118_pipelines.workflows.run import account

if TYPE_CHECKING:
    import dagster as dg

Rows = list[dict[str, Any]]


def run(target: AnyName, as_json: AsJson = False) -> None:
    """Run one target or provider now, in this process, from extract to end."""
    project = Project.here()
    feed = named_feed(project, target)
    if feed.refused:
        raise feed.refused
    instance = dagster_instance(project)
    from d118_pipelines.definitions import build_definitions

    result = (
        build_definitions(project)
        .resolve_job_def(feed.job)
        .execute_in_process(
            instance=instance,
            tags={"sis/trigger": "manual", "sis/triggered_by": account()},
            raise_on_error=False,
        )
    )
    if not result.success:
        raise _outcome(feed, result)
    report = feed.report()
    if as_json:
        show_json({"run_id": result.run_id, "status": report.state})
        return
    if report.text:
        say(report.text)
    if report.table:
        show_table(report.table, report.rows, empty="There was nothing to do.")
    if report.hint:
        warn(report.hint)


def resend(target: TargetName, as_json: AsJson = False) -> None:
    """Send the last verified set again, byte for byte."""
    project = Project.here()
    wanted = named_target(project, target)
    way = file_set_of(project, wanted)
    delivered = resend_last(way, run_id=f"resend-{uuid.uuid4().hex}")
    if as_json:
        show_json(delivered)
        return
    names = ", ".join(file.name for file in delivered.report.files)
    how = "not read back" if delivered.status == NOT_READ_BACK else "read back"
    say(f"Sent again and {how} at {delivered.label}: {names}")
    if any(file.command for file in wanted.model.files):
        say("The add and change commands are those of that delivery, unchanged.")


def runs(
    target: Annotated[
        str | None, typer.Option(help="Only runs of this target.")
    ] = None,
    provider: Annotated[
        str | None, typer.Option(help="Only syncs of this provider.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most this many.")] = 20,
    offset: Annotated[
        int, typer.Option(min=0, help="Skip this many of the newest.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """List past runs, newest first, whoever started them."""
    project = Project.here()
    if provider:
        _show_syncs(project, named_provider(project, provider), limit, offset, as_json)
        return
    wanted = named_target(project, target).name if target else None
    rows = [
        row
        for row in _run_rows(project)
        if wanted is None or wanted in str(row["targets"]).split(", ")
    ]
    page = rows[offset : offset + limit]
    _show_page("Runs", page, len(rows), limit, offset, as_json)


def dagster_instance(project: Project) -> dg.DagsterInstance:
    """The instance whose history the UI shows: DAGSTER_HOME, else the project's."""
    import dagster as dg

    # The folders in dagster.yaml are relative to the working directory.
    os.chdir(project.root)
    os.environ.setdefault("DAGSTER_HOME", str(project.root))
    # Of several first commands at once only one may make Dagster's databases. The lock is
    # on the folder and ends with its descriptor, however the process ends.
    descriptor = os.open(project.root, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return dg.DagsterInstance.get()
    finally:
        os.close(descriptor)


def _outcome(feed: Feed, result: dg.ExecuteInProcessResult) -> D118Error:
    """The error of a run that did not succeed, with its exit code."""
    for event in result.all_events:
        if not event.is_step_failure:
            continue
        failure = event.step_failure_data.user_failure_data
        if failure is not None:
            error = D118Error(failure.description or "The run failed.")
            code = failure.metadata.get("exit_code")
            error.exit_code = int(str(code.value)) if code else 1
            return error
    stopped = stopped_by_guard(feed, result.run_id)
    if stopped is not None:
        return stopped[1]
    return D118Error(
        f"The run {result.run_id} failed.",
        not_done=feed.not_done,
        next_step=f"d118 findings {feed.name}; or open the run in the UI: make ui",
    )


def _show_syncs(
    project: Project, provider: Provider, limit: int, offset: int, as_json: bool
) -> None:
    from d118_pipelines.roster.store.runs import recent_runs

    with state_database(project).transaction() as connection:
        rows, total = recent_runs(connection, provider.id, limit=limit, offset=offset)
    page = [
        {
            "run": row["run_id"],
            "kind": row["kind"],
            "status": row["status"],
            "started": local(project, row["started_at"]),
            "ended": local(project, row["completed_at"]),
            "changed": row["changed"],
            "triggered_by": row["triggered_by"],
            "is_manual": row["is_manual"],
            "error": (row["error_message"] or "").split("\n")[0],
        }
        for row in rows
    ]
    _show_page(f"Syncs of {provider.id}", page, total, limit, offset, as_json)


def _show_page(
    title: str, page: Rows, total: int, limit: int, offset: int, as_json: bool
) -> None:
    if as_json:
        show_json({"runs": page, "total": total, "limit": limit, "offset": offset})
    else:
        show_table(title, page, empty="No run yet.")


def _run_rows(project: Project) -> Rows:
    """All runs of the instance, newest first, with the targets they touched."""
    import datetime as dt

    def moment(seconds: float | None) -> dt.datetime | None:
        at = dt.datetime.fromtimestamp(seconds, dt.UTC) if seconds else None
        return local(project, at)

    instance: dg.DagsterInstance = dagster_instance(project)
    rows = []
    for record in instance.get_run_records():
        tagged = record.dagster_run
        chosen = {
            key.path[1] for key in tagged.asset_selection or () if len(key.path) > 1
        }
        chosen |= {v for k, v in tagged.tags.items() if k == "sis/target"}
        rows.append(
            {
                "run": tagged.run_id,
                "targets": ", ".join(sorted(chosen - {"powerschool"})),
                "status": tagged.status.value,
                "started": moment(record.start_time),
                "ended": moment(record.end_time),
                "trigger": tagged.tags.get("sis/trigger", "ui or shell"),
            }
        )
    return rows
