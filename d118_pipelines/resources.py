"""The Dagster resource of a run: what its steps share.

Wired in `definitions.py`, taken by every asset. Credentials are not in it: they stay in the
environment and are read when a run needs them, so the UI never holds one.
"""

from collections.abc import Iterator

import dagster as dg

from d118_pipelines.assets.boundary import reported
from d118_pipelines.config.project import Project
from d118_pipelines.state.run_history import keep_history_private
from d118_pipelines.workflows.run import Run, actor_of, run_tags


@dg.resource(
    required_resource_keys={"project"},
    description="What the steps of a run share: the project as read once, and the leases "
    "of its providers and targets, given back when the run ends.",
)
def run_resource(context: dg.InitResourceContext) -> Iterator[Run]:
    """The run, labelled and held open from its first step to its end, however it ends."""
    project: Project = context.resources.project.fresh()
    assert context.run is not None and context.log is not None
    assert context.instance is not None
    keep_history_private(project.root)  # Dagster's own commands make it open to all
    with reported():
        tags = label(context.instance, context.run, project)
    target = tags.get("sis/target", "")
    target = "" if "," in target else target
    actor, warn = actor_of(tags), context.log.warning
    run = Run(project, context.run.run_id, actor, target, warn=warn)
    with run.leases:
        yield run


def label(
    instance: dg.DagsterInstance, run: dg.DagsterRun, project: Project, **more: str
) -> dict[str, str]:
    """Give the run its `sis/*` tags over whatever its caller wrote; returns them.

    more: names without `sis/`, and values.
    """
    tags = run_tags(
        run.job_name,
        [key.path for key in run.asset_selection or ()],
        run.tags,
        district=project.district().id,
        # Only a run that was launched, by a person in the UI or by the daemon, has both.
        is_shell=run.remote_job_origin is None or run.job_code_origin is None,
    )
    tags |= {f"sis/{name}": value for name, value in more.items()}
    instance.add_run_tags(run.run_id, tags)
    return tags
