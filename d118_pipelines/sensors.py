"""Sensors: what the project notices automatically; they run from the start."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from d118_pipelines.assets.boundary import reported
from d118_pipelines.config.env_file import renew_env_file
from d118_pipelines.config.project import Project
from d118_pipelines.config.providers import Provider
from d118_pipelines.config.quarantine import STATE
from d118_pipelines.delivery.messages import Alert
from d118_pipelines.instance import (
    LOOKED_AT,
    automation_faults,
    close_orphans,
    ended_since,
    facts_of,
    history_of,
    step_failure,
)
from d118_pipelines.jobs import VERDICT
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.schedules import skipped
from d118_pipelines.state.open import state_database
from d118_pipelines.workflows.monitoring.alerts import (
    automation_alerts,
    late_alerts,
    review,
    tell,
    tell_misconfigured,
    try_ways,
)
from d118_pipelines.workflows.monitoring.all_feeds import (
    enabled_feeds,
    load_feeds,
    states_of,
)
from d118_pipelines.workflows.monitoring.digest import (
    digest_due,
    make_digest,
    note_digest,
)
from d118_pipelines.workflows.monitoring.expiries import expiry_alerts
from d118_pipelines.workflows.monitoring.health import health, health_alerts
from d118_pipelines.workflows.monitoring.webhooks import (
    ping_daemon,
    send_due,
    tell_ended,
    webhook_alerts,
)
from d118_pipelines.workflows.providers.arrivals import (
    FailedLook,
    is_watched,
    watch_files,
)
from d118_pipelines.workflows.providers.sync_runs import close_lost_runs
from d118_pipelines.workflows.runs.audit_trail import (
    close_lost_run,
    note_configuration,
)
from d118_pipelines.workflows.runs.run_history import REFUSED, STOPPED

LOOK_SECONDS = 60
SEND_SECONDS = 10
OVERLAP = dt.timedelta(minutes=1)
"""Of two looks for runs that have ended: their times are of other processes."""
LOOK_AT_FILES_SECONDS = 300


@dg.run_failure_sensor(
    name="run_alert_sensor",
    description="Sends an alert about a failed or held run, once for each cause.",
    # Without it runs from a shell would fail unseen.
    monitor_all_code_locations=True,
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=5,
)
def run_alert_sensor(
    context: dg.RunFailureSensorContext, project: dg.ResourceParam[Project]
) -> None:
    """Send one alert for what failed in the run and one for what is held."""
    project = _as_it_is_now(project)
    run = context.dagster_run
    if run.tags.get(VERDICT) == STATE:
        broken = load_feeds(project).broken
        context.log.info(tell_misconfigured(project, broken, utc_now()))
        return
    for provider in filter(None, run.tags.get("sis/provider", "").split(", ")):
        # A process that was killed could not close its own row.
        close_lost_runs(project, provider)
    tags = [run.tags.get(f"sis/{kind}", "") for kind in ("target", "provider")]
    feeds = tuple(name for tag in tags if tag for name in tag.split(", "))
    close_lost_run(project, run.run_id, actor="run_alert_sensor")
    reasons = [_reason(run, event) for event in context.get_step_failure_events()]
    wanted = [r for r in reasons or [_ended(run)] if not r.is_told]
    for alert in _alerts(wanted, run.run_id, feeds):
        context.log.info(tell(project, alert, utc_now()))


@dg.sensor(
    name="configuration_sensor",
    description="Sends an alert about misconfigured targets and providers.",
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=LOOK_AT_FILES_SECONDS,
)
def configuration_sensor(project: dg.ResourceParam[Project]) -> dg.SkipReason:
    """Look at the files as they are now: a mistake is told before the code is reloaded."""
    with reported():
        project = _as_it_is_now(project)
        note_configuration(
            project, state_database(project), actor="configuration_sensor"
        )
        broken = load_feeds(project).broken
        return dg.SkipReason(tell_misconfigured(project, broken, utc_now()))


@dg.sensor(
    name="lost_run_sensor",
    description="Closes runs whose process is gone, so that they hold back no other run.",
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=LOOK_SECONDS,
)
def lost_run_sensor(
    context: dg.SensorEvaluationContext, project: dg.ResourceParam[Project]
) -> dg.SkipReason:
    """Close what killed processes of this machine left open."""
    with reported():
        lost = close_orphans(_as_it_is_now(project), context.instance)
        return dg.SkipReason(
            f"Closed: {', '.join(lost)}" if lost else "No run is lost."
        )


@dg.sensor(
    name="alert_sensor",
    description="Tells of missed deadlines, failing schedules and sensors and what ends "
    "soon; says when what was told is over; sends the morning digest.",
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=LOOK_AT_FILES_SECONDS,
)
def alert_sensor(
    context: dg.SensorEvaluationContext, project: dg.ResourceParam[Project]
) -> dg.SkipReason:
    """Look at everything, and compare it with what was told."""
    with reported():
        project, now = _as_it_is_now(project), utc_now()
        feeds = load_feeds(project)
        wanted = enabled_feeds(project, feeds)
        with history_of(context.instance, project, limit=LOOKED_AT) as history:
            states = states_of(project, history, wanted, feeds.broken)
        today = now.astimezone(project.district().zone).date()
        watched = [
            *late_alerts(states),
            *automation_alerts(list(automation_faults(context.instance, wanted))),
            *expiry_alerts(project, feeds, today),
            *webhook_alerts(project),
            *health_alerts(health(project, facts_of(context.instance, project))),
        ]
        for line in review(project, states, watched, now):
            context.log.info(line)
        if digest_due(project, now):
            digest = make_digest(project, states, now)
            ways = try_ways(project.district().alerts, digest)
            if any(error is None for _, error in ways):
                note_digest(project, now)
            if ways:
                context.log.info(f"Digest sent by {len(ways)} ways.")
        return dg.SkipReason(f"{len(states)} looked at, {len(watched)} found.")


@dg.sensor(
    name="daemon_ping_sensor",
    description="Calls daemon_ping of config/district.yaml: whoever is called notices "
    "when the daemon or the machine is gone.",
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=LOOK_AT_FILES_SECONDS,
)
def daemon_ping_sensor(project: dg.ResourceParam[Project]) -> dg.SkipReason:
    """Call it once; what it answers concerns nobody here."""
    with reported():
        return dg.SkipReason(ping_daemon(_as_it_is_now(project)))


@dg.sensor(
    name="send_webhook_notification",
    description="Sends the webhooks that wait, to each receiver in order, and enters how "
    "runs ended that could not say so themselves.",
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=SEND_SECONDS,
)
def send_webhook_notification(
    context: dg.SensorEvaluationContext, project: dg.ResourceParam[Project]
) -> dg.SensorResult:
    """Look at the runs that ended since the last look, then send what is due."""
    with reported():
        project, now = _as_it_is_now(project), utc_now()
        if context.cursor:
            since = dt.datetime.fromisoformat(context.cursor) - OVERLAP
            tell_ended(project, ended_since(context.instance, project, since))
        counts = send_due(project)
    said = ", ".join(f"{number} {word}" for word, number in counts.items())
    return dg.SensorResult(skip_reason=said or "Nothing waits.", cursor=now.isoformat())


def arrival_sensor(provider: Provider, project: Project) -> dg.SensorDefinition | None:
    """The sensor `<provider>_files_sensor` of a provider of files, else None.

    It starts the sync when a complete new set is unchanged between two checks; the hash
    of the contents is the run key, so the same files start one run. Where nobody can
    look, it tells: no run starts that could fail.
    """
    if not is_watched(provider):
        return None

    @dg.sensor(
        name=f"{provider.id}_files_sensor",
        job_name=f"sync_{provider.id}",
        minimum_interval_seconds=LOOK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Starts the sync when new files of {provider.model.name} are there.",
    )
    def files_sensor(
        context: dg.SensorEvaluationContext,
    ) -> dg.SensorResult | dg.SkipReason:
        if reason := skipped(project, provider.id):
            return reason
        with reported():
            renew_env_file(project.root)
            found = watch_files(project, provider, context.cursor or "", utc_now())
            if isinstance(found, FailedLook):
                fresh = project.fresh()
                alert = found.alert(provider, fresh.district().zone)
                if alert is not None:
                    context.log.info(tell(fresh, alert, utc_now()))
        if isinstance(found, FailedLook):
            if found.is_unreached:
                return dg.SensorResult(skip_reason=found.what, cursor=context.cursor)
            raise dg.Failure(found.text, allow_retries=False)
        if found.run_key is None:
            return dg.SensorResult(
                skip_reason=found.reason or "Nothing new.", cursor=found.cursor
            )
        request = dg.RunRequest(run_key=found.run_key, tags={"sis/trigger": "sensor"})
        return dg.SensorResult(run_requests=[request], cursor=found.cursor)

    return files_sensor


def _as_it_is_now(project: Project) -> Project:
    """The project read anew: this process outlives changes of its files."""
    renew_env_file(project.root)
    return project.fresh()


@dataclass(frozen=True, slots=True)
class _Reason:
    """Why one step failed. `cause` stays the same while the problem does.

    is_told: nobody needs to know, since another run does the work, or a person paused
    it or interrupted the run that was started by hand.
    """

    is_held: bool
    name: str
    cause: str
    text: str
    is_told: bool = False


def _reason(run: dg.DagsterRun, event: dg.DagsterEvent) -> _Reason:
    """What a failed step says; only texts that passed the boundary are used."""
    step, failure = event.step_key or "run", step_failure(event)
    if failure.error == STOPPED:
        by_hand = run.tags.get("sis/trigger") == "manual"
        text = f"{step} was interrupted."
        return _Reason(False, failure.name, step, text, is_told=by_hand)
    if not failure.text:
        return _Reason(False, failure.name, step, f"{step} failed.")
    is_held = failure.outcome == "held"
    cause = (is_held and failure.plan_hash) or failure.text.splitlines()[0]
    is_told = failure.outcome in REFUSED
    return _Reason(is_held, failure.name, f"{step} {cause}", failure.text, is_told)


def _ended(run: dg.DagsterRun) -> _Reason:
    name = run.tags.get("sis/target") or run.tags.get("sis/provider", run.job_name)
    return _Reason(False, name, f"{name} ended", "The run ended without a failed step.")


def _alerts(
    reasons: Sequence[_Reason], run_id: str, feeds: tuple[str, ...]
) -> list[Alert]:
    alerts = []
    for kind, is_held, what in [
        ("failed", False, "nothing counts as sent"),
        ("held", True, "waits for an approval"),
    ]:
        mine = [reason for reason in reasons if reason.is_held is is_held]
        if not mine:
            continue
        names = tuple(dict.fromkeys(reason.name for reason in mine))
        title = f"{kind.upper()}: {', '.join(names)}; {what}"
        cause = f"{kind} {' '.join(reason.cause for reason in mine)}"
        text = "\n".join(reason.text for reason in mine)
        # A raw extract has no name of its own: the run's good end is the end of it.
        ends = tuple(name for name in names if name in feeds) or feeds or names
        alerts.append(Alert(kind, cause, title, text, names, run_id, ends))
    return alerts
