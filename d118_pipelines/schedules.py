"""Schedules: one per target and provider that has one, running from the start.

Wired in `definitions.py`; when one fires next is said by `workflows/target_feed.py` and
`provider_feed.py`.
"""

import dagster as dg

from d118_pipelines.config.project import Project
from d118_pipelines.config.providers import Provider
from d118_pipelines.errors import D118Error
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.state.open import state_database
from d118_pipelines.state.pauses import pause_of
from d118_pipelines.targets.definition import Target


def target_schedule(target: Target, project: Project) -> dg.ScheduleDefinition | None:
    """The schedule `<target>_schedule` in the district's time zone, or None."""
    district = project.district()
    wanted = target.model.schedule
    if wanted is None:
        return None
    text = f"{target.model.title}, due by {wanted.deadline} (cron)."
    zone = wanted.time_zone or district.time_zone
    return _schedule(project, target.name, target.name, (wanted.cron, zone), text)


def provider_schedule(
    provider: Provider, project: Project
) -> dg.ScheduleDefinition | None:
    """The schedule `sync_<provider>_schedule`, or None where it is started by hand."""
    model = provider.model
    if model.schedule is None:
        return None
    text = f"{model.name}: bring the roster up to date."
    zone = model.timezone or project.district().time_zone
    when = (model.schedule, zone)
    return _schedule(project, provider.id, f"sync_{provider.id}", when, text)


def skipped(project: Project, name: str) -> dg.SkipReason | None:
    """Why a schedule or sensor starts nothing now: a pause; else None."""
    project = project.fresh()  # this process outlives changes of the files
    try:
        with state_database(project).reading() as connection:
            found = pause_of(connection, name, now=utc_now())
        return dg.SkipReason(found.text(project.district().zone)) if found else None
    except D118Error:
        return None  # the run finds the same fault, and its failure is alerted


def _schedule(
    project: Project, name: str, job: str, when: tuple[str, str], text: str
) -> dg.ScheduleDefinition:
    cron, zone = when

    def tick(context: dg.ScheduleEvaluationContext) -> dg.SkipReason | dg.RunRequest:
        reason = skipped(project, name)
        return reason or dg.RunRequest(tags={"sis/trigger": "schedule"})

    return dg.ScheduleDefinition(
        name=f"{job}_schedule",
        job_name=job,
        cron_schedule=cron,
        execution_timezone=zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        execution_fn=tick,
        description=text,
    )
