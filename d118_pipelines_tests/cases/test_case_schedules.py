"""Schedules of Dagster that fire twice: two daemons on one instance, a cron that was moved.

The cases of scheduling; a test is named after its number.
"""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from pytest_httpserver import HTTPServer

from d118_pipelines.definitions import build_definitions
from d118_pipelines.schedules import DUE, SCHEDULE
from d118_pipelines.state import database as db
from d118_pipelines_tests.conftest import PEOPLE
from d118_pipelines_tests.support.district import Person
from d118_pipelines_tests.support.in_process import failures
from d118_pipelines_tests.support.project import ProjectFolder
from d118_pipelines_tests.support.sshd import end_with_children
from d118_pipelines_tests.workflows.monitoring.test_alerts import (
    SECRET_PATH,
    look,
    told,
)

CHICAGO = ZoneInfo("America/Chicago")
TICK = dt.datetime(2026, 11, 30, 4, 15, tzinfo=CHICAGO)
NEW_HIRE = 5000
Status = dg.DagsterRunStatus


def tags(due: dt.datetime, schedule: str = "smartfind_schedule") -> dict[str, str]:
    return {SCHEDULE: schedule, DUE: due.isoformat(), "sis/trigger": "schedule"}


def run(
    project: ProjectFolder, instance: dg.DagsterInstance, due: dt.datetime
) -> dg.ExecuteInProcessResult:
    """The run of SmartFind that a daemon makes for a tick."""
    with project.entered():
        job = build_definitions(project.project).resolve_job_def("smartfind")
        return job.execute_in_process(
            instance=instance, tags=tags(due), raise_on_error=False
        )


@pytest.mark.long
def test_case_37_of_two_runs_of_one_tick_the_second_is_busy(
    project: ProjectFolder, httpserver: HTTPServer
) -> None:
    httpserver.expect_request(SECRET_PATH, method="POST").respond_with_data("ok")
    before = len(project.rows(db.deliveries))
    project.set_people([*PEOPLE, Person(NEW_HIRE)])
    with dg.DagsterInstance.ephemeral() as instance:
        first = run(project, instance, TICK)
        second = run(project, instance, TICK)
        look(project, instance, second.dagster_run, httpserver)
        tomorrow = run(project, instance, TICK + dt.timedelta(days=1))

    assert (first.success, second.success, tomorrow.success) == (True, False, True)
    found = list(failures(second).values())
    assert {failure.metadata["exit_code"].value for failure in found} == {4}
    assert all(first.run_id in str(failure.description) for failure in found)
    assert told(httpserver) == [], "busy is no failure"
    assert len(project.rows(db.deliveries)) == before + 2
    [entry] = [
        row
        for row in project.rows(db.delivery_ledger)
        if row.record_type == "P" and row.key.startswith(str(NEW_HIRE))
    ]
    assert entry.origin == "delivery"


@pytest.fixture(scope="module")
def kept_instance() -> Iterator[dg.DagsterInstance]:
    """An instance on the disk: the context of a tick opens it by its reference."""
    with dg.instance_for_test() as instance:
        yield instance


