"""Sensors: what the project notices by itself, running from the start."""

from collections.abc import Sequence

import dagster as dg

from d118_pipelines.configuration import Project
from d118_pipelines.ops.alerts import Alert, send_alert
from d118_pipelines.ops.deliver import held_error, utc_now
from d118_pipelines.ops.export import state_database
from d118_pipelines.targets.definition import read_targets
from d118_pipelines.targets.records import latest_plan


@dg.run_failure_sensor(
    name="run_alert_sensor",
    description="Tells people that a run failed or is held, once a day for each cause.",
    # Without it runs from a shell would fail unseen.
    monitor_all_code_locations=True,
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=5,
)
def run_alert_sensor(
    context: dg.RunFailureSensorContext, project: dg.ResourceParam[Project]
) -> None:
    """Send one alert for the failed or held run."""
    run_id = context.dagster_run.run_id
    alert = _held_alert(project, run_id) or _failed_alert(context, run_id)
    ways = send_alert(
        state_database(project), project.district().alerts, alert, now=utc_now()
    )
    context.log.info(
        f"{alert.title}: told by {', '.join(ways) or 'nobody (not set up)'}"
    )


def _held_alert(project: Project, run_id: str) -> Alert | None:
    """An alert that names every plan of the run that waits for an approval."""
    errors, names, hashes = [], [], []
    for target in read_targets(project.root):
        with state_database(project).transaction() as connection:
            plan = latest_plan(connection, target.name, run_id=run_id)
        if plan is not None and plan.run_id == run_id and plan.verdict == "held":
            errors.append(str(held_error(project, target, plan)))
            names.append(target.name)
            hashes.append(plan.plan_hash)
    if not names:
        return None
    title = f"HELD: {', '.join(names)} waits for an approval"
    cause = f"held {' '.join(hashes)}"
    return Alert("held", cause, title, "\n".join(errors), tuple(names), run_id)


def _failed_alert(context: dg.RunFailureSensorContext, run_id: str) -> Alert:
    run = context.dagster_run
    targets = tuple(t for t in [run.tags.get("sis/target")] if t)
    name = targets[0] if targets else run.job_name
    text = "\n".join(_reasons(context.get_step_failure_events()))
    title = f"FAILED: {name}, nothing is counted as sent"
    return Alert(
        "failed", f"failed {run_id}", title, text or "The run ended.", targets, run_id
    )


def _reasons(events: Sequence[dg.DagsterEvent]) -> list[str]:
    """What each failed step says; only texts that the boundary let through are used."""
    reasons = []
    for event in events:
        own = event.step_failure_data.user_failure_data
        step = event.step_key or "run"
        reasons.append(own.description if own and own.description else f"{step} failed")
    return reasons
