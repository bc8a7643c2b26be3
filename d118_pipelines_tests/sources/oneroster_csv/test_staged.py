"""A set on its whole way into staged frames: both versions give one roster."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from d118_pipelines.kernel.frames import open_frames
from d118_pipelines.roster.model.mapping import read_mapping
from d118_pipelines.roster.staging.raw_relations import RawCollection
from d118_pipelines.roster.staging.staged import Staged
from d118_pipelines.roster.staging.staging import StagingOptions, stage
from d118_pipelines_tests.sources.oneroster_csv.pulls import NOW, Pulled, pull_set
from d118_pipelines_tests.support.bundles import (
    BASE_1_1,
    BASE_1_2,
    ENROLLMENTS,
    set_of,
)
from d118_pipelines_tests.support.project import REPOSITORY

QUERIES = REPOSITORY / "sql/staging/oneroster_csv"


def staged(pulled: Pulled, base: Path, **options: Any) -> Staged:
    mapping = read_mapping(
        REPOSITORY / "mappings/oneroster.yaml", project_root=REPOSITORY
    )
    shaped = tuple(
        replace(endpoint, query=QUERIES / f"{endpoint.collection}.sql")
        for endpoint in mapping.endpoints
    )
    pull = pulled.pull
    raw = {
        name: RawCollection(
            name, pull.rows_file(name), name, one.absence, one.is_delta, one.rows
        )
        for name, one in pull.collections.items()
    }
    with open_frames() as duck:
        return stage(
            duck,
            raw=raw,
            mapping=replace(mapping, endpoints=shaped),
            options=StagingOptions("district", "sis", **options),
            parent=base / "staged",
            run_id="0123456789",
            now=NOW,
            pull_findings=pull.findings_file,
        )


def rows(found: Staged, entity: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = pq.read_table(found.rows_file(entity)).to_pylist()
    return sorted(listed, key=lambda row: row["external_id"])


def findings(found: Staged) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = pq.read_table(found.findings_file).to_pylist()
    return listed


@pytest.mark.long
@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_set_of_either_version_gives_the_same_roster(
    version: str, tmp_path: Path
) -> None:
    base = BASE_1_1 if version == "1.1" else BASE_1_2
    found = staged(pull_set(set_of(base, version=version), tmp_path), tmp_path)

    assert findings(found) == []
    assert {n: (e.staged, e.absence) for n, e in found.entities.items()} == {
        "orgs": (2, "proven"),
        "terms": (2, "proven"),
        "courses": (1, "proven"),
        "classes": (1, "proven"),
        "users": (2, "proven"),
        "enrollments": (2, "proven"),
        "demographics": (1, "proven"),
    }
    student, teacher = rows(found, "users")
    assert student["last_name"] == "O'Neil, Jr."
    assert student["student_number"] == "219001"
    assert student["state_id"] == "123456789"
    assert teacher["staff_id"] == "77"
    assert teacher["roles"].count('"role":"teacher"') == 2
    assert teacher["primary_school_external_id"] == "S5"


@pytest.mark.long
def test_worked_example_is_judged_line_by_line(tmp_path: Path) -> None:
    body = (
        "E-1,,,51234,S5,S-9001,student,,2026-08-17,2027-01-16\n"
        "E-2,,,51234,S5,T-77,Teacher,TRUE,2026-08-17,2027-01-16\n"
        "E-3,,,51234,S5,S-9002,pupil,,2026-08-17,2027-01-16\n"
        "E-4,,,51234,S5,S-7777,student,,2026-08-17,2027-01-16\n"
        "E-5,,,51234,S5,,student,,2026-08-17,2027-01-16\n"
        "E-6,,,51234,S5,S-9002,student,,17/08/2026,2027-01-16\n"
        "E-7,,,51234,S5,S-9002,student,true,2026-08-17\n"
        "E-8,,,51234,S5,S-9002,student,,2026-08-17,2027-01-16\n"
        "E-8,,,51234,S5,S-9002,student,,2026-08-17,2027-01-16\n"
        "E-9,,,51234,S5,S-9001,student,,2026-08-17,2027-01-16\n"
        "E-9,,,51234,S5,S-9002,student,,2026-08-17,2027-01-16\n"
        "E:10,,,51234,S5,T-77,proctor,,2026-12-01,2026-11-01\n"
    )
    users = BASE_1_1["users"] + "S-9002,,,true,S5,student,x,,Kim,Roe,,,,,,,10,\n"
    files = set_of(users=users, enrollments=ENROLLMENTS + body)

    found = staged(pull_set(files, tmp_path), tmp_path)

    kept = [row["external_id"] for row in rows(found, "enrollments")]
    assert kept == ["E-1", "E-2", "E-6", "E-8", "E:10"]
    rejected = {
        (row["source_line"], row["code"], row["external_id"])
        for row in pq.read_table(found.rejected_file).to_pylist()
    }
    assert rejected == {
        (4, "row.bad_enum", "E-3"),
        (5, "ref.orphan", "E-4"),
        (6, "row.missing_required", "E-5"),
        (8, "csv.ragged", "E-7"),
        (11, "id.duplicate", "E-9"),
        (12, "id.duplicate", "E-9"),
    }
    warned = {(f["source_line"], f["code"]) for f in findings(found)}
    assert warned >= {
        (3, "row.enum_case"),
        (3, "row.bool_form"),
        (7, "row.bad_date"),
        (13, "row.bad_guid"),
        (13, "sem.date_order"),
    }


@pytest.mark.long
def test_delta_set_stages_its_changes_and_no_absence(tmp_path: Path) -> None:
    deleted = (
        "E-1,tobedeleted,2026-10-02T14:05:00.000Z,51234,S5,S-9001,student,,"
        "2026-08-17,2026-10-02\n"
    )
    files = set_of(enrollments=ENROLLMENTS + deleted, modes={"enrollments": "delta"})

    found = staged(pull_set(files, tmp_path), tmp_path)

    [row] = rows(found, "enrollments")
    assert (row["status"], row["inactive_reason"]) == ("inactive", "tobedeleted")
    counts = found.entities["enrollments"]
    assert (counts.absence, counts.is_delta) == ("never", True)
    assert found.entities["users"].absence == "proven"
