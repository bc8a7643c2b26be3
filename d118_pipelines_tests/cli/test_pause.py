"""`d118 pause` and `d118 resume`: the emergency stop, whoever starts the run."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import dagster as dg
import pytest

from d118_pipelines.definitions import build_definitions
from d118_pipelines.errors import PausedError
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.state import database as db
from d118_pipelines_tests.support.in_process import execute, failures
from d118_pipelines_tests.support.project import ProjectFolder

UNTIL = f"{utc_now() + dt.timedelta(days=3):%Y-%m-%d}"
WHY = ("--until", UNTIL, "--reason", "vendor breach")


def ticked(project: ProjectFolder, schedule: str) -> dg.ScheduleExecutionData:
    context = dg.build_schedule_context(scheduled_execution_time=utc_now())
    with project.entered():
        found = build_definitions(project.project).resolve_schedule_def(schedule)
        assert isinstance(found, dg.ScheduleDefinition)
        return found.evaluate_tick(context)


@pytest.mark.long
def test_what_is_paused_is_not_run_by_anybody_until_it_is_resumed(
    project: ProjectFolder,
) -> None:
    before, deliveries = project.outbox("hr_records"), len(project.rows(db.deliveries))

    paused = project.d118("pause", "hr_records", *WHY)

    assert paused.code == 0, paused.err
    assert f"hr_records is paused until {UNTIL} 00:00" in paused.out
    for command in ("run", "resend"):
        answer = project.d118(command, "hr_records")
        assert answer.code == 3
        assert answer.err.startswith("PAUSED  hr_records is paused until ")
        assert "vendor breach" in answer.err
        assert "d118 resume hr_records" in answer.err
    skip = ticked(project, "hr_records_schedule")
    assert skip.run_requests == []
    assert "vendor breach" in (skip.skip_message or "")
    assert ticked(project, "smartfind_schedule").run_requests
    by_ui = failures(execute(project, "hr_records"))
    assert {str(f.description)[:6] for f in by_ui.values()} == {"PAUSED"}
    [state] = project.d118("status", "--target", "hr_records", "--json").json()
    assert (state["state"], state["last_error"]) == ("paused", "vendor breach")
    assert state["to_do"] == "d118 resume hr_records"
    assert project.d118("status", "--check").code == 3
    assert len(project.rows(db.deliveries)) == deliveries
    assert project.outbox("hr_records") == before

    assert project.d118("resume", "hr_records").code == 0

    assert ticked(project, "hr_records_schedule").run_requests
    [state] = project.d118("status", "--target", "hr_records", "--json").json()
    assert state["state"] == "delivered", "refused runs do not count"
    assert project.d118("resend", "hr_records").code == 0


@pytest.mark.long
def test_a_pause_of_all_stops_a_run_that_is_at_work_before_it_sends(
    project: ProjectFolder,
) -> None:
    run_id = project.export("smartfind").plan.run_id
    assert project.d118("pause", "--all", *WHY).code == 0

    with pytest.raises(PausedError, match="everything is paused"):
        project.deliver_made("smartfind", run_id)

    states = project.d118("status", "--json").json()
    assert [state["state"] for state in states] == ["paused", "paused"]
    told = project.d118("resume", "smartfind").out
    assert "There was no pause of smartfind." in told
    assert "End it: d118 resume --all" in told
    assert "no longer paused" in project.d118("resume", "--all").out


@pytest.mark.long
def test_a_paused_provider_is_not_synced(tmp_path: Path) -> None:
    project = ProjectFolder(tmp_path / "project")
    project.d118("pause", "powerschool", *WHY)

    answer = project.d118("run", "powerschool")
    tick = ticked(project, "sync_powerschool_schedule")

    assert answer.code == 3
    assert "PAUSED  powerschool is paused until" in answer.err
    assert "vendor breach" in (tick.skip_message or "")
    by_ui = failures(execute(project, "sync_powerschool"))
    assert {str(f.description)[:6] for f in by_ui.values()} == {"PAUSED"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nobody", *WHY], "There is no target or provider nobody."),
        (list(WHY), "Name one target or provider, or give --all."),
        (["hr_records", "--all", *WHY], "Name one target or provider, or give --all."),
        (["hr_records", "--until", "2020-01-31", "--reason", "x"], "still to come"),
        (["hr_records", "--until", UNTIL, "--reason", " "], "needs a reason"),
        (["hr_records", "--until", "tomorrow", "--reason", "x"], "as 2030-01-31 or"),
        (["hr_records", "--reason", "x"], "Missing option"),
    ],
    ids=["unknown", "none", "both", "past", "blank", "words", "no-time"],
)
def test_a_wrong_pause_is_2_and_pauses_nothing(
    delivered: ProjectFolder, arguments: list[str], says: str
) -> None:
    answer = delivered.d118("pause", *arguments)

    assert answer.code == 2
    assert says in " ".join(answer.err.replace("│", " ").split())
    assert delivered.rows(db.pauses) == []
