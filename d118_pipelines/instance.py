"""Dagster's instance, read for people: what ran, why it failed, what stands still.

Called by `cli/run.py`, `cli/runs.py` and `cli/status.py`. What the state database knows
of the same runs is joined in `workflows/runs/run_history.py`.
"""

import datetime as dt
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg

from d118_pipelines.config.project import Project
from d118_pipelines.config.quarantine import Misconfigured
from d118_pipelines.errors import D118Error
from d118_pipelines.kernel.ages import count_older
from d118_pipelines.kernel.clock import local_time, utc_now
from d118_pipelines.kernel.processes import daemons_here
from d118_pipelines.kernel.run_folders import folder_locked
from d118_pipelines.state.leases import dead_holders, forget
from d118_pipelines.state.open import state_database
from d118_pipelines.state.run_history import (
    FOLDER,
    keep_history_private,
    run_history_place,
)
from d118_pipelines.targets.definition_checks import SCIM_NAME
from d118_pipelines.workflows.monitoring.all_feeds import State, states_of
from d118_pipelines.workflows.monitoring.health import (
    DEAD_AFTER,
    ActiveRun,
    DagsterFacts,
)
from d118_pipelines.workflows.providers.sync_runs import close_lost_runs
from d118_pipelines.workflows.runs.feed import Feed
from d118_pipelines.workflows.runs.run_history import (
    INTERRUPTED,
    STOPPED,
    Failure,
    PastRun,
    RunHistory,
    SeenRun,
)

LOOKED_AT = 500
"""Of Dagster's runs, so many of the newest; whoever ran before that is late anyway."""
RELOAD_SECONDS = 60
SENSORS = (
    *("run_alert_sensor", "alert_sensor", "configuration_sensor"),
    *("send_webhook_notification", "daemon_ping_sensor"),
)
"""The sensors that are there whatever the configuration says."""
INTERRUPTIONS = ("DagsterExecutionInterruptedError", "KeyboardInterrupt")
NOT_EXECUTED = "Dependencies for step "  # begins Dagster's own line
OF_A_FEED = ("exports", "deliveries", "roster")
ENDED = [
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
]
ENDED_WORDS = {status.value for status in ENDED}
REPORTS = "reports"
"""Begins the keys of what is made for the district, from all targets."""


def dagster_instance(project: Project) -> dg.DagsterInstance:
    """The instance whose history the UI shows: DAGSTER_HOME, else the project's.

    Raises: ConfigurationError or ConnectionLostError if it cannot be opened.
    """
    # The folders in dagster.yaml are relative to the working directory.
    os.chdir(project.root)
    os.environ.setdefault("DAGSTER_HOME", str(project.root))
    run_history_place(project.root)
    keep_history_private(project.root)
    # Of several first commands at once only one may make Dagster's databases.
    with folder_locked(project.root):
        return dg.DagsterInstance.get()


@contextmanager
def run_history(
    project: Project, *, limit: int | None = None
) -> Iterator[tuple[dg.DagsterInstance, RunHistory]]:
    """The instance, and all that ran. limit: of Dagster's runs, the newest so many."""
    with (
        dagster_instance(project) as instance,
        history_of(instance, project, limit=limit) as history,
    ):
        yield instance, history


def look(
    project: Project, feeds: Sequence[Feed], broken: Sequence[Misconfigured]
) -> tuple[list[State], list[str], list[str]]:
    """How each stands by name, what is wrong with their automation, and a note on it."""
    with dagster_instance(project) as instance:
        return look_at(instance, project, feeds, broken)


