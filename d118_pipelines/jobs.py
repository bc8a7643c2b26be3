"""Jobs: one per target and per provider, and `approve`, which releases a held plan."""

import re
from collections.abc import Collection, Mapping
from typing import Any

import dagster as dg
from pydantic import Field

from d118_pipelines.assets.boundary import reported
from d118_pipelines.assets.roster import apply_key
from d118_pipelines.config.project import Project
from d118_pipelines.config.providers import Provider, disabled_error
from d118_pipelines.config.quarantine import STATE, Misconfigured
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.clock import local_time
from d118_pipelines.targets.definition import Target
from d118_pipelines.targets.definition_checks import TARGET_NAME
from d118_pipelines.workflows.admission import release
from d118_pipelines.workflows.all_feeds import named_feed
from d118_pipelines.workflows.run import account

LONGEST_SYNC_SECONDS = 3600
VERDICT = "sis/verdict"


def target_job(target: Target, district_id: str, made: Collection[dg.AssetKey]) -> Any:
    """The job `<target>`: its group and those raw extracts that it reads and are `made`.

    A target that is fed by the roster reads its last commit and starts no sync. Returns
    what `dg.define_asset_job` returns; Dagster does not publish that type.
    """
    reads = [dg.AssetKey(list(parts)) for parts in target.reads if parts[0] == "raw"]
    raw = [key for key in reads if key in made]
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
    name, error = f"sync_{provider.id}", disabled_error(provider)
    text = f"{provider.model.name} is disabled in config/providers.yaml."
    return _refusing_job(name, "disabled", text, {"sis/provider": provider.id}, error)


def misconfigured_job(
    broken: Misconfigured, taken: Collection[str]
) -> dg.JobDefinition:
    """The job of a target or provider that is misconfigured: it says so and fails.

    taken: names of the other jobs.
    """
    name = re.sub(r"[^A-Za-z0-9_]", "_", broken.job)
    is_name = broken.kind == "provider" or TARGET_NAME.fullmatch(broken.name)
    name = name if is_name else f"{STATE}_{name}"
    while name in taken:
        name = f"{STATE}_{name}"
    tags = {f"sis/{broken.kind}": broken.name, VERDICT: STATE}
    return _refusing_job(name, STATE, broken.line, tags, broken.error)


def _refusing_job(
    name: str, why: str, text: str, tags: Mapping[str, str], error: ConfigurationError
) -> dg.JobDefinition:
    @dg.op(name=f"{name}_is_{why}")
    def refuse() -> None:
        with reported():
            raise error

    @dg.job(name=name, description=text, tags=tags)
    def job() -> None:
        refuse()

    return job


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
