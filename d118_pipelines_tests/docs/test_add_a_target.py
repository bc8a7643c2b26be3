"""docs/add_a_target.md can be pasted: its YAML and SQL make the file that it shows."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import pytest

from d118_pipelines.sources.powerschool.schema import expected_schema
from d118_pipelines.sources.powerschool.source import Query
from d118_pipelines.targets.build import Export, Inputs
from d118_pipelines.targets.definition import Target, read_targets
from d118_pipelines_tests.docs.markdown import (
    REPOSITORY,
    code_block,
    page,
    tables_headed,
)
from d118_pipelines_tests.support.exports import first_export

PAGE = page("add_a_target.md")
YAML_FILE = "mappings/targets/badges.yaml"
SQL_FILE = "sql/exports/badges/people.sql"
PEOPLE = (
    "users_dcid",
    "email_addr",
    "first_name",
    "last_name",
    "homeschoolid",
    "status",
    "staffstatus",
)
NOW = dt.datetime(2026, 11, 2, 11, 0, tzinfo=dt.UTC)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project's data with the two blocks of the page in it."""
    for name in ("config", "mappings", "sql"):
        shutil.copytree(REPOSITORY / name, tmp_path / name)
    for name, language in ((YAML_FILE, "yaml"), (SQL_FILE, "sql")):
        assert f"`{name}`" in PAGE
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(code_block(PAGE, language), encoding="utf-8")
    return tmp_path


@pytest.fixture
def badges(project: Path) -> Target:
    [target] = [one for one in read_targets(project) if one.name == "badges"]
    return target


@pytest.fixture
def export(badges: Target, project: Path) -> Export:
    """The export of the people that the page shows."""
    [parts] = badges.reads
    folder = project / "made"
    folder.mkdir()
    inputs = Inputs({parts: extract_of_the_page(project, parts[2])})
    return first_export(badges, inputs, folder, NOW)


def extract_of_the_page(project: Path, entity: str) -> Path:
    """The page's table of people as an extract; columns that it lacks are NULL."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    [people] = tables_headed(PAGE, *PEOPLE)
    schema = expected_schema(Query.read(REPOSITORY / f"sql/powerschool/{entity}.sql"))
    columns = {
        field.name: [
            int(cell) if cell and field.type == pa.int64() else cell or None
            for cell in (person.get(field.name, "") for person in people)
        ]
        for field in schema
    }
    path = project / f"{entity}.parquet"
    pq.write_table(pa.table(columns, schema=schema), path)
    return path


def test_page_adds_one_target_beside_those_of_the_project(project: Path) -> None:
    names = {target.name for target in read_targets(project)}

    assert names == {target.name for target in read_targets(REPOSITORY)} | {"badges"}


def test_new_target_reads_an_extract_that_exists(badges: Target) -> None:
    paths = [
        REPOSITORY / f"sql/{system}/{entity}.sql" for _, system, entity in badges.reads
    ]

    assert paths
    assert all(path.is_file() for path in paths)


def test_export_of_the_people_on_the_page_is_the_file_on_the_page(
    export: Export,
) -> None:
    [file] = export.files

    shown = code_block(PAGE, "csv").replace("\n", "\r\n").encode("utf-8")
    assert file.path.read_bytes() == shown


def test_findings_are_those_that_the_page_names(export: Export) -> None:
    findings = {(finding.code, finding.key) for finding in export.findings}

    assert findings == {("missing_name", "4401"), ("not_active", "4003")}
    for code, key in findings:
        assert f"`{code}` for {key}" in " ".join(PAGE.split())


def test_first_set_of_the_new_target_breaks_no_guard_rule(export: Export) -> None:
    assert [rule.code for rule in export.rules if not rule.passed] == []
    assert "guard.badges_unique" in {rule.code for rule in export.rules}


# Dagster itself reads a model's fields by their old name.
@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20")
def test_assets_and_job_that_the_page_names_are_made(project: Path) -> None:
    from d118_pipelines.config.project import Project
    from d118_pipelines.definitions import build_definitions

    made = build_definitions(Project(project, project / "var"))

    repository = made.get_repository_def()
    keys = {key.to_user_string() for key in repository.asset_graph.get_all_asset_keys()}
    assert keys >= {"exports/badges/badge_holders", "deliveries/badges"}
    assert repository.has_job("badges")
    assert repository.has_schedule_def("badges_schedule")