def look_at(
    instance: dg.DagsterInstance,
    project: Project,
    feeds: Sequence[Feed],
    broken: Sequence[Misconfigured],
) -> tuple[list[State], list[str], list[str]]:
    """The same with an instance that is open."""
    with history_of(instance, project, limit=LOOKED_AT) as history:
        states = states_of(project, history, feeds, broken)
    faults = list(automation_faults(instance, feeds))
    running = daemons_here(project.root)
    heartbeat = last_heartbeat(instance)
    way_on = "Next: make ui, or start the service (docs/run_as_a_service.md)"
    if len(running) > 1:
        ids = " and ".join(map(str, running))
        faults.append(
            f"DAEMON  Two run (processes {ids}): every schedule starts twice. "
            f"Next: kill {running[-1]}"
        )
    if running or (heartbeat and utc_now() - heartbeat < DEAD_AFTER):
        return states, faults, []
    if heartbeat is None:
        note = f"No daemon has run here yet, so no schedule starts. {way_on}"
        return states, faults, [note]
    since = local_time(heartbeat, project.district().zone)
    faults.append(f"DAEMON  It ended {since}, so no schedule starts. {way_on}")
    return states, faults, []


@contextmanager
def history_of(
    instance: dg.DagsterInstance, project: Project, *, limit: int | None = None
) -> Iterator[RunHistory]:
    """All that ran, by this instance and the state database."""
    with state_database(project).reading() as connection:
        seen = seen_runs(instance, limit)
        yield RunHistory(connection, seen, partial(failures_of, instance))


def seen_runs(
    instance: dg.DagsterInstance,
    limit: int | None = None,
    *,
    ended_after: dt.datetime | None = None,
) -> list[SeenRun]:
    """The runs of the instance, newest first; only those that ended later, if asked."""
    which = (
        dg.RunsFilter(statuses=ENDED, updated_after=ended_after)
        if ended_after
        else None
    )
    return [
        SeenRun(
            run_id=record.dagster_run.run_id,
            kind="approve" if record.dagster_run.job_name == "approve" else "run",
            names=_names(record.dagster_run),
            status=record.dagster_run.status.value,
            started=_moment(record.start_time) or record.create_timestamp,
            ended=_moment(record.end_time),
            trigger=record.dagster_run.tags.get("sis/trigger", "ui or shell"),
            job=record.dagster_run.job_name,
        )
        for record in instance.get_run_records(which, limit=limit)
    ]


def ended_since(
    instance: dg.DagsterInstance, project: Project, since: dt.datetime
) -> list[PastRun]:
    """What came of the runs that ended since then, each target and provider by itself."""
    seen = seen_runs(instance, ended_after=since)
    if not seen:
        return []
    with state_database(project).reading() as connection:
        history = RunHistory(connection, seen, partial(failures_of, instance))
        return [history.entry(run.run_id, n) for run in seen for n in run.names]


def failures_of(instance: dg.DagsterInstance, run_id: str) -> list[Failure]:
    """What the failed steps of a run say; only texts that passed the boundary are told.

    A run without any has what Dagster itself says of its end.
    """
    kinds = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
    found: list[Failure] = []
    for entry in instance.all_logs(run_id, of_type=kinds):
        event = entry.dagster_event
        if event is None:
            continue
        # A run that another process closed has no data.
        error = getattr(event.event_specific_data, "error", None)
        if event.is_step_failure:
            failure = step_failure(event)
            found += [failure] if failure.text else []
        elif not found and event.message and error is None:
            found.append(Failure("", event.message))
    return found


def step_failure(event: dg.DagsterEvent) -> Failure:
    """What a failed step says; only a text that passed the boundary is told."""
    data, name = event.step_failure_data, _subject_of(event.step_key or "run")
    if data.error is not None and data.error.cls_name in INTERRUPTIONS:
        return Failure(name, INTERRUPTED, error=STOPPED)
    own = data.user_failure_data
    if own is None or not own.description:
        return Failure(name, "")
    told = {key: str(found.value) for key, found in own.metadata.items()}
    return Failure(
        name,
        own.description,
        exit_code=int(told.get("exit_code", 1)),
        error=told.get("error", ""),
        plan_hash=told.get("plan_hash", ""),
    )


def _subject_of(step: str) -> str:
    """The target or provider that a step belongs to; a raw extract is its own."""
    if step.startswith(("exports", "deliveries")):
        return step.split("__")[-1]
    if step.startswith("scim__"):
        return SCIM_NAME  # the only target of users
    return step.split("__")[1] if step.startswith(("roster__", "staged__")) else step


