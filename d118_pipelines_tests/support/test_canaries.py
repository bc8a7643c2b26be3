"""The search for marks finds them in files, names, databases and packed rows."""

from __future__ import annotations

import sqlite3
import zlib
from contextlib import closing
from pathlib import Path

import pytest

from d118_pipelines_tests.support.canaries import (
    PERSON,
    SECRET,
    people_in_wrong_places,
    secrets_in_any_place,
)
from d118_pipelines_tests.support.project import ProjectFolder
from d118_pipelines_tests.support.sync import Sync


@pytest.fixture
def project(tmp_path: Path) -> ProjectFolder:
    return ProjectFolder(tmp_path / "project")


def put(project: ProjectFolder, place: str, text: str) -> None:
    path = project.root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    "place",
    [
        ".dagster/compute_logs/x.err",
        "var/exports/smartfind/1/manifest.json",
        "var/raw/powerschool/staff/1/manifest.json",
        "daemon.log",
    ],
)
def test_marks_in_files_are_found(project: ProjectFolder, place: str) -> None:
    put(project, place, f"{PERSON.upper()} {SECRET}word")

    assert people_in_wrong_places(project) == [place]
    assert secrets_in_any_place(project) == [place]


@pytest.mark.parametrize(
    "place", ["tables/users.csv", "var/exports/x/1/P1.csv", "var/outbox/x/P1.csv"]
)
def test_people_may_stand_in_files_for_them_but_secrets_may_not(
    project: ProjectFolder, place: str
) -> None:
    put(project, place, f"{PERSON} {SECRET}word")

    assert people_in_wrong_places(project) == []
    assert secrets_in_any_place(project) == [place]


def test_marks_in_names_and_packed_rows_are_found(project: ProjectFolder) -> None:
    put(project, f"var/{PERSON}", "")
    with closing(sqlite3.connect(project.root / "runs.db")) as connection:
        connection.execute("CREATE TABLE snapshots (body BLOB)")
        packed = zlib.compress(f"a job of {PERSON}".encode() * 9)
        connection.execute("INSERT INTO snapshots VALUES (?)", [packed])
        connection.commit()

    found = people_in_wrong_places(project)

    assert found == ["runs.db, snapshots", f"the name var/{PERSON}"]


def test_state_database_may_hold_people_in_the_last_line_only(tmp_path: Path) -> None:
    project = ProjectFolder(tmp_path / "project")
    sync = Sync(tmp_path / "sync", "smartfind")
    sync.seed(1)
    (sync.project.home / "d118.sqlite").rename(project.project.folder() / "d118.sqlite")
    with closing(sqlite3.connect(project.home / "d118.sqlite")) as connection:
        values = "'t','d','P','1','1','active','2026-01-01','seed','A','x','x','x','x'"
        insert = f"INSERT INTO delivery_ledger VALUES ({values}, '{PERSON}')"
        connection.execute(insert)
        connection.commit()
        assert people_in_wrong_places(project) == []
        connection.execute(f"UPDATE delivery_ledger SET command = '{PERSON}'")
        connection.commit()

    assert people_in_wrong_places(project) == ["d118.sqlite but last_line"]
