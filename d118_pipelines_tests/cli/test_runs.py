"""`d118 runs`, `runs show`, `runs cancel`, and `status` after runs that came to nothing."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from d118_pipelines.instance import close_orphans, dagster_instance
from d118_pipelines.state import database as db
from d118_pipelines.workflows.runs.run_history import INTERRUPTED, KILLED
from d118_pipelines_tests.conftest import HALF
from d118_pipelines_tests.support.project import ProjectFolder

LIMIT_SECONDS = 400


def newest_run(project: ProjectFolder, target: str = "hr_records") -> dict[str, Any]:
    answer = project.d118("runs", "--target", target, "--limit", "1", "--json")
    return dict(answer.json()["runs"][0])


def status(project: ProjectFolder, target: str = "hr_records") -> dict[str, Any]:
    return dict(project.d118("status", "--target", target, "--json").json()[0])


@pytest.fixture
def stuck(project: ProjectFolder) -> Iterator[ProjectFolder]:
    """A copy whose PowerSchool takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        del project.environment["POWERSCHOOL_CSV_DIR"]
        project.environment |= {
            "POWERSCHOOL_PROD_DB": f"127.0.0.1:{silent.getsockname()[1]}/PSPRODDB",
            "POWERSCHOOL_READ_USER": "reader",
            "POWERSCHOOL_DB_PASSWORD": "canary",
        }
        yield project


def start(project: ProjectFolder) -> subprocess.Popen[str]:
    """Begin `d118 run hr_records` and wait until it is at work."""
    process = project.start_d118("run", "hr_records")
    end = time.monotonic() + LIMIT_SECONDS
    mine = f"{process.pid}/"  # an earlier one may have left its lease
    while not any(r.process.startswith(mine) for r in project.rows(db.sync_leases)):
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.05)
    return process


@pytest.mark.long
@pytest.mark.real
def test_a_run_is_cancelled_and_one_that_is_killed_is_failed_at_once(
    stuck: ProjectFolder,
) -> None:
    process = start(stuck)
    assert status(stuck)["state"] == "running"
    run = newest_run(stuck)["run"]

    asked = stuck.d118("runs", "cancel", run[:8])
    process.communicate(timeout=LIMIT_SECONDS)

    assert asked.code == 0, asked.err
    assert newest_run(stuck)["outcome"] == "cancelled"
    state = status(stuck)
    assert (state["state"], state["last_error"]) == ("failed", INTERRUPTED)
    again = stuck.d118("runs", "cancel", run[:8])
    assert again.code == 2
    assert "has ended already: cancelled" in again.err

    process = start(stuck)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=LIMIT_SECONDS)
    assert newest_run(stuck)["outcome"] == "cancelled"

    process = start(stuck)
    process.send_signal(signal.SIGKILL)
    process.communicate()

    state = status(stuck)
    assert (state["state"], state["last_error"]) == ("failed", KILLED)
    assert state["to_do"] == "d118 run hr_records"
    closed = stuck.d118("runs", "cancel", newest_run(stuck)["run"])
    assert "was killed before; it is closed now" in closed.out
    assert newest_run(stuck)["outcome"] == "cancelled"


@pytest.mark.real
@pytest.mark.long
def test_a_shell_s_run_is_terminated_from_the_ui_and_orphans_are_closed(
    stuck: ProjectFolder,
) -> None:
    process = start(stuck)
    run = newest_run(stuck)["run"]
    with stuck.entered(), dagster_instance(stuck.project) as instance:
        # What terminateRun of GraphQL asks; it cannot reach the process by itself.
        assert not instance.run_launcher.terminate(run)
        process.communicate(timeout=LIMIT_SECONDS)
        ended = instance.get_run_by_id(run)
    assert ended is not None and ended.status is dg.DagsterRunStatus.CANCELED
    assert newest_run(stuck)["outcome"] == "cancelled"

    process = start(stuck)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    run = newest_run(stuck)["run"]
    with stuck.entered(), dagster_instance(stuck.project) as instance:
        assert close_orphans(stuck.project, instance) == [run]
        assert close_orphans(stuck.project, instance) == []
        lost = instance.get_run_by_id(run)
    assert lost is not None and lost.status is dg.DagsterRunStatus.FAILURE
    assert stuck.rows(db.sync_leases) == []
    closed = newest_run(stuck)
    assert (closed["run"], closed["outcome"]) == (run, "failed")
    assert "Its process is gone." in closed["reason"]


