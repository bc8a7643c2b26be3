"""Values that another entity gives stay when that entity is not sent or switched off."""

from __future__ import annotations

from pathlib import Path

import pytest

from d118_pipelines_tests.support.bundles import BASE_1_1, set_of, write_folder
from d118_pipelines_tests.support.roster_sync import RosterProject, files

PERSON = "SELECT birth_date IS NOT NULL, gender FROM users WHERE external_id = 'S-9001'"
TEACHER = "SELECT primary_teacher_id IS NOT NULL FROM classes"


@pytest.mark.long
def test_set_without_enrollments_and_demographics_keeps_what_they_gave(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "set"
    write_folder(folder, set_of(BASE_1_1))
    project = RosterProject(tmp_path / "project", files(folder))
    project.sync("files")
    before = (project.sql(PERSON), project.sql(TEACHER))
    assert before == ([(1, "male")], [(1,)])

    for old in folder.iterdir():
        old.unlink()
    write_folder(folder, set_of(BASE_1_1, enrollments=None, demographics=None))
    result = project.sync("files")

    assert (project.sql(PERSON), project.sql(TEACHER)) == before
    assert result.changed == 0


def test_every_run_leaves_its_findings_in_the_sync_log(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    users = BASE_1_1["users"].replace(",teacher,", ",wizard,")
    write_folder(folder, set_of(BASE_1_1, users=users, enrollments=None))
    project = RosterProject(tmp_path / "project", files(folder))

    staged = project.stage("files")

    logged = project.sql("SELECT level, message, record_type FROM sync_logs")
    assert ("WARNING", "row.bad_enum", "users") in logged
    assert {code for _, code, _ in logged} == set(staged.findings)
