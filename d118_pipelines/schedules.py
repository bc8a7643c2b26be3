"""Schedules: one per target and provider that has one, running from the start.

Wired in `definitions.py`; when one fires next is said by `workflows/target_feed.py` and
`provider_feed.py`.
"""

import dagster as dg

from d118_pipelines.config.district import District
from d118_pipelines.config.providers import Provider, cron_of
from d118_pipelines.config.quarantine import Misconfigured
from d118_pipelines.config.yaml_files import check_time_zone
from d118_pipelines.targets.definition import Target, schedule_of


def target_schedule(target: Target, district: District) -> dg.ScheduleDefinition | None:
    """The schedule `<target>_schedule` in the district's time zone, or None."""
    wanted = target.model.schedule
    if wanted is None:
        return None
    text = f"{target.model.title}, due by {wanted.deadline} (cron)."
    return _schedule(
        target.name, wanted.cron, wanted.time_zone or district.time_zone, text
    )


def provider_schedule(
    provider: Provider, district: District
) -> dg.ScheduleDefinition | None:
    """The schedule `sync_<provider>_schedule`, or None where it is started by hand."""
    model = provider.model
    if model.schedule is None:
        return None
    text = f"{model.name}: bring the roster up to date."
    zone = model.timezone or district.time_zone
    return _schedule(f"sync_{provider.id}", model.schedule, zone, text)


def misconfigured_schedule(
    broken: Misconfigured, job: str, district: District
) -> dg.ScheduleDefinition | None:
    """The schedule of what is misconfigured, where it can be read: it still reports."""
    text = f"{broken.name} is misconfigured; its job says what is wrong."
    try:
        if broken.kind == "target":
            wanted = schedule_of(broken)
            cron, zone = (wanted.cron, wanted.time_zone) if wanted else ("", "")
        else:
            is_on = broken.given.get("enabled", True) is True
            cron = cron_of(broken.text("schedule")) if is_on else ""
            zone = check_time_zone(broken.text("timezone") or district.time_zone)
    except ValueError:
        return None
    return _schedule(job, cron, zone or district.time_zone, text) if cron else None


def _schedule(job: str, cron: str, zone: str, text: str) -> dg.ScheduleDefinition:
    return dg.ScheduleDefinition(
        name=f"{job}_schedule",
        job_name=job,
        cron_schedule=cron,
        execution_timezone=zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        tags={"sis/trigger": "schedule"},
        description=text,
    )