@pytest.mark.long
def test_a_run_that_fails_before_any_plan_shows_at_once(project: ProjectFolder) -> None:
    gone = project.root / "tables"
    gone.rename(project.root / "moved")

    answer = project.d118("run", "hr_records")

    assert answer.code != 0
    state, run = status(project), newest_run(project)
    assert (state["state"], run["outcome"]) == ("failed", "failed")
    assert state["last_error"] == run["reason"] != ""
    assert state["last_error"] in answer.err
    assert state["to_do"] in answer.err
    text = project.d118("status", "--target", "hr_records").out
    assert "failed" in text and "today" in text
    shown = project.d118("runs", "show", run["run"])
    assert shown.code == 0
    assert run["reason"] in " ".join(shown.out.split())
    assert re.search(r"raw/powerschool/hr_records_staff +failure", shown.out)


def test_runs_show_has_steps_counts_findings_and_log(delivered: ProjectFolder) -> None:
    run = newest_run(delivered)["run"]

    text = delivered.d118("runs", "show", run[:8]).out
    found = delivered.d118("runs", "show", run, "--json").json()

    assert f"Run {run}" in text
    assert "deliveries/hr_records" in text
    assert [row["of"] for row in found["counts"]] == [
        "hr_records/staff_data",
        "hr_records/job_types",
    ]
    assert {row["code"] for row in found["findings"]} >= {"bad_name"}
    assert any("verified at" in line["text"] for line in found["log"])
    assert [row["result"] for row in found["steps"]] == ["success"] * 4
    wrong = delivered.d118("runs", "show", "nothing")
    assert (wrong.code, "There is no run nothing." in wrong.err) == (2, True)


@pytest.mark.long
def test_runs_is_one_listing_with_approvals_and_what_came_of_each(
    project: ProjectFolder,
) -> None:
    project.set_people(HALF)
    assert project.d118("run", "hr_records").code == 3
    held = newest_run(project)
    short = held["plan_hash"][:8]
    project.d118("approve", "hr_records", short, "--reason", "school closed")
    assert status(project)["state"] == "released"
    assert f"{short} released" == status(project)["plan"]
    assert project.d118("status", "--check").code == 3
    project.deliver("hr_records")

    runs = project.d118("runs", "--target", "hr_records", "--json").json()["runs"]

    assert [(run["kind"], run["outcome"]) for run in runs] == [
        ("run", "delivered"),
        ("approve", "released"),
        ("run", "held"),
        ("run", "delivered"),
        ("run", "delivered"),
    ]
    assert "guard.drop_within_limit" in runs[2]["reason"]
    assert runs[2]["changes"] == runs[0]["changes"] > 0
    assert (runs[0]["rows"], runs[1]["reason"]) == (20, "school closed")
    assert runs[2]["seconds"] > 0
    assert status(project)["state"] == "delivered"
    assert status(project)["plan"].endswith(" delivered")
    assert "approve hr_records" in project.d118("runs", COLUMNS="100").out


@pytest.mark.long
def test_a_used_plan_cannot_be_approved_again(held: ProjectFolder) -> None:
    full = held.d118("plan", "hr_records", "--json").json()["plan_hash"]
    assert held.d118("approve", "hr_records", full, "--reason", "closed").code == 0
    held.deliver("hr_records")

    answer = held.d118("approve", "hr_records", full, "--reason", "again")

    assert answer.code == 2
    assert "has been carried out" in answer.err


@pytest.mark.long
@pytest.mark.parametrize("columns", ["80", ""], ids=["80", "piped"])
def test_status_and_runs_fit_80_columns_and_cut_nothing(
    project: ProjectFolder, columns: str
) -> None:
    project.set_people(HALF)
    project.export("hr_records")

    answers = [
        project.d118(*command, COLUMNS=columns)
        for command in (
            ["status"],
            ["runs"],
            ["runs", "show", newest_run(project)["run"]],
        )
    ]

    for answer in answers:
        assert answer.code == 0, answer.err
        assert max(map(len, answer.out.splitlines())) <= 80
        assert "…" not in answer.out
    assert "d118 plan hr_records" in answers[0].out
    wide = project.d118("status", "--wide").out
    assert "last deadline" in wide and "next deadline" in wide
