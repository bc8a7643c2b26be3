"""Whole runs through Dagster: what is made, what is recorded, what is not executed."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import dagster as dg
import pytest

from d118_pipelines import database as db
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
HR_DELIVERY = "deliveries/hr_records"


class Synced(NamedTuple):
    """A run of every asset over a fresh project."""

    project: ProjectFolder
    result: dg.ExecuteInProcessResult
    instance: dg.DagsterInstance


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synced]:
    folder = tmp_path_factory.mktemp("synced")
    project = ProjectFolder(folder / "project", PEOPLE)
    project.d118("ledger", "seed", "smartfind", "--newest-dcid", "4009")
    (folder / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(folder / "dagster")) as instance:
        yield Synced(project, execute(project, instance=instance), instance)


def verdicts(project: ProjectFolder) -> list[str]:
    plans = project.rows(db.plans)
    return [plan.verdict for plan in sorted(plans, key=lambda plan: plan.created_at)]


def newest_hash(project: ProjectFolder) -> str:
    return str(max(project.rows(db.plans), key=lambda plan: plan.created_at).plan_hash)


def test_one_run_syncs_both_targets(synced: Synced) -> None:
    assert synced.result.success
    assert len(made(synced.result)) == 9
    assert list(synced.project.outbox("hr_records")) == [
        "Job Types.txt",
        "StaffData.txt",
    ]
    assert list(synced.project.outbox("smartfind")) == [
        "E1PlusEmployeeWorkSchedule.csv",
        "P1ProfileBasic.csv",
        "W2SSO.csv",
    ]
    assert failed_checks(synced.result) == {}
    assert len(synced.result.get_asset_check_evaluations()) == 19


def test_a_raw_extract_records_rows_columns_and_query(synced: Synced) -> None:
    values = metadata(synced.result, HR_RAW)

    assert values["dagster/row_count"] == dg.MetadataValue.int(20)
    schema = values["dagster/column_schema"].value
    assert isinstance(schema, dg.TableSchema)
    assert {"users_dcid", "email_addr"} <= {column.name for column in schema.columns}
    assert len(values["query_fingerprint"].value) == 64
    assert values["source"] == dg.MetadataValue.text("csv")
    assert isinstance(values["extract_seconds"], dg.FloatMetadataValue)
    assert values["attempts"] == dg.MetadataValue.int(1)


def test_an_export_records_counts_as_numbers(synced: Synced) -> None:
    values = metadata(synced.result, "exports/smartfind/p1_profile_basic")

    numbers = {
        name: value.value
        for name, value in values.items()
        if isinstance(value, dg.IntMetadataValue)
    }
    sent = synced.project.outbox("smartfind")["P1ProfileBasic.csv"]
    assert numbers == {
        "dagster/row_count": 19,
        "size_bytes": len(sent),
        "added": 19,
        "changed": 0,
        "removed": 0,
        "unchanged": 0,
        "records_A": 9,
        "records_C": 10,
        "people_read": 20,
        "people_exported": 19,
        "findings": numbers["findings"],
        "deactivated": 0,
    }
    assert numbers["findings"] >= 1
    assert "| bad_name | information | 1 |" in values["findings_by_code"].value
    assert values["verdict"].value == "ready"
    assert values["destination"].value == "var/outbox/smartfind"
    assert len(values["plan_hash"].value) == 64


def test_only_the_main_file_carries_the_plan(synced: Synced) -> None:
    values = metadata(synced.result, "exports/smartfind/w2_sso")

    assert values["dagster/row_count"].value == 19
    assert "plan" not in values


def test_a_delivery_records_what_was_read_back(synced: Synced) -> None:
    values = metadata(synced.result, HR_DELIVERY)

    assert values["records_sent"] == dg.MetadataValue.int(38)
    assert values["ledger_entries"] == dg.MetadataValue.int(38)
    assert values["attempts"] == dg.MetadataValue.int(1)
    size = sum(map(len, synced.project.outbox("hr_records").values()))
    assert values["bytes_sent"] == dg.MetadataValue.int(size)
    assert isinstance(values["delivery_seconds"], dg.FloatMetadataValue)
    assert values["read_back"].value == "size, hash"


def test_no_row_is_kept_by_dagster(synced: Synced) -> None:
    artifacts = Path(synced.instance.storage_directory())

    kept = {path for path in artifacts.rglob("*") if path.is_file()}
    logs = {path for path in kept if path.parent.name == "compute_logs"}
    assert kept - logs == set()
    assert logs
    for path in logs:
        assert b"@d118.example" not in path.read_bytes()


def test_what_is_written_is_its_owner_s_alone(synced: Synced) -> None:
    home = synced.project.home

    for path in [home, *home.rglob("*")]:
        allowed = 0o700 if path.is_dir() else 0o600
        if home / "outbox" != path:  # protected by the folder above it
            assert path.stat().st_mode & 0o777 == allowed, path


def test_a_job_syncs_its_own_target_and_carries_its_tags(
    project: ProjectFolder,
) -> None:
    result = execute(project, "hr_records")

    assert result.success
    assert made(result) == {HR_RAW, *HR_EXPORTS, HR_DELIVERY}
    assert result.dagster_run.tags["sis/target"] == "hr_records"
    assert result.dagster_run.tags["sis/district"] == "district_118"


def test_zero_rows_fail_the_extract_and_nothing_follows(
    project: ProjectFolder,
) -> None:
    before = project.outbox("hr_records")
    project.set_people([Person(4000, email_addr=None)])

    result = execute(project, "hr_records")

    assert not result.success
    assert made(result) == set()
    [(step, failure)] = failures(result).items()
    assert step == "raw__powerschool__hr_records_staff"
    assert "FAILED extract.zero_rows" in (failure.description or "")
    assert failure.metadata["exit_code"].value == 1
    assert project.outbox("hr_records") == before


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


def test_a_delivery_by_itself_refuses_a_held_plan(held: ProjectFolder) -> None:
    before = held.outbox("hr_records")

    result = execute(held, select=[HR_DELIVERY])

    assert not result.success
    [failure] = failures(result).values()
    assert "HELD guard.drop_within_limit  hr_records:" in (failure.description or "")
    assert failure.metadata["exit_code"].value == 3
    assert held.outbox("hr_records") == before


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


@pytest.mark.parametrize(("hours", "held"), [(47.5, False), (48.5, True)])
def test_an_extract_may_be_48_hours_old(
    project: ProjectFolder, hours: float, held: bool
) -> None:
    age_newest_extract(project, hours)

    result = execute(project, select=[*HR_EXPORTS, HR_DELIVERY])

    assert result.success is not held
    assert set(failed_checks(result)) == ({"data_fresh"} if held else set())


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

    assert made(result) == {HR_RAW}
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


def test_an_unforeseen_error_shows_its_place_and_no_text(
    project: ProjectFolder,
) -> None:
    folder = max((project.home / HR_RAW).iterdir())
    (folder / "manifest.json").write_text('{"canary-name": 1}', "utf-8")

    result = execute(project, select=HR_EXPORTS)

    [failure] = failures(result).values()
    assert (failure.description or "").startswith("FAILED internal.")
    assert "extracts.py:" in (failure.description or "")
    everything = "".join(map(str, result.all_events))
    assert "canary-name" not in everything
