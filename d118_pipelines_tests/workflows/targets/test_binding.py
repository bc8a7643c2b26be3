"""`d118 doctor` tries every target's SQL before the night."""

from __future__ import annotations

from pathlib import Path

import pytest

from d118_pipelines.cli import column_reference
from d118_pipelines.config.project import Project
from d118_pipelines.errors import ConfigurationError, ExportError
from d118_pipelines.workflows.providers.powerschool_source import extract, read_query
from d118_pipelines.workflows.targets.binding import bind
from d118_pipelines_tests.conftest import PEOPLE
from d118_pipelines_tests.support.project import REPOSITORY, ProjectFolder
from d118_pipelines_tests.targets.badges import FILES, SQL

SQL_FILE = "sql/exports/badges/people.sql"
STAFF = "raw.powerschool.hr_records_staff"


@pytest.fixture(scope="module")
def extracted(tmp_path_factory: pytest.TempPathFactory) -> ProjectFolder:
    """A project with the target badges and the extract that it reads."""
    project = ProjectFolder(tmp_path_factory.mktemp("extracted") / "project", PEOPLE)
    for name, text in FILES.items():
        (project.root / name).parent.mkdir(exist_ok=True)
        (project.root / name).write_text(text)
    with project.entered():
        query = read_query(project.project, "hr_records_staff")
        extract(project.project, query, run_id="run-1")
    return project


def bound(project: ProjectFolder, sql: str, *, is_extracted: bool = True) -> str:
    (project.root / SQL_FILE).write_text(sql)
    home = project.home if is_extracted else project.root / "other"
    with project.entered():
        return bind(Project(project.root, home), project.target("badges"))


@pytest.mark.parametrize("is_extracted", [True, False], ids=["newest", "declared"])
def test_sql_that_runs_is_said_to_run(
    extracted: ProjectFolder, is_extracted: bool
) -> None:
    words = bound(extracted, SQL, is_extracted=is_extracted)

    assert words.startswith("runs on the newest" if is_extracted else "fits the decl")
    assert not list(extracted.home.glob("tmp/*"))


@pytest.mark.parametrize("is_extracted", [True, False], ids=["newest", "declared"])
@pytest.mark.parametrize(
    ("sql", "said"),
    [
        (SQL.replace("teachernumber,", "badge_no,"), '"badge_no" not found'),
        (SQL.replace("last_name, first", "list_sum(status), first"), "cannot be run"),
        (f"{SQL} JOIN roster.people p ON p.id = 1", "no relation roster.people"),
        (f"{SQL} JOIN roster.users u ON u.dcid = 1", '"dcid"'),
        (SQL.replace("FROM", "FORM"), "Parser Error"),
    ],
    ids=["column", "type", "relation", "column of the roster", "syntax"],
)
def test_doctor_tells_what_does_not_fit_before_the_night(
    extracted: ProjectFolder, sql: str, said: str, is_extracted: bool
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        bound(extracted, sql, is_extracted=is_extracted)

    assert said in str(caught.value)
    if "roster.people" not in sql:
        assert SQL_FILE in str(caught.value)


def test_doctor_tells_a_value_that_is_of_another_type(
    extracted: ProjectFolder,
) -> None:
    sql = SQL.replace("teachernumber,", "CAST(last_name AS BIGINT) AS teachernumber,")

    with pytest.raises(ConfigurationError, match=f"{SQL_FILE} cannot be run: Conv"):
        bound(extracted, sql)


def test_doctor_names_the_join_that_doubles_records(extracted: ProjectFolder) -> None:
    text = "-- JOIN of no table\n" + SQL.replace("SELECT users", "SELECT s.users")
    text = text.rstrip()
    sql = f"{text} s\nJOIN (VALUES (1), (2)) twice (n) ON true\n"

    with pytest.raises(ExportError) as caught:
        bound(extracted, sql)

    message = str(caught.value)
    assert "users_dcid is missing or occurs twice" in message
    assert f"{SQL_FILE}:5 JOIN (" in message
    assert "SCHOOLSTAFF" not in message


def test_without_a_join_the_query_of_the_extract_is_named(
    extracted: ProjectFolder,
) -> None:
    with pytest.raises(ExportError) as caught:
        bound(extracted, SQL.replace("SELECT users_dcid", "SELECT 1 AS users_dcid"))

    assert f"{STAFF} has several rows for users_dcid; see the joins of" in str(
        caught.value
    )
    assert "sql/powerschool/hr_records_staff.sql" in str(caught.value)


def test_the_page_of_readable_columns_is_that_of_the_code(tmp_path: Path) -> None:
    page = (REPOSITORY / "docs/reference/readable_columns.md").read_text("utf-8")

    assert page == column_reference.page(Project(REPOSITORY, tmp_path)), (
        "make cli-reference"
    )
