"""A small valid roster in the shape of OneRoster 1.2, and staging of such records."""

from __future__ import annotations

import copy
import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from d118_pipelines.kernel.absence import Absence
from d118_pipelines.kernel.frames import open_frames
from d118_pipelines.roster.model.mapping import read_mapping
from d118_pipelines.roster.staging.raw_relations import RawCollection
from d118_pipelines.roster.staging.staged import Staged
from d118_pipelines.roster.staging.staging import StagingOptions, stage
from d118_pipelines_tests.support.project import REPOSITORY

Records = dict[str, list[dict[str, Any]]]
NOW = dt.datetime(2026, 11, 2, 6, tzinfo=dt.UTC)
RUN = "0123456789abcdef"
ONEROSTER = REPOSITORY / "mappings/oneroster.yaml"


def ref(key: str) -> dict[str, str]:
    return {"sourcedId": key, "type": "x"}


def person(key: str, role: str, org: str = "S5", **more: Any) -> dict[str, Any]:
    return {
        "sourcedId": key,
        "status": "active",
        "enabledUser": "true",
        "username": f"u-{key}",
        "givenName": f"Given {key}",
        "familyName": f"Family {key}",
        "roles": [{"roleType": "primary", "role": role, "org": ref(org)}],
        **more,
    }


def enrollment(
    key: str, user: str, role: str = "student", **more: Any
) -> dict[str, Any]:
    return {
        "sourcedId": key,
        "user": ref(user),
        "class": ref("C1"),
        "school": ref("S5"),
        "role": role,
        "beginDate": "2026-08-17",
        "endDate": "2027-01-16",
        **more,
    }


VALID: Records = {
    "orgs": [
        {"sourcedId": "D100", "name": "District", "type": "district"},
        {
            "sourcedId": "S5",
            "name": "High School",
            "type": "school",
            "identifier": "5",
            "parent": ref("D100"),
        },
    ],
    "academicSessions": [
        {
            "sourcedId": "Y27",
            "title": "2026-27",
            "type": "schoolYear",
            "startDate": "2026-08-17",
            "endDate": "2027-06-05",
            "schoolYear": "2027",
        },
        {
            "sourcedId": "T1",
            "title": "S1",
            "type": "semester",
            "startDate": "2026-08-17",
            "endDate": "2027-01-16",
            "schoolYear": "2027",
            "parent": ref("Y27"),
        },
    ],
    "courses": [
        {
            "sourcedId": "M1",
            "title": "Algebra",
            "courseCode": "MAT101",
            "grades": ["09", "10"],
            "subjects": ["Mathematics"],
            "subjectCodes": ["MAT"],
            "org": ref("D100"),
            "schoolYear": ref("Y27"),
        }
    ],
    "classes": [
        {
            "sourcedId": "C1",
            "title": "Algebra - 3",
            "classCode": "MAT101-3",
            "classType": "scheduled",
            "course": ref("M1"),
            "school": ref("S5"),
            "terms": [ref("T1")],
            "periods": ["3"],
        }
    ],
    "users": [
        person(
            "S1",
            "student",
            email="s1@district.example",
            grades=["09"],
            userIds=[{"type": "studentNumber", "identifier": "219001"}],
            agents=[ref("P1")],
        ),
        person("S2", "student", identifier="219002"),
        person("A1", "teacher", email="a1@district.example"),
        person("P1", "guardian"),
    ],
    "enrollments": [
        enrollment("E1", "S1"),
        enrollment("E2", "S2"),
        enrollment("E3", "A1", "teacher", primary="true"),
    ],
    "demographics": [
        {"sourcedId": "S1", "birthDate": "2011-05-03", "sex": "male", "white": "true"}
    ],
}


def valid() -> Records:
    """A roster of its own, free to be changed."""
    return copy.deepcopy(VALID)


@dataclass(slots=True)
class Bench:
    """Writes raw collections below a folder and stages them."""

    home: Path
    mapping: Path = ONEROSTER
    options: dict[str, Any] = field(default_factory=dict)
    known: Mapping[str, Sequence[str]] = field(default_factory=dict)
    absence: Absence = "proven"
    is_delta: bool = False
    findings: Path | None = None

    def json(self, records: Records) -> Staged:
        """Stage records as an API sends them."""
        tables = {
            name: pa.table(
                {
                    "record": pa.array([json.dumps(r) for r in rows], pa.string()),
                    "page": pa.array([1] * len(rows), pa.int64()),
                }
            )
            for name, rows in records.items()
        }
        return self.tables(tables)

    def csv(self, records: Records) -> Staged:
        """Stage records as a table of the same shape, as a file set gives them."""
        tables = {}
        for name, rows in records.items():
            keys = dict.fromkeys(key for row in rows for key in row)
            columns = {k: [row.get(k) for row in rows] for k in keys}
            lines = pa.array(range(2, len(rows) + 2), pa.int64())
            tables[name] = pa.table({**columns, "_line": lines})
        return self.tables(tables)

    def tables(self, tables: Mapping[str, pa.Table]) -> Staged:
        """Stage tables as they are."""
        folder = self.home / "raw/source/20261102T060000000000Z-01234567"
        folder.mkdir(parents=True, exist_ok=True)
        raw = {}
        for name, table in tables.items():
            path = folder / f"{name}.parquet"
            pq.write_table(table, path)
            raw[name] = RawCollection(
                name=name,
                file=path,
                path=str(path.relative_to(self.home)),
                absence=self.absence,
                is_delta=self.is_delta,
                rows=table.num_rows,
            )
        with open_frames(temp_folder=self.home / "tmp") as duck:
            if self.known:
                duck.execute("CREATE SCHEMA known")
            for entity, keys in self.known.items():
                duck.execute(f"CREATE TABLE known.{entity} (external_id VARCHAR)")
                for key in keys:
                    duck.execute(f"INSERT INTO known.{entity} VALUES (?)", [key])
            return stage(
                duck,
                raw=raw,
                mapping=read_mapping(self.mapping, project_root=REPOSITORY),
                options=StagingOptions("district", "source", **self.options),
                parent=self.home / "staged/source",
                run_id=RUN,
                now=NOW,
                pull_findings=self.findings,
                known=self.known,
            )


def rows(staged: Staged, entity: str) -> dict[str, dict[str, Any]]:
    """External id -> staged row."""
    table = pq.read_table(staged.rows_file(entity))
    return {row["external_id"]: row for row in table.to_pylist()}


def found(staged: Staged) -> set[tuple[str, str, str]]:
    """(entity, code, severity) of all findings."""
    listed = pq.read_table(staged.findings_file).to_pylist()
    return {(f["entity"], f["code"], f["severity"]) for f in listed}


def rejected(staged: Staged) -> dict[str, str]:
    """External id -> code."""
    listed = pq.read_table(staged.rejected_file).to_pylist()
    return {r["external_id"]: r["code"] for r in listed}
