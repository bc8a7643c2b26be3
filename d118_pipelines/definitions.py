"""The wiring of the Dagster project, and only that."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from d118_pipelines.assets.deliveries import delivery_asset
from d118_pipelines.assets.exports import export_assets
from d118_pipelines.assets.raw import raw_asset
from d118_pipelines.configuration import Project
from d118_pipelines.jobs import approve, target_job
from d118_pipelines.loggers import console_logger
from d118_pipelines.ops.powerschool import query_files
from d118_pipelines.resources import PowerSchoolResource
from d118_pipelines.schedules import target_schedule
from d118_pipelines.sensors import run_alert_sensor
from d118_pipelines.targets.definition import read_targets


def build_definitions(
    project: Project, resources: Mapping[str, Any] | None = None
) -> dg.Definitions:
    """Everything that Dagster loads; `resources` overrides the defaults by name.

    Raises: ConfigurationError, naming file, line and key.
    """
    district = project.district()
    targets = read_targets(project.root)
    schedules = [target_schedule(target, district) for target in targets]
    return dg.Definitions(
        assets=[
            *(raw_asset(path) for path in query_files(project)),
            *(export_assets(target) for target in targets),
            *(delivery_asset(target, district) for target in targets),
        ],
        jobs=[approve, *(target_job(target, district.id) for target in targets)],
        schedules=[schedule for schedule in schedules if schedule],
        sensors=[run_alert_sensor],
        resources={
            "project": project,
            "powerschool": PowerSchoolResource(),
            **(resources or {}),
        },
        loggers={"console": console_logger},
        executor=dg.in_process_executor,
    )


defs = build_definitions(Project.here())
