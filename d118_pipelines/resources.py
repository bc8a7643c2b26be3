"""The Dagster resource of a run: what its steps share.

Wired in `definitions.py`, taken by every asset. Credentials are not in it: they stay in
the environment and are read when a run needs them, so the UI never holds one.
"""

from collections.abc import Iterator, Mapping
from functools import partial

import dagster as dg

from d118_pipelines.assets.boundary import reported
from d118_pipelines.config.project import Project
from d118_pipelines.errors import BusyError
from d118_pipelines.instance import failures_of, shall_stop, show_progress
from d118_pipelines.kernel.log_level import set_log_level
from d118_pipelines.kernel.stopping import time_limits
from d118_pipelines.schedules import DUE, SCHEDULE, good_runs
from d118_pipelines.state import audit
from d118_pipelines.state.leases import Leases
from d118_pipelines.state.open import state_database
from d118_pipelines.state.run_history import keep_history_private
from d118_pipelines.workflows.runs.audit_trail import audited_run, note_configuration
from d118_pipelines.workflows.runs.run import (
    LAUNCHED,
    Run,
    actor_of,
    limits_of,
    run_tags,
)
from d118_pipelines.workflows.runs.run_history import STOPPED


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
        set_log_level()
        tags = label(context.instance, context.run, project)
    target, by_shell = tags.get("sis/target", ""), is_shell(context.run)
    run = Run(
        project,
        context.run.run_id,
        actor_of(tags),
        target="" if "," in target else target,
        refused=_made_twice(context.instance, context.run),
        waits=not by_shell,
        # One that was launched gets Dagster's signal.
        leases=Leases(partial(shall_stop, context.instance, context.run.run_id))
        if by_shell
        else Leases(),
        warn=context.log.warning,
        names=tuple(
            name
            for tag in ("sis/provider", "sis/target")
            for name in tags.get(tag, "").split(", ")
            if name
        ),
        show=partial(show_progress, context.instance, context.run.run_id),
    )
    with reported():
        note_configuration(project, run.database, actor=run.actor.triggered_by)
    trail = audited_run(
        run.database,
        actor=run.actor.triggered_by,
        run_id=run.run_id,
        subject=_subject(context.run, tags),
        outcome=partial(_outcome, context.instance, run.run_id),
        warn=run.warn,
    )
    with time_limits(*limits_of(context.run.tags)), run.leases, trail:
        yield run


def _subject(run: dg.DagsterRun, tags: Mapping[str, str]) -> str:
    """What the audit log calls a run: its targets and providers, else its job."""
    names = [tags.get("sis/provider"), tags.get("sis/target")]
    return ", ".join(filter(None, names)) or run.job_name


def _outcome(instance: dg.DagsterInstance, run_id: str) -> str:
    """What the steps of a run came to by now."""
    failures = failures_of(instance, run_id)
    if any(one.error == STOPPED for one in failures):
        return "cancelled"
    return failures[0].outcome if failures else "done"


def is_shell(run: dg.DagsterRun) -> bool:
    """Whether a command started the run; else a person in the UI, or the daemon, did."""
    # Only a run that was launched has both.
    return run.remote_job_origin is None or run.job_code_origin is None


def label(
    instance: dg.DagsterInstance, run: dg.DagsterRun, project: Project, **more: str
) -> dict[str, str]:
    """Give the run its `sis/*` tags over whatever its caller wrote; returns them.

    more: names without `sis/`, and values.
    """
    with state_database(project).reading() as connection:
        launch = audit.last_of(connection, LAUNCHED, run.run_id)
    tags = run_tags(
        run.job_name,
        [key.path for key in run.asset_selection or ()],
        run.tags,
        district=project.district().id,
        is_shell=is_shell(run),
        launched_by=launch["actor"] if launch else "",
    )
    tags |= {f"sis/{name}": value for name, value in more.items()}
    instance.add_run_tags(run.run_id, tags)
    return tags


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