@pytest.mark.parametrize(
    ("cron", "due", "runs", "starts"),
    [
        ("15 4 * * *", "11-30 04:15", [], True),
        ("15 4 * * *", "11-30 04:15", [("11-29 04:15", Status.SUCCESS)], True),
        ("15 5 * * *", "11-30 05:15", [("11-30 04:15", Status.SUCCESS)], False),
        ("15 3 * * *", "11-30 03:15", [("11-30 04:15", Status.SUCCESS)], False),
        ("15 5 * * *", "11-30 05:15", [("11-30 04:15", Status.STARTED)], False),
        ("15 5 * * *", "11-30 05:15", [("11-30 04:15", Status.FAILURE)], True),
        ("15 5 * * *", "12-01 05:15", [("11-30 04:15", Status.SUCCESS)], True),
        ("15 3 * * *", "12-01 03:15", [("11-30 04:15", Status.SUCCESS)], False),
        ("0 * * * *", "11-30 06:00", [("11-30 05:00", Status.SUCCESS)], True),
        (
            "15 6 * * *",
            "11-30 06:15",
            [("11-30 05:15", Status.FAILURE), ("11-30 04:15", Status.SUCCESS)],
            False,
        ),
    ],
)
def test_case_38_a_schedule_that_was_moved_starts_no_second_run(
    kept_instance: dg.DagsterInstance,
    tmp_path: Path,
    cron: str,
    due: str,
    runs: Sequence[tuple[str, dg.DagsterRunStatus]],
    starts: bool,
) -> None:
    def at(text: str) -> dt.datetime:
        moment = dt.datetime.strptime(f"2026-{text}", "%Y-%m-%d %H:%M")
        return moment.replace(tzinfo=CHICAGO)

    project = ProjectFolder(tmp_path / "project", [Person(4000)])
    yaml = "mappings/targets/smartfind.yaml"
    project.edit(yaml, '"45 4 * * *"', f'"{cron}"')
    schedule = build_definitions(project.project).resolve_schedule_def(
        "smartfind_schedule"
    )
    made = [
        dg.DagsterRun("smartfind", status=status, tags=tags(at(text)))
        for text, status in runs
    ]
    # A run of another schedule does not count.
    other = tags(at(due), "hr_records_schedule")
    made.append(dg.DagsterRun("hr_records", status=Status.SUCCESS, tags=other))
    for one in made:
        kept_instance.add_run(one)

    with dg.build_schedule_context(kept_instance, at(due)) as context:
        tick = schedule.evaluate_tick(context)

    for one in made:
        kept_instance.delete_run(one.run_id)
    assert bool(tick.run_requests) is starts
    assert bool(tick.skip_message) is not starts


@contextmanager
def running_daemon(project: ProjectFolder, number: int) -> Iterator[int]:
    """One of the daemons on the project's instance; its process id."""
    command = [sys.executable, "-m", "dagster._daemon", "run"]
    with (project.root / f"daemon{number}.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "-m", "d118_pipelines.definitions"],
            cwd=project.root,
            env=project.variables({"DAGSTER_HOME": str(project.root)}),
            stdout=log,
            stderr=log,
        )
    try:
        yield process.pid
    finally:
        end_with_children(process)


def ended_runs(project: ProjectFolder) -> list[dg.DagsterRun]:
    wanted = dg.RunsFilter(tags={SCHEDULE: "smartfind_schedule"})
    with (
        project.entered(DAGSTER_HOME=str(project.root)),
        dg.DagsterInstance.get() as instance,
    ):
        runs = instance.get_runs(wanted)
    return [made for made in runs if made.is_finished]


@pytest.mark.long
@pytest.mark.real
@pytest.mark.timeout(900)
def test_case_37_two_daemons_make_one_delivery_of_a_tick(
    project: ProjectFolder,
) -> None:
    before = len(project.rows(db.deliveries))
    project.set_people([*PEOPLE, Person(NEW_HIRE)])
    project.edit("mappings/targets/smartfind.yaml", '"45 4 * * *"', '"* * * * *"')
    with ExitStack() as stack:
        pids = [stack.enter_context(running_daemon(project, n)) for n in (1, 2)]
        end = time.monotonic() + 800
        while len({r.tags[DUE] for r in ended_runs(project)}) < 2:
            assert time.monotonic() < end
            time.sleep(2)
        doctor = project.d118("doctor", DAGSTER_HOME=str(project.root), COLUMNS="200")

    assert all(f"process {pid}" in doctor.out for pid in pids)
    assert doctor.code == 1
    good = [made for made in ended_runs(project) if made.status == Status.SUCCESS]
    assert len({made.tags[DUE] for made in good}) == len(good)
    delivered = [row for row in project.rows(db.deliveries) if row.status == "verified"]
    assert len(delivered) == before + len(good)
