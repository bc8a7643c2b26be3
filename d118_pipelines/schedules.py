"""Schedules: one per target and provider that has one, running from the start."""

import dagster as dg

from d118_pipelines.config.district import District
from d118_pipelines.config.providers import Provider
from d118_pipelines.targets.definition import Target


def target_schedule(target: Target, district: District) -> dg.ScheduleDefinition | None:
    """The schedule `<target>_schedule` in the district's time zone, or None."""
    wanted = target.model.schedule
    if wanted is None:
        return None
    return dg.ScheduleDefinition(
        name=f"{target.name}_schedule",
        job_name=target.name,
        cron_schedule=wanted.cron,
        execution_timezone=wanted.time_zone or district.time_zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        tags={"sis/trigger": "schedule"},
        description=f"{target.model.title}, due by {wanted.deadline} (cron).",
    )


def provider_schedule(
    provider: Provider, district: District
) -> dg.ScheduleDefinition | None:
    """The schedule `sync_<provider>_schedule`, or None where it is started by hand."""
    cron = provider.model.schedule
    if cron is None:
        return None
    return dg.ScheduleDefinition(
        name=f"sync_{provider.id}_schedule",
        job_name=f"sync_{provider.id}",
        cron_schedule=cron,
        execution_timezone=provider.model.timezone or district.time_zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        tags={"sis/trigger": "schedule"},
        description=f"{provider.model.name}: bring the roster up to date.",
    )
