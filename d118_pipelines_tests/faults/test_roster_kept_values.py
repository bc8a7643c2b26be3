"""Values that another entity gives stay when that entity is not sent or switched off."""

from __future__ import annotations

import json
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


@pytest.mark.long
def test_every_run_leaves_its_findings_in_the_sync_log(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    users = BASE_1_1["users"].replace(",teacher,", ",wizard,")
    write_folder(folder, set_of(BASE_1_1, users=users, enrollments=None))
    project = RosterProject(tmp_path / "project", files(folder))

    staged = project.stage("files")

    logged = project.sql(
        "SELECT level, message, record_type FROM sync_logs "
        "WHERE record_type IS NOT NULL"
    )
    assert ("WARNING", "row.bad_enum", "users") in logged
    assert {code for _, code, _ in logged} == set(staged.findings)


@pytest.mark.long
def test_the_sync_log_says_where_and_which_record_and_how_the_run_went(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "set"
    write_folder(folder, set_of(BASE_1_1, enrollments=None))
    project = RosterProject(tmp_path / "project", files(folder))
    project.sync("files")
    users = BASE_1_1["users"].replace(",teacher,", ",wizard,")
    write_folder(folder, set_of(BASE_1_1, users=users, enrollments=None))

    project.stage("files")

    rows = project.sql(
        "SELECT level, message, record_type, external_id, details, "
        "record_id IN (SELECT id FROM users) FROM sync_logs ORDER BY id"
    )
    lives = [row[:2] for row in rows if row[2] is None]
    assert lives[0] == ("INFO", "The sync has begun.")
    assert lives[1][0] == "INFO"
    assert lives[1][1].startswith("SUCCESS: ")
    found = next(row for row in rows if row[1] == "row.bad_enum")
    assert found[0] == "WARNING"
    assert found[3]  # the record's key
    place = json.loads(found[4])
    assert (place["file"], place["field"], place["rows"]) == ("users", "roles", 1)
    assert place["line"] > 1
    assert found[5]  # the record that is in the roster already
