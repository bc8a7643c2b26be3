"""PowerSchool's raw extracts through Dagster: a roster is pulled as one, and what a target
or a person extracts by itself is never staged as a roster."""

from __future__ import annotations

from pathlib import Path

import pytest

from d118_pipelines.roster.model.tables import sis_sync_runs
from d118_pipelines.roster.staging.powerschool import RAW_COLLECTIONS
from d118_pipelines.sources.pull import find_pull
from d118_pipelines.state import database as db
from d118_pipelines.workflows.providers.powerschool_source import find_extract
from d118_pipelines_tests.support.in_process import execute, failures, made, metadata
from d118_pipelines_tests.support.roster_sync import RosterProject

POWERSCHOOL = {"id": "powerschool", "type": "POWERSCHOOL", "name": "PowerSchool"}
RAW = {f"raw/powerschool/{name}" for name in RAW_COLLECTIONS}
STAGED = [
    f"staged/powerschool/{name}"
    for name in ("orgs", "terms", "courses", "classes", "users", "enrollments")
]
ONE = "raw/powerschool/staff"


@pytest.fixture(scope="module")
def pulled(tmp_path_factory: pytest.TempPathFactory) -> RosterProject:
    """The demonstration district, pulled once and not staged."""
    root = tmp_path_factory.mktemp("pulled") / "project"
    project = RosterProject(root, POWERSCHOOL)
    result = execute(project, select=sorted(RAW))
    assert result.success
    assert made(result) == RAW
    assert metadata(result, ONE)["source"].value == "demonstration"
    return project


@pytest.fixture
def project(pulled: RosterProject, tmp_path: Path) -> RosterProject:
    return pulled.copied(tmp_path / "project")


@pytest.mark.long
def test_all_roster_queries_together_are_one_pull(pulled: RosterProject) -> None:
    pull = find_pull(pulled.home / "raw/powerschool")

    assert pull is not None
    assert list(pull.collections) == list(RAW_COLLECTIONS)
    assert pull.is_demonstration
    [row] = pulled.rows(sis_sync_runs)
    assert (row.run_id, row.provider_id) == (pull.run_id, "powerschool")
    assert pulled.rows(db.sync_leases) == []


@pytest.mark.long
def test_one_asset_alone_is_an_extract_and_never_a_roster(
    project: RosterProject,
) -> None:
    whole = find_pull(project.home / "raw/powerschool")
    assert whole is not None

    alone = execute(project, select=[ONE])
    staged = execute(project, select=STAGED)

    assert alone.success
    assert made(alone) == {ONE}
    newest = find_extract(project.project, "powerschool", "staff")
    other = find_extract(project.project, "powerschool", "students")
    assert newest is not None
    assert newest.run_id == alone.run_id
    assert newest.collections["staff"].rows > 0
    assert other is not None
    assert other.run_id == whole.run_id
    # The extract opened no run of the provider, and staging took the whole pull.
    assert len(project.rows(sis_sync_runs)) == 2
    assert staged.success
    assert find_pull(project.home / "raw/powerschool") == whole


@pytest.mark.long
def test_extracts_without_a_whole_pull_cannot_be_staged(tmp_path: Path) -> None:
    project = RosterProject(tmp_path / "project", POWERSCHOOL)
    assert execute(project, select=sorted(RAW - {ONE})).success

    result = execute(project, select=STAGED)

    [failure] = failures(result).values()
    assert "There is no complete pull of powerschool yet" in (failure.description or "")
    assert project.statuses("users") == {}
