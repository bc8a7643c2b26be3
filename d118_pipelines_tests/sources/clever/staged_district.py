"""Clever's objects on their way to staged frames, and a district with one of everything.

Belongs here: synthetic objects, short ways to staged rows. Not here: checks.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from d118_pipelines.kernel.frames import open_frames
from d118_pipelines.roster.model.mapping import read_mapping
from d118_pipelines.roster.staging.raw_relations import RawCollection
from d118_pipelines.roster.staging.staged import Staged
from d118_pipelines.roster.staging.staging import StagingOptions, stage
from d118_pipelines_tests.sources.clever.district import (
    DISTRICT,
    NOW,
    SCHOOL,
    Data,
    Record,
    clever_id,
    person,
    pull_of,
    section,
    small_district,
    source_of,
    student,
    teacher,
)
from d118_pipelines_tests.support.clever_server import CleverServer
from d118_pipelines_tests.support.project import REPOSITORY

Row = dict[str, Any]
OTHER_SCHOOL = clever_id("school", 2)
YEAR = f"{DISTRICT}-year-2027"
WHOLE_YEAR, UNDATED = clever_id("term", 2), clever_id("term", 3)
STUDENT, COACH = clever_id("student"), clever_id("teacher", 2)


def staged_of(data: Data, folder: Path, **options: Any) -> Staged:
    """Serve, pull and stage."""
    with CleverServer(data, cap=100) as server:
        return staged_from(server, folder, **options)


def staged_from(server: CleverServer, folder: Path, **options: Any) -> Staged:
    """Pull and stage."""
    pull = pull_of(source_of(server, **options), folder / "raw")
    raw = {
        name: RawCollection(
            name, pull.rows_file(name), name, one.absence, one.is_delta, one.rows
        )
        for name, one in pull.collections.items()
    }
    mapping = read_mapping(REPOSITORY / "mappings/clever.json", project_root=REPOSITORY)
    duck = open_frames()
    try:
        return stage(
            duck,
            raw=raw,
            mapping=mapping,
            options=StagingOptions(district_id="example", provider_id="clever"),
            parent=folder / "staged",
            run_id="a" * 32,
            now=NOW,
            pull_findings=pull.findings_file,
        )
    finally:
        duck.close()


def frame(staged: Staged, name: str) -> dict[str, Row]:
    """The staged rows of an entity by their external id."""
    rows = pq.read_table(staged.folder / f"{name}.parquet").to_pylist()
    return {row["external_id"]: row for row in rows}


def rejected(staged: Staged) -> set[tuple[str, str, str]]:
    rows = pq.read_table(staged.folder / "rejected.parquet").to_pylist()
    return {(row["entity"], row["external_id"], row["code"]) for row in rows}


def roles(row: Row) -> list[tuple[str, str, bool]]:
    """Role, school and whether it is primary."""
    found = json.loads(row["roles"])
    return sorted(
        (r["role"], r["school_external_id"], bool(r["is_primary"])) for r in found
    )


def oddities(staged: Staged) -> dict[str, int]:
    """Findings by code; that Clever writes 9 for 09 is none of its own."""
    return {k: v for k, v in staged.findings.items() if k != "row.grade_alias"}


def rich_district() -> Data:
    """One of everything that the mapping treats in a way of its own."""
    data = small_district(students=4, teachers=3)
    data["schools"].append(
        {"id": OTHER_SCHOOL, "name": "Example Middle", "district": DISTRICT}
    )
    whole = {"start_date": "2026-08-17T00:00:00.000Z", "end_date": "2027-06-01"}
    data["terms"] += [
        {"id": WHOLE_YEAR, "district": DISTRICT, **whole},
        {"id": UNDATED, "name": "S2", "district": DISTRICT},
    ]
    at = [
        {"school": SCHOOL, "start_date": "2026-08-17", "end_date": "2027-06-01"},
        {"school": OTHER_SCHOOL, "start_date": "2026-08-20", "end_date": None},
    ]
    users = {user["id"]: user for user in data["users"]}
    users[STUDENT] = student(
        1, schools=[SCHOOL, OTHER_SCHOOL], enrollments=at, graduation_year="2030"
    )
    coach = {"staff_id": "77", "title": "Coach", "schools": [SCHOOL]}
    users[COACH] = teacher(2, staff=coach)
    staff = person("staff", 1, {"staff": {"staff_id": "9", "schools": []}})
    admin = person("staff", 2, {"district_admin": {"title": "Boss"}})
    data["users"] = [*users.values(), staff, admin, *contacts()]
    for user in data["users"]:
        user["email"] = "shared@school.example"
    data["sections"] = sections()
    return data


def contacts() -> list[Record]:
    """Relationship and type of three contacts, by number."""
    relations = [
        [("Sibling", "Primary"), ("Parent", "Other")],
        [("Grandparent", "Emergency"), ("Other", "Parent/Guardian")],
        [("Sibling", "Emergency")],
    ]
    found = []
    for number, own in enumerate(relations, start=1):
        links = [
            {"student": clever_id("student", n), "relationship": r, "type": t}
            for n, (r, t) in enumerate(own, start=2)
        ]
        role = {"contact": {"student_relationships": links}}
        name = {"last": "Pat de Last1"}
        found.append(person("contact", number, role, name=name))
    return found


def sections() -> list[Record]:
    """A plain one with co-teachers, and one for each substitute."""
    teachers = [clever_id("teacher", n) for n in (1, 2)]
    students = [clever_id("student", n) for n in (1, 2, 2, 99)]
    return [
        section(1, teachers=teachers, students=students),
        section(2, term_id=None, course=None, subject="homeroom/advisory"),
        section(3, term_id=UNDATED),
        section(4, teacher=clever_id("teacher", 3), teachers=[COACH]),
    ]
