"""Syncs that are killed anywhere, and two at once: the roster is as before or complete,
and the next run ends as if nothing had been.

A child process ends itself with SIGKILL in the second day's run.
"""

from __future__ import annotations

import signal
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from d118_pipelines.state import database as db
from d118_pipelines.workflows.providers.sync_runs import KILLED
from d118_pipelines_tests.support.examples import some
from d118_pipelines_tests.support.killed_roster import (
    LIMIT_SECONDS,
    run_until_killed,
    start,
)
from d118_pipelines_tests.support.lease_holder import HOLDER, lease_held
from d118_pipelines_tests.support.postgres import new_database
from d118_pipelines_tests.support.roster_sync import RosterProject
from d118_pipelines_tests.support.small_sets import PROVIDER, put_set

pytestmark = pytest.mark.real

BEFORE_THE_APPLY = ("pull enrollments", "pulled", "staged", "planned")
IN_THE_APPLY = (
    "orgs: done",
    "users: loaded",
    "users: written",
    "enrollments: loaded",
    "enrollments: done",
    "closed",
)
# What does not carry a run's id or the time of the day.
FACTS = (
    "SELECT external_id, status, last_name FROM users",
    "SELECT external_id, status FROM enrollments",
    "SELECT external_id, internal_id FROM external_ids WHERE active",
    "SELECT entity, record_id, action FROM roster_history",
    "SELECT revision FROM roster_revision",
)


@dataclass(frozen=True, slots=True)
class Days:
    """The first day synced; the second day's files; what an undisturbed run makes."""

    morning: RosterProject
    planned: str
    facts: dict[str, list[str]]


def second_day(project: RosterProject) -> None:
    """Two leave, five come, others have a new name."""
    put_set(project.root, 63, renamed=20)
    for name in ("users", "enrollments"):
        path = project.root / f"incoming/{name}.csv"
        lines = path.read_text("utf-8").splitlines(keepends=True)
        gone = ("S-0,", "S-1,", "E-0,", "E-1,")
        path.write_text("".join(x for x in lines if not x.startswith(gone)), "utf-8")


def facts(project: RosterProject) -> dict[str, list[str]]:
    return {
        query: sorted(repr([str(value) for value in row]) for row in project.sql(query))
        for query in FACTS
    }


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Days:
    folder = tmp_path_factory.mktemp("days")
    morning = RosterProject(folder / "morning", PROVIDER)
    put_set(morning.root, 58)
    morning.sync("files")
    second_day(morning)
    evening = morning.copied(folder / "evening")
    evening.sync("files")
    morning.plan("files")
    return Days(morning, morning.run_id, facts(evening))


def check_next_run(project: RosterProject, days: Days, run_id: str) -> None:
    """The lost run's row is closed, and the next run ends like an undisturbed one."""
    result = project.sync("files")

    assert result.status == "SUCCESS"
    assert facts(project) == days.facts
    ends = dict(project.sql("SELECT run_id, status FROM sis_sync_runs"))
    assert ends[run_id] == "FAILURE"
    assert ends[project.run_id] == "SUCCESS"
    assert ("FAILURE", KILLED) in project.runs("files")
    assert project.rows(db.sync_leases) == []


@pytest.mark.parametrize("point", some(BEFORE_THE_APPLY, "pulled"))
def test_a_run_killed_before_its_apply_leaves_the_roster(
    days: Days, tmp_path: Path, point: str
) -> None:
    project = days.morning.copied(tmp_path / "project")
    before, run_id = project.dump(), uuid.uuid4().hex
    folders = {"raw": "pulled", "staged": "staged", "plans": "planned"}

    code = run_until_killed(project, "files", run_id=run_id, kill_at=point)

    assert code == -signal.SIGKILL
    assert project.dump() == before
    for room, made_at in folders.items():
        named = list((project.home / room / "files").glob(f"[0-9]*{run_id[:8]}"))
        after = BEFORE_THE_APPLY.index(point) >= BEFORE_THE_APPLY.index(made_at)
        assert len(named) == int(after), room
    check_next_run(project, days, run_id)


@pytest.mark.parametrize("point", some(IN_THE_APPLY, "users: written", "closed"))
def test_a_run_killed_in_its_apply_leaves_the_roster(
    days: Days, tmp_path: Path, point: str
) -> None:
    project = days.morning.copied(tmp_path / "project")
    before = project.dump()

    code = run_until_killed(
        project, "files", run_id=days.planned, kill_at=point, only_apply=True
    )

    assert code == -signal.SIGKILL
    assert project.dump() == before
    if point in (IN_THE_APPLY[2], IN_THE_APPLY[-1]):
        check_next_run(project, days, days.planned)


@pytest.mark.long
def test_a_run_killed_after_its_apply_is_complete(days: Days, tmp_path: Path) -> None:
    project = days.morning.copied(tmp_path / "project")

    run_until_killed(
        project, "files", run_id=days.planned, kill_at="applied", only_apply=True
    )

    assert facts(project) == days.facts
    ends = dict(project.sql("SELECT run_id, status FROM sis_sync_runs"))
    assert ends[days.planned] == "SUCCESS"
    assert project.sync("files").changed == 0


@pytest.fixture(params=["sqlite", "postgresql"])
def morning(
    request: pytest.FixtureRequest, tmp_path: Path, days: Days
) -> Iterator[RosterProject]:
    """The first day synced, on each engine."""
    if request.param == "sqlite":
        yield days.morning.copied(tmp_path / "project")
        return
    databases = new_database()
    project = RosterProject(tmp_path / "project", PROVIDER, url=next(databases))
    put_set(project.root, 58)
    project.sync("files")
    second_day(project)
    project.plan("files")
    yield project
    next(databases, None)


@pytest.mark.long
def test_of_two_runs_at_once_one_ends_well_and_nothing_is_doubled(
    morning: RosterProject, days: Days
) -> None:
    processes = [start(morning, "files", uuid.uuid4().hex) for _ in range(2)]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"

    # The barrier: both are ready and wait for their line.
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=LIMIT_SECONDS)[0] for process in processes]

    assert "done\n" in said, said
    other = said[1 - said.index("done\n")]
    assert other.startswith("BusyError 4\n"), other
    assert [status for status, _ in morning.runs("files")].count("IN_PROGRESS") == 0
    assert facts(morning) == days.facts
    assert morning.rows(db.sync_leases) == []


@pytest.mark.long
def test_a_run_killed_in_its_apply_on_each_engine(
    morning: RosterProject, days: Days
) -> None:
    before, run_id = morning.dump(), morning.run_id or days.planned

    code = run_until_killed(
        morning, "files", run_id=run_id, kill_at="enrollments: written", only_apply=True
    )

    assert code == -signal.SIGKILL
    assert morning.dump() == before
    check_next_run(morning, days, run_id)


@pytest.mark.long
def test_a_second_d118_run_exits_4_and_names_the_first(
    days: Days, tmp_path: Path
) -> None:
    project = days.morning.copied(tmp_path / "project")
    before = project.dump()

    with lease_held(project, "files"):
        busy = project.d118("run", "files")
        now = project.d118("providers", "list", "--json").json()

    assert busy.code == 4
    assert "BUSY  files: another run is active." in busy.err
    assert f"run {HOLDER} on " in busy.err
    assert now[0]["is_running"]
    assert project.dump() == before
