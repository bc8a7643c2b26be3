"""Jobs: one per target, and `approve`, which releases a held plan from the UI."""

from typing import Any

import dagster as dg
from pydantic import Field

from d118_pipelines.assets.boundary import reported
from d118_pipelines.configuration import Project
from d118_pipelines.ops.account import account
from d118_pipelines.ops.deliver import utc_now
from d118_pipelines.ops.export import state_database
from d118_pipelines.stored_plans import approve as approve_plan
from d118_pipelines.stored_plans import latest_plan
from d118_pipelines.targets.build import local_time
from d118_pipelines.targets.definition import Target


def target_job(target: Target, district_id: str) -> Any:
    """The job `<target>`: its group and the raw extracts that it reads.

    Returns what `dg.define_asset_job` returns; Dagster does not publish that type.
    """
    return dg.define_asset_job(
        target.name,
        selection=dg.AssetSelection.groups(target.name).upstream(),
        description=f"{target.model.title}: extract, export, guard, deliver.",
        tags={"sis/target": target.name, "sis/district": district_id},
        config={"loggers": {"console": {}}},
    )


class ApproveConfig(dg.Config):
    """What to release: the target, the hash of its held plan, and why."""

    target: str = Field(description="The target, for example smartfind.")
    plan_hash: str = Field(description="The plan's hash, 8 or more characters.")
    reason: str = Field(description="Why this plan may go; names no person.")


@dg.op
def release_plan(
    context: dg.OpExecutionContext,
    config: ApproveConfig,
    project: dg.ResourceParam[Project],
) -> None:
    """Approve exactly one held plan, as `d118 approve` does."""
    with reported():
        now = utc_now()
        with state_database(project).transaction() as connection:
            approval = approve_plan(
                connection,
                latest_plan(connection, config.target),
                target=config.target,
                plan_hash=config.plan_hash,
                reason=config.reason,
                account=f"ui/{account()}",
                now=now,
                valid_hours=project.district().approval_hours,
            )
    context.log.info(
        f"Plan {approval.plan_hash[:8]} of {config.target} is released until "
        f"{local_time(approval.expires_at, project.district().zone)}. "
        f"Now launch the job {config.target}."
    )


@dg.job(
    description="Release a held plan: target, plan hash (8 or more characters), reason."
)
def approve() -> None:
    """Release a held plan from the UI."""
    release_plan()
