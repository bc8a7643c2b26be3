"""`d118 findings --xlsx`: a workbook for the person who corrects the records."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from openpyxl import load_workbook
from openpyxl.worksheet.worksheet import Worksheet

from d118_pipelines.state import database as db
from d118_pipelines_tests.support.project import ProjectFolder
from d118_pipelines_tests.support.roster_sync import RosterProject
from d118_pipelines_tests.support.small_sets import PROVIDER, put_set

HEADER = ["code", "level", "key", "field", "detail", "todo"]


def sheet(path: Path) -> Worksheet:
    """The only sheet of a workbook."""
    book = load_workbook(path)
    (name,) = book.sheetnames
    return book[name]


def test_every_finding_is_a_row_under_a_frozen_header(
    delivered: ProjectFolder, tmp_path: Path
) -> None:
    path = tmp_path / "findings.xlsx"
    expected = delivered.d118("findings", "hr_records", "--json").json()

    answer = delivered.d118("findings", "hr_records", "--xlsx", str(path))

    assert (answer.code, answer.out) == (0, f"Wrote {len(expected)} rows to {path}.\n")
    found = sheet(path)
    rows = [list(row) for row in found.iter_rows(values_only=True)]
    assert rows[0] == HEADER
    shown = [[value or "" for value in row] for row in rows[1:]]
    assert shown == [list(finding.values()) for finding in expected]
    assert found.title == "Findings of hr_records"
    assert found.freeze_panes == "A2"
    assert found.auto_filter.ref == f"A1:F{len(rows)}"
    assert path.stat().st_mode & 0o077 == 0


def test_no_cell_runs_as_a_formula(project: ProjectFolder, tmp_path: Path) -> None:
    detail = '=HYPERLINK("http://canary.example")'
    project.change_state(sa.update(db.findings).values(detail=detail, todo="+1"))
    path = tmp_path / "findings.xlsx"

    assert project.d118("findings", "hr_records", "--xlsx", str(path)).code == 0

    cells = [cell for row in sheet(path).iter_rows(min_row=2) for cell in row]
    assert {cell.data_type for cell in cells if cell.value} == {"s"}
    assert {c.value for c in cells if c.column == 5} == {f"'{detail}"}
    assert {c.value for c in cells if c.column == 6} == {"'+1"}


def test_columns_are_as_wide_as_their_values_up_to_a_limit(
    project: ProjectFolder, tmp_path: Path
) -> None:
    project.change_state(sa.update(db.findings).values(detail="x" * 500, field="y"))
    path = tmp_path / "findings.xlsx"
    project.d118("findings", "hr_records", "--xlsx", str(path))

    widths = {n: d.width for n, d in sheet(path).column_dimensions.items()}
    assert widths["E"] == 60
    assert widths["D"] == len("field") + 3


def test_no_finding_is_a_workbook_too(delivered: ProjectFolder, tmp_path: Path) -> None:
    path = tmp_path / "findings.xlsx"
    command = ["findings", "hr_records", "--code", "none", "--xlsx", str(path)]

    answer = delivered.d118(*command)

    assert answer.code == 0
    assert sheet(path).max_row == 1


@pytest.mark.parametrize("name", ["findings.csv", "nowhere/findings.xlsx"])
def test_a_file_that_cannot_be_written_is_2(
    delivered: ProjectFolder, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    answer = delivered.d118("findings", "hr_records", "--xlsx", str(path))

    assert answer.code == 2
    assert str(path) in answer.err
    assert "Nothing was written." in answer.err
    assert not path.exists()


@pytest.mark.long
def test_findings_of_a_provider(tmp_path: Path) -> None:
    project = RosterProject(tmp_path / "project", PROVIDER)
    # A user without a name is set aside.
    put_set(project.root, 3, more_users="S-9,,,true,S5,student,s9,,,,,9,,,,,09,\n")
    project.stage("files")
    path = tmp_path / "findings.xlsx"
    expected = project.d118("findings", "files", "--json").json()
    assert expected

    answer = project.d118("findings", "files", "--xlsx", str(path))

    assert answer.code == 0, answer.err
    found = list(sheet(path).iter_rows(values_only=True))
    assert found[0][:4] == ("code", "level", "entity", "key")
    assert len(found) == len(expected) + 1
