"""The Dagster resource of a run: what its steps share.

Wired in `definitions.py`, taken by every asset. Credentials are not in it: they stay in the
environment and are read when a run needs them, so the UI never holds one.
"""

from collections.abc import Iterator

import dagster as dg

from d118_pipelines.config.project import Project
from d118_pipelines.errors import BusyError
from d118_pipelines.schedules import DUE, SCHEDULE, good_runs
from d118_pipelines.workflows.run import Run, actor_of


@dg.resource(
    required_resource_keys={"project"},
    description="What the steps of a run share: the project as read once, and the leases "
    "of its providers and targets, given back when the run ends.",
)
def run_resource(context: dg.InitResourceContext) -> Iterator[Run]:
    """The run, held open from its first step to its end, however it ends."""
    assert context.run is not None
    project: Project = context.resources.project
    refused = _made_twice(context.instance, context.run) if context.instance else None
    actor = actor_of(context.run.tags)
    run = Run(project.fresh(), context.run.run_id, actor, refused)
    with run.leases:
        yield run


def _made_twice(instance: dg.DagsterInstance, run: dg.DagsterRun) -> BusyError | None:
    """The error of a run whose tick has another one: two daemons make two of each.

    A run that a person starts again is meant.
    """
    schedule, due = run.tags.get(SCHEDULE, ""), run.tags.get(DUE, "")
    if not (schedule and due) or "dagster/parent_run_id" in run.tags:
        return None
    for _, other in good_runs(instance, schedule, before=run.run_id):
        if other.tags[DUE] == due:
            return BusyError(
                f"BUSY  {schedule}: run {other.run_id} was made for the same tick.",
                rule="A tick has one run; two Dagster daemons on one instance make two "
                "(docs/reference/delivery.md).",
                not_done="Nothing was sent or changed by this run.",
                next_step="Find the second daemon and stop it: d118 doctor",
            )
    return None
