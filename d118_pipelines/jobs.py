"""Jobs: one per target and per provider, and `approve`, which releases a held plan."""

from typing import Any

import dagster as dg
from pydantic import Field

from d118_pipelines.assets.boundary import reported
from d118_pipelines.assets.roster import apply_key
from d118_pipelines.config.project import Project
from d118_pipelines.config.providers import Provider, disabled_error
from d118_pipelines.kernel.clock import local_time
from d118_pipelines.targets.definition import Target
from d118_pipelines.workflows.admission import release
from d118_pipelines.workflows.all_feeds import named_feed
from d118_pipelines.workflows.run import account

LONGEST_SYNC_SECONDS = 3600


def target_job(target: Target, district_id: str) -> Any:
    """The job `<target>`: its group and the raw extracts that it reads.

    A target that is fed by the roster reads its last commit and starts no sync. Returns
    what `dg.define_asset_job` returns; Dagster does not publish that type.
    """
    raw = [dg.AssetKey(list(parts)) for parts in target.reads if parts[0] == "raw"]
    return dg.define_asset_job(
        target.name,
        selection=dg.AssetSelection.groups(target.name)
        | dg.AssetSelection.assets(*raw),
        description=f"{target.model.title}: extract, export, guard, deliver.",
        tags={"sis/target": target.name, "sis/district": district_id},
        config={"loggers": {"console": {}}},
    )


def sync_job(provider: Provider, district_id: str) -> Any:
    """The job `sync_<provider>`: everything from its raw extracts to the roster."""
    return dg.define_asset_job(
        f"sync_{provider.id}",
        selection=dg.AssetSelection.assets(apply_key(provider)).upstream(),
        description=f"{provider.model.name}: pull, stage, plan, guard, apply.",
        tags={
            "sis/provider": provider.id,
            "sis/district": district_id,
            "dagster/max_runtime": str(LONGEST_SYNC_SECONDS),
        },
        config={"loggers": {"console": {}}},
    )


def disabled_job(provider: Provider) -> dg.JobDefinition:
    """The job `sync_<provider>` of a disabled provider: it says so and fails."""
    name = f"sync_{provider.id}"

    @dg.op(name=f"{name}_is_disabled")
    def refuse() -> None:
        with reported():
            raise disabled_error(provider)

    @dg.job(
        name=name,
        description=f"{provider.model.name} is disabled in config/providers.yaml.",
        tags={"sis/provider": provider.id},
    )
    def sync() -> None:
        refuse()

    return sync


class ApproveConfig(dg.Config):
    """What to release: the target or provider, the hash of its held plan, and why."""

    target: str = Field(
        description="The target or provider, for example smartfind or powerschool."
    )
    plan_hash: str = Field(description="The plan's hash, 8 or more characters.")
    reason: str = Field(description="Why this plan is right; without naming a person.")


@dg.op
def release_plan(
    context: dg.OpExecutionContext,
    config: ApproveConfig,
    project: dg.ResourceParam[Project],
) -> None:
    """Approve exactly one held plan, as `d118 approve` does."""
    with reported():
        feed = named_feed(project, config.target)
        approval = release(
            feed, config.plan_hash, reason=config.reason, account=f"ui/{account()}"
        )
    context.log.info(
        f"Plan {approval.plan_hash[:8]} of {feed.name} is released until "
        f"{local_time(approval.expires_at, project.district().zone)}. "
        f"Now launch the job {feed.job}."
    )


@dg.job(
    description="Release a held plan: target, plan hash (8 or more characters), reason."
)
def approve() -> None:
    """Release a held plan from the UI."""
    release_plan()
