"""`d118 status --check`: an exit code for cron and monitoring, one line per cause."""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    GrpcServerCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    ScheduleInstigatorData,
    TickData,
    TickStatus,
)
from dagster._daemon.types import DaemonHeartbeat
from dagster_shared.error import SerializableErrorInfo

from d118_pipelines.instance import dagster_instance
from d118_pipelines.state import database as db
from d118_pipelines_tests.conftest import HALF
from d118_pipelines_tests.support.project import ProjectFolder


def check(project: ProjectFolder) -> tuple[int, list[str]]:
    answer = project.d118("status", "--check")
    return answer.code, answer.out.splitlines()


@contextmanager
def instance_of(project: ProjectFolder) -> Iterator[dg.DagsterInstance]:
    with project.entered(), dagster_instance(project.project) as instance:
        yield instance


def heartbeat(project: ProjectFolder, age: dt.timedelta) -> None:
    """What a daemon writes every 30 seconds."""
    at = (dt.datetime.now(dt.UTC) - age).timestamp()
    with instance_of(project) as instance:
        instance.add_daemon_heartbeat(DaemonHeartbeat(at, "SCHEDULER", "id"))


def test_all_well_is_0(delivered: ProjectFolder) -> None:
    assert check(delivered) == (0, ["All well: hr_records, smartfind."])


@pytest.mark.long
def test_late_is_1_and_held_is_3_with_a_line_each(project: ProjectFolder) -> None:
    project.set_people(HALF)
    project.export("hr_records")

    code, [line] = check(project)

    assert code == 3
    assert line.startswith("HELD  hr_records today ")
    assert (line.count("HELD"), line.count("  hr_records")) == (1, 1)
    assert line.endswith("Next: d118 plan hr_records")
    then = dt.datetime.now(dt.UTC) - dt.timedelta(days=2)
    d = db.deliveries
    past = sa.update(d).where(d.c.target == "smartfind").values(finished_at=then)
    project.change_state(past)

    code, lines = check(project)

    assert (code, len(lines)) == (1, 2)
    assert lines[1].startswith("LATE  smartfind due ")
    answer = project.d118("status", "--check", "--json")
    assert (answer.code, answer.json()["causes"]) == (1, lines)


@pytest.mark.parametrize(
    ("seconds", "code"), [(20, 0), (3600, 1)], ids=["alive", "dead"]
)
def test_a_daemon_that_has_ended_is_1(
    project: ProjectFolder, seconds: int, code: int
) -> None:
    heartbeat(project, dt.timedelta(seconds=seconds))

    found, lines = check(project)

    assert found == code
    assert lines[0].startswith("DAEMON  It ended " if code else "All well")


@pytest.mark.real
def test_two_daemons_are_1(project: ProjectFolder) -> None:
    heartbeat(project, dt.timedelta())
    # Only their names in the process list count; a daemon needs seconds to start.
    code = "import time; time.sleep(600)"
    command = [sys.executable, "-c", code, "dagster-daemon", "run"]
    where: Any = {"cwd": project.root, "env": {**os.environ, "DAGSTER_HOME": ""}}
    daemons = [subprocess.Popen(command, **where) for _ in range(2)]
    time.sleep(0.5)
    try:
        found, [line] = check(project)
    finally:
        for daemon in daemons:
            daemon.send_signal(signal.SIGKILL)
            daemon.wait()

    assert found == 1
    assert line.startswith("DAEMON  Two run ")
    assert str(daemons[0].pid) in line and str(daemons[1].pid) in line


def test_a_schedule_that_is_off_and_a_sensor_that_fails_are_1(
    project: ProjectFolder,
) -> None:
    off = instigator("hr_records_schedule", InstigatorType.SCHEDULE, "STOPPED")
    sensor = instigator("run_alert_sensor", InstigatorType.SENSOR, "RUNNING")
    gone = instigator("removed_schedule", InstigatorType.SCHEDULE, "STOPPED")
    ids = sensor.instigator_origin_id, sensor.instigator_name, sensor.instigator_type
    now = dt.datetime.now(dt.UTC).timestamp()
    with instance_of(project) as instance:
        for state in (off, sensor, gone):
            instance.add_instigator_state(state)
        instance.create_tick(
            TickData(
                *(*ids, TickStatus.FAILURE, now),
                error=SerializableErrorInfo("no login", [], None),
                selector_id=sensor.selector_id,
            )
        )

    code, lines = check(project)

    assert code == 1
    assert lines == [
        "OFF  hr_records_schedule is switched off. Next: make ui, Automation, switch it on",
        "FAILS  The last tick of run_alert_sensor failed. Next: make ui, Automation",
    ]


def instigator(name: str, kind: InstigatorType, status: str) -> InstigatorState:
    """What Dagster stores of a schedule or sensor."""
    place = GrpcServerCodeLocationOrigin(
        host="localhost", socket="code.sock", location_name="d118"
    )
    repository = RemoteRepositoryOrigin(place, "__repository__")
    origin = RemoteInstigatorOrigin(repository, name)
    is_schedule = kind == InstigatorType.SCHEDULE
    data = ScheduleInstigatorData("15 4 * * *") if is_schedule else None
    return InstigatorState(origin, kind, InstigatorStatus(status), data)
