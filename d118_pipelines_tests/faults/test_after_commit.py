"""What fails after the commit is a warning: what was delivered or applied counts."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from d118_pipelines.kernel.after_commit import after_commit
from d118_pipelines.roster.model.tables import sis_sync_runs
from d118_pipelines.state import database as db
from d118_pipelines_tests.support.project import REPOSITORY, ProjectFolder
from d118_pipelines_tests.support.roster_sync import RosterProject, entry


def test_a_lease_that_cannot_be_given_back_leaves_the_delivery_verified(
    project: ProjectFolder,
) -> None:
    refused = "BEFORE DELETE ON sync_leases BEGIN SELECT RAISE(ABORT, 'disk full'); END"
    project.change_state(sa.text(f"CREATE TRIGGER kept {refused}"))
    before = len(project.rows(db.deliveries))

    answer = project.d118("run", "hr_records")

    assert answer.code == 0, answer.err
    assert "Giving back the lease of hr_records failed (IntegrityError)" in answer.err
    states = [row.status for row in project.rows(db.deliveries)]
    assert states == ["verified"] * (before + 1)


@pytest.mark.long
def test_an_inbox_that_cannot_be_cleared_leaves_the_sync_applied(
    tmp_path: Path,
) -> None:
    project = RosterProject(tmp_path / "project", entry("sheets", "CSV", {}))
    inbox = project.home / "inbox/sheets"
    inbox.mkdir(parents=True)
    for path in (REPOSITORY / "examples/csv").glob("*.csv"):
        (inbox / path.name).write_bytes(path.read_bytes())
    (inbox / "processed").write_text("a file is in the way", "utf-8")

    answer = project.d118("run", "sheets")

    assert answer.code == 0, answer.err
    assert "out of the inbox failed (NotADirectoryError)" in answer.err
    assert [row.status for row in project.rows(sis_sync_runs)] == ["SUCCESS"]
    assert list(inbox.glob("*.csv"))


def test_a_warning_has_no_text_of_a_foreign_error() -> None:
    said: list[str] = []

    with after_commit("This step", said.append):
        raise ValueError("canary of a person")

    assert said == ["This step failed (ValueError). What was done before counts."]
