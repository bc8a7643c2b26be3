"""Runs that stop: what is not executed, what is not sent, what the history says."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from urllib.parse import unquote

import dagster as dg
import pytest
import yaml

from d118_pipelines.state import database as db
from d118_pipelines.workflows.runs.run import account
from d118_pipelines_tests.conftest import HALF, PEOPLE
from d118_pipelines_tests.support.district import Person
from d118_pipelines_tests.support.in_process import (
    execute,
    failed_checks,
    failures,
    made,
    metadata,
)
from d118_pipelines_tests.support.project import ProjectFolder

HR_EXPORTS = ["exports/hr_records/staff_data", "exports/hr_records/job_types"]
HR_RAW = "raw/powerschool/hr_records_staff"
WITHOUT_EMAIL = "raw/powerschool/staff_without_email"
HR_DELIVERY = "deliveries/hr_records"


def verdicts(project: ProjectFolder) -> list[str]:
    plans = project.rows(db.plans)
    return [plan.verdict for plan in sorted(plans, key=lambda plan: plan.created_at)]


def newest_hash(project: ProjectFolder) -> str:
    return str(max(project.rows(db.plans), key=lambda plan: plan.created_at).plan_hash)


@pytest.mark.long
def test_zero_rows_fail_the_extract_and_nothing_follows(
    project: ProjectFolder,
) -> None:
    before = project.outbox("hr_records")
    project.set_people([Person(4000, email_addr=None)])

    result = execute(project, "hr_records")

    assert not result.success
    assert made(result) == {WITHOUT_EMAIL}
    [(step, failure)] = failures(result).items()
    assert step == "raw__powerschool__hr_records_staff"
    assert "FAILED extract.zero_rows" in (failure.description or "")
    assert failure.metadata["exit_code"].value == 1
    assert project.outbox("hr_records") == before


@pytest.mark.long
def test_a_held_plan_blocks_its_own_target_only(project: ProjectFolder) -> None:
    before = project.outbox("hr_records")
    plans = len(verdicts(project))
    project.set_people([*HALF, *(Person(dcid) for dcid in range(5000, 5006))])
    project.edit(
        "mappings/targets/smartfind.yaml", "drop_percent: 10", "drop_percent: 90"
    )

    result = execute(project)

    assert not result.success
    [(name, description)] = failed_checks(result).items()
    assert name == "drop_within_limit"
    assert "Held. Review: d118 plan hr_records." in description
    assert "deliveries/smartfind" in made(result)
    assert HR_DELIVERY not in made(result)
    assert set(HR_EXPORTS) <= made(result)
    assert project.outbox("hr_records") == before
    assert sorted(verdicts(project)[plans:]) == ["held", "ready"]


@pytest.mark.long
def test_a_held_run_does_not_look_like_a_crash(project: ProjectFolder) -> None:
    project.set_people(HALF)

    with dg.DagsterInstance.ephemeral() as instance:
        forged = {"sis/target": "smartfind", "sis/triggered_by": "the superintendent"}
        result = execute(project, "hr_records", instance=instance, tags=forged)
        run = instance.get_run_by_id(result.run_id)

    assert run is not None
    assert run.tags["sis/verdict"] == "held", "the list of runs shows it"
    assert run.tags["sis/target"] == "hr_records"
    assert run.tags["sis/triggered_by"] == account()
    [failure] = failures(result).values()
    said = failure.description or ""
    assert said.startswith("HELD guard.drop_within_limit  hr_records: ")
    assert said.count("HELD") == 1
    steps = [e for e in result.all_events if e.is_step_failure]
    [shown] = [str(event.step_failure_data.error.message) for event in steps]
    assert shown.startswith("Stopped: HELD guard.drop_within_limit")
    assert shown.count("HELD") == 1
    [ended] = [e for e in result.all_events if e.is_failure and e.is_job_event]
    first = ended.job_failure_data.first_step_failure_event
    assert first is not None
    assert first.step_failure_data.user_failure_data == failure


@pytest.mark.long
def test_a_held_run_links_to_the_job_approve(project: ProjectFolder) -> None:
    project.set_people(HALF)

    [failure] = failures(execute(project, "hr_records")).values()

    link = str(failure.metadata["approve"].value)
    job, _, config = link.partition("/playground/setup?config=")
    assert job == "/locations/d118/jobs/approve"
    typed = yaml.safe_load(unquote(config) + "looked at")
    assert typed["ops"]["release_plan"]["config"] == {
        "target": "hr_records",
        "plan_hash": newest_hash(project)[:8],
        "reason": "looked at",
    }
    assert execute(project, "approve", run_config=typed).success
    assert execute(project, "hr_records").success


@pytest.mark.long
def test_a_delivery_by_itself_refuses_a_held_plan(held: ProjectFolder) -> None:
    before = held.outbox("hr_records")

    result = execute(held, select=[HR_DELIVERY])

    assert not result.success
    [failure] = failures(result).values()
    assert "HELD guard.drop_within_limit  hr_records:" in (failure.description or "")
    assert failure.metadata["exit_code"].value == 3
    assert held.outbox("hr_records") == before


@pytest.mark.long
def test_the_job_approve_releases_exactly_one_plan_once(held: ProjectFolder) -> None:
    config = {
        "target": "hr_records",
        "plan_hash": newest_hash(held),
        "reason": "confirmed",
    }

    approved = execute(
        held, "approve", run_config={"ops": {"release_plan": {"config": config}}}
    )
    sent = execute(held, select=[HR_DELIVERY])
    again = execute(held, select=[HR_DELIVERY])

    assert approved.success
    assert sent.success
    assert held.outbox("hr_records")["StaffData.txt"].count(b"\n") == 11
    [approval] = held.rows(db.plan_approvals)
    assert approval.account.startswith("ui/")
    assert approval.used_at is not None
    assert not again.success
    [failure] = failures(again).values()
    assert "FAILED plan.overtaken" in (failure.description or "")


@pytest.mark.long
def test_a_released_plan_passes_its_checks(held: ProjectFolder) -> None:
    held.d118("approve", "hr_records", newest_hash(held), "--reason", "confirmed")

    result = execute(held, "hr_records")

    assert result.success
    [released] = [
        check.description
        for check in result.get_asset_check_evaluations()
        if check.check_name == "drop_within_limit"
    ]
    assert "Released by an approval." in str(released)
    assert metadata(result, HR_EXPORTS[0])["verdict"].value == "approved"


@pytest.mark.parametrize(
    ("plan_hash", "reason", "says"),
    [
        ("0" * 64, "confirmed", "The newest plan is "),
        (None, " ", "An approval needs a reason."),
    ],
)
def test_the_job_approve_refuses_as_the_command_does(
    held: ProjectFolder, plan_hash: str | None, reason: str, says: str
) -> None:
    config = {
        "target": "hr_records",
        "plan_hash": plan_hash or newest_hash(held),
        "reason": reason,
    }

    result = execute(
        held, "approve", run_config={"ops": {"release_plan": {"config": config}}}
    )

    assert not result.success
    [failure] = failures(result).values()
    assert says in (failure.description or "")
    assert held.rows(db.plan_approvals) == []


def test_a_delivered_plan_is_not_delivered_again(project: ProjectFolder) -> None:
    result = execute(project, select=[HR_DELIVERY])

    assert not result.success
    [failure] = failures(result).values()
    assert "FAILED plan.overtaken" in (failure.description or "")
    assert "d118 resend hr_records" in (failure.description or "")


@pytest.mark.long
def test_a_failed_plan_blocks_the_delivery(project: ProjectFolder) -> None:
    before = project.outbox("hr_records")
    project.edit("mappings/targets/hr_records.yaml", "min_rows: 1", "min_rows: 500")

    result = execute(project, select=[*HR_EXPORTS, HR_DELIVERY])
    alone = execute(project, select=[HR_DELIVERY])

    assert set(failed_checks(result)) == {"rows_enough"}
    assert HR_DELIVERY not in made(result)
    assert verdicts(project)[-1] == "failed"
    [failure] = failures(alone).values()
    assert "FAILED guard.rows_enough" in (failure.description or "")
    assert project.outbox("hr_records") == before


def age_newest_extract(project: ProjectFolder, hours: float) -> None:
    folder = max((project.home / HR_RAW).iterdir())
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    made_at = dt.datetime.now(dt.UTC) - dt.timedelta(hours=hours)
    manifest["made_at"] = made_at.isoformat()
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")


@pytest.mark.long
@pytest.mark.parametrize(("hours", "held"), [(47.5, False), (48.5, True)])
def test_an_extract_may_be_48_hours_old(
    project: ProjectFolder, hours: float, held: bool
) -> None:
    age_newest_extract(project, hours)

    result = execute(project, select=[*HR_EXPORTS, HR_DELIVERY])

    assert result.success is not held
    assert set(failed_checks(result)) == ({"data_fresh"} if held else set())


@pytest.mark.long
def test_a_plan_grows_old_before_its_delivery(project: ProjectFolder) -> None:
    project.set_people([*PEOPLE, Person(4200)])
    project.export("hr_records")
    old = dt.datetime.now(dt.UTC) - dt.timedelta(hours=49)
    project.change_state(db.plans.update().values(data_at=old))

    result = execute(project, select=[HR_DELIVERY])

    [failure] = failures(result).values()
    assert "HELD guard.data_fresh  hr_records:" in (failure.description or "")


def test_demonstration_people_are_refused_before_anything_is_made(
    project: ProjectFolder,
) -> None:
    (project.root / "tables/DEMONSTRATION.txt").touch()
    plans = len(verdicts(project))

    result = execute(
        project,
        "hr_records",
        HRRECORDS_SFTP_ADDRESS="127.0.0.1:1",
        HRRECORDS_SFTP_USERNAME="u",
        HRRECORDS_SFTP_PASSWORD="p",
    )

    assert made(result) == {HR_RAW, WITHOUT_EMAIL}
    [failure] = failures(result).values()
    assert "Demonstration data never goes to a configured address." in (
        failure.description or ""
    )
    assert failure.metadata["error"].value == "ConfigurationError"
    assert failure.metadata["exit_code"].value == 2
    assert len(verdicts(project)) == plans


def test_an_export_without_any_extract_says_how_to_make_it(tmp_path: Path) -> None:
    project = ProjectFolder(tmp_path / "project", PEOPLE)

    result = execute(project, select=HR_EXPORTS)

    [failure] = failures(result).values()
    assert f"There is no complete extract {HR_RAW} yet." in (failure.description or "")
    assert "dagster asset materialize" in (failure.description or "")


@pytest.mark.long
def test_an_unforeseen_error_shows_its_place_and_no_text(
    project: ProjectFolder,
) -> None:
    folder = max((project.home / HR_RAW).iterdir())
    (folder / "manifest.json").write_text('{"canary-name": 1}', "utf-8")

    result = execute(project, select=HR_EXPORTS)

    [failure] = failures(result).values()
    assert (failure.description or "").startswith("FAILED internal.")
    assert "pull.py:" in (failure.description or "")
    everything = "".join(map(str, result.all_events))
    assert "canary-name" not in everything
