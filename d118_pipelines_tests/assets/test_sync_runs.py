"""Whole runs through Dagster: what is made, what is recorded, what is not executed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import dagster as dg
import pytest

from d118_pipelines_tests.conftest import PEOPLE
from d118_pipelines_tests.support.in_process import (
    execute,
    failed_checks,
    made,
    metadata,
)
from d118_pipelines_tests.support.project import ProjectFolder

HR_EXPORTS = ["exports/hr_records/staff_data", "exports/hr_records/job_types"]
HR_RAW = "raw/powerschool/hr_records_staff"
WITHOUT_EMAIL = "raw/powerschool/staff_without_email"
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


@pytest.mark.long
def test_one_run_syncs_both_targets(synced: Synced) -> None:
    assert synced.result.success
    assert len(made(synced.result)) == 12
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
    assert len(synced.result.get_asset_check_evaluations()) == 21


@pytest.mark.long
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
        "sent_as_A": 9,
        "sent_as_C": 10,
        "people_read": 20,
        "people_exported": 19,
        "people_staff": 19,
        "findings": numbers["findings"],
        "deactivated": 0,
    }
    assert numbers["findings"] >= 1
    assert "| 1 | bad_name | information |" in values["findings_by_code"].value
    assert values["verdict"].value == "ready"
    assert values["destination"].value == "var/outbox/smartfind"
    assert len(values["plan_hash"].value) == 64


def test_the_verdict_and_the_plan_stand_before_the_columns(synced: Synced) -> None:
    values = metadata(synced.result, "exports/smartfind/p1_profile_basic")

    names = list(values)
    assert (names[0], names[-1]) == ("verdict", "columns")
    assert "dagster/column_schema" not in values, "its table would stand above them"
    columns = values["columns"].value.columns
    assert len(columns) == 38
    assert all(column.description for column in columns)


def test_the_columns_of_an_extract_say_where_they_come_from(synced: Synced) -> None:
    schema = metadata(synced.result, HR_RAW)["dagster/column_schema"].value

    described = {column.name: column.description for column in schema.columns}
    assert described["email_addr"] == "USERS.EMAIL_ADDR"


def test_a_run_of_everything_says_what_it_is_for(synced: Synced) -> None:
    run = synced.instance.get_run_by_id(synced.result.run_id)

    assert run is not None
    assert run.tags["sis/district"] == "district_118"
    assert run.tags["sis/trigger"] == "manual"


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
    assert made(result) == {HR_RAW, WITHOUT_EMAIL, *HR_EXPORTS, HR_DELIVERY}
    assert result.dagster_run.tags["sis/target"] == "hr_records"
    assert result.dagster_run.tags["sis/district"] == "district_118"
