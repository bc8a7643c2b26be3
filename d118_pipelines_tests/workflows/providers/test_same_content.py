"""A pull that brings what the last run found unchanged is neither staged nor compared."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from d118_pipelines.errors import WaitingError
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.roster.model.tables import (
    absent_once,
    identity_conflicts,
    roster_revision,
    sis_providers,
    sis_sync_runs,
    sync_logs,
)
from d118_pipelines.roster.staging.staged import find_staged
from d118_pipelines.workflows.providers import same_content, sync
from d118_pipelines_tests.support.roster_sync import PEOPLE_ONLY, RosterProject
from d118_pipelines_tests.support.small_sets import PROVIDER, put_set, student

PEOPLE = {**PROVIDER, "sync": PEOPLE_ONLY}
TWICE = student(1, "Again")
NAME = "files"


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> RosterProject:
    """A roster, synced until nothing changed; one row of the set is rejected."""
    project = RosterProject(tmp_path_factory.mktemp("settled") / "project", PEOPLE)
    put_set(project.root, 4, more_users=TWICE)
    project.sync(NAME)
    project.sync(NAME)
    return project


@pytest.fixture
def project(settled: RosterProject, tmp_path: Path) -> Iterator[RosterProject]:
    """A copy of it for one test."""
    yield settled.copied(tmp_path / "project")


@pytest.mark.long
def test_a_repeated_run_says_what_a_full_one_says(
    project: RosterProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(same_content, "_is_open", lambda *_: True)
    full = project.sync(NAME)
    before = _last_run(project)
    monkeypatch.undo()

    planned = project.plan(NAME)
    repeated = project.apply(NAME)

    assert _is_repeated(project)
    assert (planned.plan.changes, planned.plan.verdict) == (0, "ready")
    assert repeated == full
    after = _last_run(project)
    assert after["stats_json"] == before["stats_json"]
    assert (after["status"], after["changed"]) == (before["status"], 0)
    assert after["plan_hash"] == before["plan_hash"]


@pytest.mark.long
def test_findings_are_those_of_the_content_and_are_logged_again(
    project: RosterProject,
) -> None:
    logged = _logged(project)

    staged = project.stage(NAME)

    assert _is_repeated(project)
    assert sum(staged.findings.values())
    assert _logged(project) == logged + sum(staged.findings.values())
    assert staged.findings_file.is_file()
    assert staged.rows_file("users").is_file()


@pytest.mark.long
def test_the_roster_is_as_fresh_as_the_pull(project: RosterProject) -> None:
    start = utc_now()

    staged = project.stage(NAME)
    with project.step() as run:
        stored = sync.plan_provider(run, project.provider(NAME)).stored
    project.apply(NAME)

    assert staged.made_at >= start
    assert stored.data_at == staged.made_at
    [provider] = project.rows(sis_providers)
    assert provider.last_sync_at >= start
    assert all(str(path).startswith("raw/") for path in staged.raw.values())
    assert all((project.home / path).is_file() for path in staged.raw.values())


@pytest.mark.long
def test_who_is_absent_for_the_second_time_leaves_although_the_content_is_the_same(
    project: RosterProject,
) -> None:
    put_set(project.root, 3, more_users=TWICE)
    project.sync(NAME)

    for _ in range(2):
        project.sync(NAME)
        assert project.statuses("users")["S-3"] == "inactive"
    project.stage(NAME)

    assert _is_repeated(project)


@pytest.mark.long
def test_a_blackout_that_began_since_lets_an_empty_plan_wait(
    project: RosterProject,
) -> None:
    today = utc_now().date()
    span = {"from": today - dt.timedelta(days=2), "to": today + dt.timedelta(days=2)}
    guard = {"blackouts": [{**span, "reason": "Exams"}]}
    project.set_providers({**PEOPLE, "guard": guard})

    planned = project.plan(NAME)

    assert _is_repeated(project)
    assert planned.plan.verdict == "waiting"
    with pytest.raises(WaitingError):
        project.apply(NAME)
    project.stage(NAME)
    assert not _is_repeated(project), "the last run waits"


def _other_bytes(project: RosterProject) -> None:
    put_set(project.root, 4, more_users=TWICE, renamed=1)


def _other_mapping(project: RosterProject) -> None:
    path = project.root / "mappings/oneroster.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "\n# Another.\n", "utf-8")


def _other_query(project: RosterProject) -> None:
    path = project.root / "sql/staging/oneroster_csv/users.sql"
    path.write_text(path.read_text(encoding="utf-8") + "\n-- Another.\n", "utf-8")


def _other_settings(project: RosterProject) -> None:
    project.set_providers({**PEOPLE, "deactivate_missing": False})


def _other_revision(project: RosterProject) -> None:
    table = roster_revision
    project.change_state(table.update().values(revision=table.c.revision + 1))


def _absence(project: RosterProject) -> None:
    values = {"district_id": _district(project), "provider_id": NAME, "run_id": "r"}
    project.change_state(
        absent_once.insert().values(**values, entity="users", external_id="S-1")
    )


def _resolution(project: RosterProject) -> None:
    values = {
        **{"id": "1", "district_id": _district(project), "provider_id": NAME},
        **{"entity": "users", "external_id": "S-1", "type": "t", "severity": "LOW"},
        **{"state": "IGNORED", "rule": "email", "run_id": "r"},
    }
    now = utc_now()
    project.change_state(
        identity_conflicts.insert().values(**values, opened_at=now, resolved_at=now)
    )


def _failed_run(project: RosterProject) -> None:
    table = sis_sync_runs
    newest = max(row.number for row in project.rows(table))
    project.change_state(
        table.update().where(table.c.number == newest).values(status="FAILURE")
    )


def _undone_run(project: RosterProject) -> None:
    table = sis_sync_runs
    newest = max(row.number for row in project.rows(table))
    project.change_state(
        table.update().where(table.c.number == newest).values(kind="undo")
    )


def _lost_rows(project: RosterProject) -> None:
    for path in (project.home / "staged" / NAME).glob("*/users.parquet"):
        path.unlink()


def _lost_plans(project: RosterProject) -> None:
    for path in (project.home / "plans" / NAME).glob("*/users.parquet"):
        path.unlink()


@pytest.mark.long
@pytest.mark.parametrize(
    "change",
    [
        *(_other_bytes, _other_mapping, _other_query, _other_settings),
        *(_other_revision, _absence, _resolution, _failed_run, _undone_run),
        *(_lost_rows, _lost_plans),
    ],
)
def test_on_any_doubt_everything_is_staged(
    project: RosterProject, change: Callable[[RosterProject], None]
) -> None:
    change(project)

    project.stage(NAME)

    assert not _is_repeated(project)


@pytest.mark.long
def test_another_version_of_the_code_stages_everything(
    project: RosterProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "code"
    other.mkdir()
    (other / "rule.py").write_text("LIMIT = 1\n", encoding="utf-8")
    monkeypatch.setattr(same_content, "_CODE", (*same_content._CODE, other))

    project.stage(NAME)

    assert not _is_repeated(project)


def test_a_roster_that_moved_between_the_steps_is_compared_in_full(
    project: RosterProject,
) -> None:
    project.stage(NAME)
    assert _is_repeated(project)
    _other_revision(project)

    with project.step() as run:
        stored = sync.plan_provider(run, project.provider(NAME)).stored

    [revision] = [row.revision for row in project.rows(roster_revision)]
    assert stored.baseline == str(revision)


@pytest.mark.long
def test_the_first_run_after_a_change_is_done_in_full(project: RosterProject) -> None:
    _other_bytes(project)
    project.sync(NAME)

    project.stage(NAME)

    assert not _is_repeated(project)


def _is_repeated(project: RosterProject) -> bool:
    staged = find_staged(project.home / "staged" / NAME, project.run_id)
    assert staged is not None
    assert staged.run_id == project.run_id
    return bool(staged.repeats)


def _last_run(project: RosterProject) -> dict[str, object]:
    rows = project.rows(sis_sync_runs)
    return dict(max(rows, key=lambda row: row.number)._mapping)


def _district(project: RosterProject) -> str:
    return project.project.district().id


def _logged(project: RosterProject) -> int:
    """How many records all runs together have logged."""
    rows = [row for row in project.rows(sync_logs) if row.record_type]
    return sum(json.loads(row.details)["rows"] for row in rows)
