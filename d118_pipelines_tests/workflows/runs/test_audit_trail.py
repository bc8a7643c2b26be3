"""What the audit log hears: runs and how they ended, changed files of the configuration."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from d118_pipelines.config.project import Project
from d118_pipelines.errors import BusyError, HeldError
from d118_pipelines.state.audit import entries
from d118_pipelines.state.open import state_database
from d118_pipelines.workflows.runs.audit_trail import (
    audited_run,
    close_lost_run,
    note_configuration,
)

DISTRICT = "config/district.yaml"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A folder with two files of configuration."""
    for name in (DISTRICT, "sql/exports/people.sql"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("one", encoding="utf-8")
    return Project(tmp_path, tmp_path / "var")


def logged(project: Project) -> list[tuple[str, ...]]:
    with state_database(project).reading() as connection:
        rows = entries(connection)[::-1]
    names = ("actor", "action", "object", "detail")
    return [tuple(row[name] for name in names) for row in rows]


def _raise(exc: BaseException) -> None:
    raise exc


@pytest.mark.parametrize(
    ("does", "end"),
    [
        (lambda: None, "done"),
        (lambda: _raise(HeldError("HELD")), "held"),
        (lambda: _raise(BusyError("BUSY")), "busy"),
        (lambda: _raise(ValueError("a name")), "failed"),
        (lambda: _raise(KeyboardInterrupt()), "cancelled"),
    ],
)
def test_a_run_has_a_start_and_an_end_however_it_ends(
    project: Project, does: Callable[[], None], end: str
) -> None:
    run = audited_run(
        state_database(project), actor="ann", run_id="r1", subject="hr_records"
    )
    try:
        with run:
            does()
    except BaseException:  # noqa: BLE001 (what it is, is asserted below)
        pass

    assert logged(project) == [
        ("ann", "run started", "hr_records", "run r1"),
        ("ann", "run ended", "hr_records", f"run r1: {end}"),
    ]


def test_the_end_of_a_killed_run_is_recorded_once(project: Project) -> None:
    run = audited_run(
        state_database(project), actor="ann", run_id="r1", subject="hr_records"
    )
    run.__enter__()  # and its process is killed

    assert close_lost_run(project, "r1", actor="run_alert_sensor")
    assert not close_lost_run(project, "r1", actor="run_alert_sensor")
    assert not close_lost_run(project, "r2", actor="run_alert_sensor")
    assert logged(project)[1:] == [
        ("run_alert_sensor", "run ended", "hr_records", "run r1: its process was gone")
    ]
    run.__exit__(None, None, None)


def test_a_changed_file_is_recorded_with_both_hashes(project: Project) -> None:
    database = state_database(project)
    assert len(note_configuration(project, database, actor="ann")) == 2
    assert note_configuration(project, database, actor="ann") == []

    (project.root / DISTRICT).write_text("two", encoding="utf-8")
    (project.root / "sql/exports/people.sql").unlink()
    (project.root / "config/new.yaml").write_text("new", encoding="utf-8")
    found = note_configuration(project, database, actor="bea")

    assert found == [
        "config/district.yaml",
        "config/new.yaml",
        "sql/exports/people.sql",
    ]
    with database.reading() as connection:
        rows = entries(connection, action="configuration")[::-1]
    sha = {
        text: hashlib.sha256(text.encode()).hexdigest()
        for text in ("one", "two", "new")
    }
    assert [(r["object"], r["hash_before"], r["hash_after"]) for r in rows[1:]] == [
        (found[0], sha["one"], sha["two"]),
        (found[1], "", sha["new"]),
        (found[2], sha["one"], ""),
    ]
    assert rows[0]["action"] == "configuration first seen"
    assert {row["actor"] for row in rows[1:]} == {"bea"}