def steps_of(instance: dg.DagsterInstance, run_id: str) -> list[dict[str, object]]:
    """The steps of a run as rows: step, result, seconds."""
    return [
        {
            "step": found.step_key.replace("__", "/"),
            "result": (found.status.value if found.status else "running").lower(),
            "seconds": round(found.end_time - found.start_time, 1)
            if found.end_time and found.start_time
            else None,
        }
        for found in instance.get_run_step_stats(run_id)
    ]


def log_of(instance: dg.DagsterInstance, run_id: str) -> list[dict[str, Any]]:
    """What the steps of a run logged, as rows: at (UTC), level, step, text."""
    levels = {20: "info", 30: "warning", 40: "error", 50: "critical"}
    return [
        {
            "at": _moment(entry.timestamp),
            "level": levels[entry.level],
            "step": entry.step_key.replace("__", "/"),
            "text": entry.user_message,
        }
        for entry in instance.all_logs(run_id)
        if entry.dagster_event is None
        and entry.step_key
        and entry.level in levels
        and not entry.user_message.startswith(NOT_EXECUTED)
    ]


def ask_to_stop(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Take a run from the queue, or let Dagster end it; False if nobody hears."""
    return bool(instance.run_coordinator.cancel_run(run_id))


def mark_canceling(instance: dg.DagsterInstance, run_id: str) -> None:
    """Say that a run is being stopped; else Dagster takes its end for a crash."""
    run = instance.get_run_by_id(run_id)
    if run is not None and not run.is_finished:
        instance.report_run_canceling(run)


def shall_stop(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether somebody has asked Dagster to stop a run that it did not launch."""
    run = instance.get_run_by_id(run_id)
    asked = (dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED)
    return run is not None and run.status in asked


def close_as_canceled(instance: dg.DagsterInstance, run_id: str) -> None:
    """End the history of a run whose process is gone."""
    run = instance.get_run_by_id(run_id)
    assert run is not None
    instance.report_run_canceled(
        run, "Its process is gone; closed by d118 runs cancel."
    )


def show_progress(instance: dg.DagsterInstance, run_id: str, text: str) -> None:
    """Show on the run's page how far it has come."""
    instance.add_run_tags(run_id, {"sis/progress": text})


def close_orphans(project: Project, instance: dg.DagsterInstance) -> list[str]:
    """End what a process left open that is gone: its run in Dagster, its rows, its leases.

    Returns the runs. Rule: docs/reference/schedules.md, section 5.
    """
    database = state_database(project)
    with database.reading() as connection:
        lost = sorted(dead_holders(connection))
    for run_id in lost:
        run = instance.get_run_by_id(run_id)
        if run is not None and not run.is_finished:
            is_asked = run.status is dg.DagsterRunStatus.CANCELING
            end = (
                instance.report_run_canceled if is_asked else instance.report_run_failed
            )
            end(run, "Its process is gone.")
        with database.transaction() as connection:
            names = forget(connection, run_id)
        for name in names:
            close_lost_runs(project, name)
    return lost


def dagster_facts(project: Project) -> DagsterFacts:
    """What health and workers need to know of Dagster; an error is in the facts."""
    try:
        with dagster_instance(project) as instance:
            return facts_of(instance, project)
    except D118Error as exc:
        return DagsterFacts({}, (), error=exc.what)


def facts_of(instance: dg.DagsterInstance, project: Project) -> DagsterFacts:
    """The same of an instance that is open."""
    beats = instance.get_daemon_heartbeats()
    running, queued = [], []
    with history_of(instance, project, limit=LOOKED_AT) as history:
        for run in history.seen:
            if run.status in ("QUEUED", "NOT_STARTED"):
                queued.append(ActiveRun(run.run_id, run.names, "", run.started))
            elif run.status not in ENDED_WORDS and any(
                history.entry(run.run_id, name).outcome == "running"
                for name in run.names or ("",)
            ):
                steps = steps_of(instance, run.run_id)
                at_work = [str(s["step"]) for s in steps if s["seconds"] is None]
                step = at_work[-1] if at_work else ""
                running.append(ActiveRun(run.run_id, run.names, step, run.started))
    return DagsterFacts(
        {
            name: dt.datetime.fromtimestamp(beat.timestamp, dt.UTC)
            for name, beat in beats.items()
        },
        tuple(daemons_here(project.root)),
        tuple(running),
        tuple(queued),
    )


def remove_old_runs(
    instance: dg.DagsterInstance, project: Project, cut: dt.datetime, is_dry: bool
) -> int:
    """Delete runs that ended and are older than `cut`, with events, logs and files.

    The last materialization of an asset outlives its run. Returns how many there are.
    """
    records = instance.get_run_records(ascending=True)
    times = [record.create_timestamp for record in records]
    old = records[: count_older(times, cut, now=utc_now())]
    ids = [one.dagster_run.run_id for one in old if one.dagster_run.is_finished]
    if is_dry:
        return len(ids)
    for run_id in ids:
        instance.delete_run(run_id)
        instance.compute_log_manager.delete_logs(prefix=[run_id])
    # SQLite's file of a run's events stays, and so does its folder of artifacts.
    gone = set(ids)
    for path in list((project.root / FOLDER).rglob("*")) if gone else []:
        if path.name.split(".")[0] in gone:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
    return len(ids)


def last_heartbeat(instance: dg.DagsterInstance) -> dt.datetime | None:
    """When a daemon last said that it works; None where there never was one."""
    found = instance.get_daemon_heartbeats().values()
    return max((_moment(h.timestamp) or dt.datetime.min for h in found), default=None)


def automation_faults(
    instance: dg.DagsterInstance, feeds: Sequence[Feed]
) -> Iterator[str]:
    """Schedules and sensors of the feeds that are off or whose last tick failed."""
    wanted = {f"{feed.job}_schedule" for feed in feeds} | {*SENSORS}
    wanted |= {f"{feed.name}_files_sensor" for feed in feeds}
    way_on = "Next: make ui, Automation"
    for state in instance.all_instigator_state():
        name = state.instigator_name
        if name not in wanted:
            continue
        if state.status.value == "STOPPED":
            yield f"OFF  {name} is switched off. {way_on}, switch it on"
            continue
        ids = state.instigator_origin_id, state.selector_id
        ticks: Sequence[Any] = instance.get_ticks(*ids, limit=1)
        if any(tick.status.value == "FAILURE" for tick in ticks):
            yield f"FAILS  The last tick of {name} failed. {way_on}"


def _names(run: dg.DagsterRun) -> tuple[str, ...]:
    """The targets and providers that a run is about, or the report."""
    tags = (run.tags.get("sis/target"), run.tags.get("sis/provider"))
    found = {name for tag in tags if tag for name in tag.split(", ")}
    if run.job_name == "approve":
        config: Any = run.run_config
        config = config.get("ops", {}).get("release_plan", {}).get("config", {})
        found.add(str(config.get("target", "")))
    if not found:
        keys = [key.path for key in run.asset_selection or ()]
        found = {path[1] for path in keys if path[0] in OF_A_FEED}
        found |= {path[-1] for path in keys if path[0] == REPORTS}
    return tuple(sorted(found))


def _moment(seconds: float | None) -> dt.datetime | None:
    return dt.datetime.fromtimestamp(seconds, dt.UTC) if seconds else None


def reload_code(sockets: Sequence[Path]) -> bool:
    """Let code servers read their files again; daemon and web server follow them.

    False if one does not answer.
    """
    import grpc  # type: ignore[import-untyped]

    try:
        for socket in sockets:
            with grpc.insecure_channel(f"unix:{socket}") as channel:
                # Dagster has no public function for it; the request is empty.
                reload = channel.unary_unary("/api.DagsterApi/ReloadCode")
                reload(b"", timeout=RELOAD_SECONDS)
    except grpc.RpcError:
        return False
    return True
