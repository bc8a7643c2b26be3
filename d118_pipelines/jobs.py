"""Jobs: one per target and per provider, and `approve`, which releases a held plan.

`d118 run` executes them here; how one is labelled is in `resources.py`.
"""

import json
import re
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any

import dagster as dg
from pydantic import Field

from d118_pipelines.assets.boundary import reported
from d118_pipelines.assets.pulls import raw_group
from d118_pipelines.assets.reports import RETENTION
from d118_pipelines.assets.roster import apply_key
from d118_pipelines.config.project import LOCATION, MODULE, Project
from d118_pipelines.config.providers import Provider, VendorFileProvider
from d118_pipelines.config.quarantine import STATE, Misconfigured
from d118_pipelines.kernel.clock import local_time
from d118_pipelines.resources import label
from d118_pipelines.targets.definition import Target
from d118_pipelines.targets.definition_checks import TARGET_NAME
from d118_pipelines.workflows.monitoring.all_feeds import named_feed
from d118_pipelines.workflows.runs.admission import release
from d118_pipelines.workflows.runs.run import CLEANUP_JOB, actor_of, limit_tags
from d118_pipelines.workflows.runs.run_history import UI

_CREATE = "create_run_for_job"
_CONSOLE: dict[str, Any] = {"loggers": {"console": {}}}
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
        tags={
            "sis/target": target.name,
            "sis/district": district_id,
            **limit_tags(target.model.limits),
        },
        config=_CONSOLE,
    )


def sync_job(provider: Provider, district_id: str) -> Any:
    """The job `sync_<provider>`: everything from its raw extracts to the roster."""
    is_files = isinstance(provider.model, VendorFileProvider)
    steps = "read, check, keep" if is_files else "pull, stage, plan, guard, apply"
    return dg.define_asset_job(
        f"sync_{provider.id}",
        selection=dg.AssetSelection.groups(raw_group(provider.id))
        if is_files
        else dg.AssetSelection.assets(apply_key(provider)).upstream(),
        description=f"{provider.model.name}: {steps}.",
        tags={
            "sis/provider": provider.id,
            "sis/district": district_id,
            **limit_tags(provider.model.limits),
        },
        config=_CONSOLE,
    )


def cleanup_job(district_id: str) -> Any:
    """The job `cleanup_old_jobs`: what is older than `retention:` says goes."""
    return dg.define_asset_job(
        CLEANUP_JOB,
        selection=dg.AssetSelection.assets(RETENTION),
        description="Remove what is kept for longer than config/district.yaml says.",
        tags={"sis/district": district_id},
        config=_CONSOLE,
    )


def execute_here(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    assets: Sequence[dg.AssetKey] = (),
    run_id: str | None = None,
) -> dg.ExecuteInProcessResult:
    """Run a job, or only some assets of it, in this process and without a daemon.

    run_id: its id, where that must be known before.

    With its origin the UI takes the run for its own: it is on the job's page and in the
    timeline, and can be re-executed there.
    """
    # Nothing public sets the origin; the minor version is pinned and a test looks at it.
    create = getattr(instance, _CREATE)
    origin = dg.deserialize_value(json.dumps(_origin(job.name)))
    setattr(instance, _CREATE, partial(create, remote_job_origin=origin))
    try:
        return job.execute_in_process(
            run_config=_CONSOLE,
            instance=instance,
            asset_selection=list(assets),
            run_id=run_id,
            raise_on_error=False,
        )
    finally:
        setattr(instance, _CREATE, create)


def _origin(job: str) -> dict[str, Any]:
    """Where the UI finds the job, in the form in which Dagster stores it."""
    module = {"__class__": "LoadableTargetOrigin", "module_name": MODULE}
    location = {
        "__class__": "ManagedGrpcPythonEnvRepositoryLocationOrigin",
        "loadable_target_origin": module,
        "location_name": LOCATION,
    }
    repository = {
        "__class__": "ExternalRepositoryOrigin",
        "repository_location_origin": location,
        "repository_name": "__repository__",
    }
    return {
        "__class__": "ExternalPipelineOrigin",
        "external_repository_origin": repository,
        "pipeline_name": job,
    }


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

    @dg.op(name=f"{name}_is_{STATE}")
    def refuse() -> None:
        with reported():
            raise broken.error

    @dg.job(name=name, description=broken.line, tags=tags)
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
        tags = label(context.instance, context.run, project, target=config.target)
        person = actor_of(tags).triggered_by.removeprefix("console/")
        feed = named_feed(project, config.target)
        approval = release(
            feed,
            config.plan_hash,
            reason=config.reason,
            # So that the history does not list it beside this run.
            account=f"{UI}{person.removeprefix(UI)}",
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
