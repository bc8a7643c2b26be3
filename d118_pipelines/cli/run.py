"""`d118 run` and `d118 resend`: starting work.

Called by the command line; the only command that knows Dagster. What a run reports is in
`workflows/feed.py`, what ran before in `runs.py`.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from d118_pipelines.cli.context import AnyName, AsJson, TargetName, named_target
from d118_pipelines.cli.output import say, show_json, show_table, warn
from d118_pipelines.config.project import Project
from d118_pipelines.errors import D118Error
from d118_pipelines.state.open import state_database
from d118_pipelines.state.pauses import refuse_paused
from d118_pipelines.workflows.admission import stopped_by_guard
from d118_pipelines.workflows.all_feeds import named_feed
from d118_pipelines.workflows.deliver import resend_last
from d118_pipelines.workflows.deliveries import file_set_of
from d118_pipelines.workflows.feed import Feed
from d118_pipelines.workflows.run import account

if TYPE_CHECKING:
    import dagster as dg


def run(target: AnyName, as_json: AsJson = False) -> None:
    """Run one target or provider now, in this process, from extract to end."""
    project = Project.here()
    feed = named_feed(project, target)
    if feed.refused:
        raise feed.refused
    with state_database(project).reading() as connection:
        refuse_paused(connection, feed.name, project.district().zone)
    from d118_pipelines.definitions import build_definitions
    from d118_pipelines.instance import dagster_instance

    instance = dagster_instance(project)
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
    say(f"Sent again and read back at {delivered.label}: {names}")
    if any(file.command for file in wanted.model.files):
        say("The add and change commands are those of that delivery, unchanged.")


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
