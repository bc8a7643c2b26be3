"""The targets of the catalog: copied, and byte for byte what golden files made by hand say."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from d118_pipelines.config.project import Project
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.roster.store.snapshot import relation_columns
from d118_pipelines.targets.build import Export, Inputs
from d118_pipelines.targets.definition import Target, read_target
from d118_pipelines.targets.secret_columns import secret_variables
from d118_pipelines.workflows.targets.catalog import add_target, catalog
from d118_pipelines_tests.support.exports import first_export
from d118_pipelines_tests.support.parquet_rows import write_rows
from d118_pipelines_tests.support.project import REPOSITORY

NOW = dt.datetime(2026, 11, 2, 11, tzinfo=dt.UTC)
GOLDEN = REPOSITORY / "d118_pipelines_tests/golden/catalog"
NAMES = (
    "destiny_patrons",
    "fitnessgram",
    "google_users",
    "little_sis",
    "school_data_sync",
)
SECRETS = {
    "FITNESSGRAM_STUDENT_PASSWORD": "first-Pass1",
    "FITNESSGRAM_STAFF_PASSWORD": "staff,Pass2",
}
DAYS = {
    "school_year_begin": dt.date(2026, 8, 17),
    "school_year_end": dt.date(2027, 5, 28),
}
Rows = Mapping[str, list[dict[str, Any]]]


def _id(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))


def _record(key: str, **values: Any) -> dict[str, Any]:
    return {"id": _id(key), "external_id": key, "status": "active", **values}


def _role(user: str, role: str, **values: Any) -> dict[str, Any]:
    given = {"user_id": _id(user), "school_id": _id("S5"), "role": role, "position": 1}
    return {**given, "is_primary": True, **values}


def _enrolled(user: str, role: str, **values: Any) -> dict[str, Any]:
    given = {"id": _id(f"{user}/C1"), "user_id": _id(user), "class_id": _id("C1")}
    return {**given, "role": role, "status": "active", **values}


# Ana teaches Zoë; Left has only a role of last year, Nameless no e-mail and no name.
ROSTER: Rows = {
    "orgs": [
        _record("D118", name="District 118", org_type="district"),
        _record("S5", name="High School", org_type="school", parent_id=_id("D118")),
    ],
    "users": [
        _record(
            "P1",
            first_name="Ana",
            last_name="Ruiz",
            email="ana.ruiz@d118.example",
            staff_id="4001",
        ),
        _record(
            "P2",
            first_name="Zoë",
            last_name="Lind, Jr.",
            email=" zoe.lind@d118.example",
            student_number="222150",
            grade_level="09",
            graduation_year=2030,
            gender="female",
            birth_date=dt.date(2012, 1, 31),
        ),
        _record("Left", first_name="Bo", last_name="Moe", email="bo@d118.example"),
        _record("Nameless"),
    ],
    "user_roles": [
        _role("P1", "teacher"),
        _role("P2", "student"),
        _role("Left", "staff", end_date="2026-06-30"),
        _role("Nameless", "student"),
    ],
    "classes": [
        _record("C1", name="English 9", school_id=_id("S5")),
        _record("Untitled", school_id=_id("S5")),
    ],
    "enrollments": [
        _enrolled("P1", "teacher"),
        _enrolled("P2", "student"),
        _enrolled("Left", "student", end_date="2026-06-30"),
    ],
}


# And a class of physical education, and a guardian.
WIDER: Rows = {
    **ROSTER,
    "users": [
        *ROSTER["users"],
        _record(
            "G1", first_name="Kai", last_name="Lind", email="kai.lind@mail.example"
        ),
        _record("G2", first_name="Lee", last_name="Lind"),
    ],
    "user_roles": [
        *ROSTER["user_roles"],
        _role("G1", "guardian"),
        _role("G2", "guardian"),
    ],
    "user_agents": [
        {"user_id": _id("P2"), "agent_id": _id("G1")},
        {"user_id": _id("P2"), "agent_id": _id("G2")},
    ],
    "courses": [_record("K2", name="Physical Education 9", course_code="PE9")],
    "terms": [
        _record(
            "T1",
            name="2026-2027",
            type="schoolYear",
            school_year=2027,
            start_date="2026-08-17",
            end_date="2027-05-29",
        )
    ],
    "class_terms": [{"class_id": _id("C2"), "term_id": _id("T1")}],
    "classes": [
        *ROSTER["classes"],
        _record(
            "C2",
            name="Physical Education 9",
            school_id=_id("S5"),
            course_id=_id("K2"),
            section_number="2",
            period="3",
            room="Gym",
        ),
    ],
    "enrollments": [
        *ROSTER["enrollments"],
        _enrolled("P1", "teacher", class_id=_id("C2")),
        _enrolled("P2", "student", class_id=_id("C2")),
        _enrolled("Nameless", "student", class_id=_id("C2")),
    ],
}
NARROW = ("google_users", "school_data_sync")


def written(relation: str, folder: Path, roster: Rows) -> Path:
    """The rows of one relation as an export reads them."""
    path = folder / f"{relation}.parquet"
    write_rows(path, relation_columns(relation), roster.get(relation, []))
    return path


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with no target of its own."""
    root = tmp_path / "project"
    (root / "mappings/targets").mkdir(parents=True)
    (root / "sql/exports").mkdir(parents=True)
    return Project(root, root / "var")


def added(project: Project, name: str) -> Target:
    add_target(project, name)
    yaml = project.root / f"mappings/targets/{name}.yaml"
    return read_target(yaml, project.root / "sql/exports")


def made(target: Target, folder: Path) -> Export:
    folder.mkdir()
    inputs = folder / "inputs"
    inputs.mkdir()
    roster = ROSTER if target.name in NARROW else WIDER
    rows = {name: written(name, inputs, roster) for name in target.roster_reads}
    secrets = {name: SECRETS[name] for name in secret_variables(target.model)}
    return first_export(target, Inputs({}, rows, secrets, DAYS), folder, NOW)


@pytest.mark.parametrize("name", NAMES)
def test_the_files_are_those_made_by_hand(
    project: Project, name: str, tmp_path: Path
) -> None:
    export = made(added(project, name), tmp_path / "made")

    golden = {path.name: path.read_bytes() for path in (GOLDEN / name).iterdir()}
    assert {f.file.file: f.path.read_bytes() for f in export.files} == golden


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_the_first_delivery_is_held_and_by_nothing_else(
    project: Project, name: str, tmp_path: Path
) -> None:
    export = made(added(project, name), tmp_path / "made")

    broken = [rule.code for rule in export.rules if not rule.passed]
    assert broken == ["guard.first_delivery"]


def test_every_target_of_the_catalog_has_recipient_purpose_and_a_golden_file(
    project: Project,
) -> None:
    assert catalog() == list(NAMES)
    page = (REPOSITORY / "docs/catalog.md").read_text(encoding="utf-8")
    for name in NAMES:
        disclosure = added(project, name).model.disclosure
        assert disclosure and disclosure.recipient and disclosure.purpose
        assert f"| `{name}` |" in page


def test_a_target_that_is_there_is_not_replaced(project: Project) -> None:
    yaml = project.root / "mappings/targets/google_users.yaml"
    yaml.write_text("title: mine\n")

    with pytest.raises(ConfigurationError, match="is there already"):
        add_target(project, "google_users")

    assert yaml.read_text() == "title: mine\n"


def test_a_name_that_the_catalog_lacks_is_refused_with_its_names(
    project: Project,
) -> None:
    with pytest.raises(
        ConfigurationError, match=r"google_users, little_sis, school_data_sync"
    ):
        add_target(project, "../targets")
