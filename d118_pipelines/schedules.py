"""Schedules: one per target and provider that has one, running from the start.

Wired in `definitions.py`; when one fires next is said by
`workflows/targets/target_feed.py` and `provider_feed.py`.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from zoneinfo import ZoneInfo

import dagster as dg

from d118_pipelines.config.crons import crons_of
from d118_pipelines.config.project import Project
from d118_pipelines.config.providers import Provider
from d118_pipelines.config.quarantine import Misconfigured
from d118_pipelines.config.yaml_files import check_time_zone
from d118_pipelines.errors import D118Error
from d118_pipelines.kernel import clock
from d118_pipelines.state.open import state_database
from d118_pipelines.state.pauses import pause_of
from d118_pipelines.targets.definition import Target, schedule_of
from d118_pipelines.workflows.runs.run import CLEANUP_JOB

NIGHTLY = "40 0 * * *"
SCHEDULE = "dagster/schedule_name"
DUE = ".dagster/scheduled_execution_time"
"""Tags that Dagster gives the runs of a schedule."""
_FAILED = {
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELING,
    dg.DagsterRunStatus.CANCELED,
}


def target_schedule(target: Target, project: Project) -> dg.ScheduleDefinition | None:
    """The schedule `<target>_schedule` in the district's time zone, or None."""
    district = project.district()
    wanted = target.model.schedule
    if wanted is None:
        return None
    due = f", due by {wanted.deadline} (cron)" if wanted.deadline else ""
    text = f"{target.model.title}{due}."
    zone = wanted.time_zone or district.time_zone
    return _schedule(project, target.name, target.name, (wanted.cron, zone), text)


def provider_schedule(
    provider: Provider, project: Project
) -> dg.ScheduleDefinition | None:
    """The schedule `sync_<provider>_schedule`, or None where it is started by hand."""
    model = provider.model
    if not model.schedule:
        return None
    text = f"{model.name}: bring the roster up to date."
    zone = model.timezone or project.district().time_zone
    when = (model.schedule, zone)
    return _schedule(project, provider.id, f"sync_{provider.id}", when, text)


def cleanup_schedule(project: Project) -> dg.ScheduleDefinition:
    """`cleanup_old_jobs_schedule`: once a night, before the first feeds."""
    return dg.ScheduleDefinition(
        name=f"{CLEANUP_JOB}_schedule",
        job_name=CLEANUP_JOB,
        cron_schedule=NIGHTLY,
        tags={"sis/trigger": "schedule"},
        execution_timezone=project.district().time_zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Remove what is too old, as retention: in config/district.yaml says.",
    )


def skipped(project: Project, name: str) -> dg.SkipReason | None:
    """Why a schedule or sensor starts nothing now: a pause; else None."""
    project = project.fresh()  # this process outlives changes of the files
    try:
        with state_database(project).reading() as connection:
            found = pause_of(connection, name, now=clock.utc_now())
        return dg.SkipReason(found.text(project.district().zone)) if found else None
    except D118Error:
        return None  # the run finds the same fault, and its failure is alerted


def good_runs(
    instance: dg.DagsterInstance, schedule: str, *, before: str = ""
) -> Iterator[tuple[dt.datetime, dg.DagsterRun]]:
    """When they were due, and the schedule's newest runs that have not failed.

    before: only runs that were made before the one with this id.
    """
    wanted = dg.RunsFilter(tags={SCHEDULE: schedule})
    is_before = not before
    for run in instance.get_runs(wanted, limit=50):  # newest first
        if is_before and run.status not in _FAILED and run.tags.get(DUE):
            yield dt.datetime.fromisoformat(run.tags[DUE]), run
        is_before = is_before or run.run_id == before


def _covered(
    context: dg.ScheduleEvaluationContext,
    schedule: str,
    crons: Sequence[str],
    zone: ZoneInfo,
) -> str:
    """Why this tick needs no run; empty if it does.

    After a schedule was moved, Dagster makes its tick of today again at once, or later
    in the day. A run that was due since the tick before counts for this one.
    Rule: docs/reference/delivery.md, section 6.
    """
    try:
        instance, due = context.instance, context.scheduled_execution_time
    except dg.DagsterInvariantViolationError:
        return ""  # somebody asks without an instance or without a time
    earlier = clock.tick(crons, due, zone, is_past=True)
    for at, run in good_runs(instance, schedule):
        if earlier and at > earlier:
            when = clock.local_time(at, zone)
            return f"Run {run.run_id[:8]} of {when} counts for this tick."
    return ""


def misconfigured_schedule(
    broken: Misconfigured, job: str, project: Project
) -> dg.ScheduleDefinition | None:
    """The schedule of what is misconfigured, where it can be read: it still reports."""
    text = f"{broken.name} is misconfigured; its job says what is wrong."
    own_zone = project.district().time_zone
    try:
        if broken.kind == "target":
            wanted = schedule_of(broken)
            crons, zone = (wanted.cron, wanted.time_zone) if wanted else ([], "")
        else:
            is_on = broken.given.get("enabled", True) is True
            crons = crons_of(broken.given.get("schedule")) if is_on else []
            zone = check_time_zone(broken.text("timezone") or own_zone)
    except ValueError:
        return None
    if not crons:
        return None
    return _schedule(project, broken.name, job, (crons, zone or own_zone), text)


def _schedule(
    project: Project, name: str, job: str, when: tuple[list[str], str], text: str
) -> dg.ScheduleDefinition:
    crons, zone = when
    schedule = f"{job}_schedule"

    def tick(context: dg.ScheduleEvaluationContext) -> dg.SkipReason | dg.RunRequest:
        if reason := skipped(project, name):
            return reason
        if covered := _covered(context, schedule, crons, ZoneInfo(zone)):
            return dg.SkipReason(covered)
        return dg.RunRequest(tags={"sis/trigger": "schedule"})

    return dg.ScheduleDefinition(
        name=schedule,
        job_name=job,
        cron_schedule=crons if len(crons) > 1 else crons[0],
        execution_timezone=zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        execution_fn=tick,
        description=text,
    )
