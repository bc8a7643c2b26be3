"""Health and figures: what is wrong is named, and the counts are those of a hand."""

from __future__ import annotations

import datetime as dt
import socket
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from d118_pipelines.instance import facts_of
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.roster.store.runs import (
    Actor,
    Provider,
    close_run,
    mirror_providers,
    open_run,
)
from d118_pipelines.state import audit
from d118_pipelines.state import database as db
from d118_pipelines.state.leases import lease
from d118_pipelines.state.open import state_database
from d118_pipelines.workflows.monitoring.health import (
    DagsterFacts,
    health,
    health_alerts,
    stats_connectors,
    stats_overview,
    workers,
)
from d118_pipelines_tests.conftest import PEOPLE
from d118_pipelines_tests.support.postgres import empty_database
from d118_pipelines_tests.support.project import ProjectFolder

DISTRICT = "district_118"


@pytest.fixture
def empty(tmp_path: Path) -> ProjectFolder:
    project = ProjectFolder(tmp_path / "project", PEOPLE)
    (project.root / ".env").touch(0o600)
    return project


def alive() -> DagsterFacts:
    """A daemon that has just written its heartbeat."""
    return DagsterFacts({"SENSOR": utc_now()}, (1,))


def wrong(
    project: ProjectFolder, dagster: DagsterFacts | None = None
) -> dict[str, str]:
    """The checks that are wrong, and what they say."""
    with project.entered():
        found = health(project.project, dagster or alive())
    bad = {c["check"]: c["found"] for c in found["checks"] if c["result"] == "wrong"}
    assert found["status"] == ("unhealthy" if bad else "healthy")
    told = {alert.title for alert in health_alerts(found)}
    assert told == {f"HEALTH: {name}" for name in bad if name != "daemon"}
    return bad


def test_a_sound_installation_is_healthy(empty: ProjectFolder) -> None:
    assert wrong(empty) == {}


def test_the_command_says_it_with_its_exit_code(empty: ProjectFolder) -> None:
    good = empty.d118("status", "--health", "--json")
    gone = "postgresql://canary:canary-word@127.0.0.1:1/d118"
    bad = empty.d118("status", "--health", "--json", DATABASE_URL=gone)

    assert (good.code, good.json()["service"]) == (0, "roster-sync-service")
    assert (bad.code, bad.json()["status"]) == (1, "unhealthy")
    assert "canary" not in bad.out


def test_what_others_can_read_is_wrong(empty: ProjectFolder) -> None:
    (empty.root / ".env").chmod(0o640)
    (empty.root / "private.pem").touch(0o644)

    found = wrong(empty)

    assert list(found) == ["file modes"]
    assert "private.pem" in found["file modes"]
    assert "chmod go-rwx" in found["file modes"]


def test_a_clock_that_is_behind_is_wrong(empty: ProjectFolder) -> None:
    wrong(empty)
    later = utc_now() + dt.timedelta(days=2)
    with state_database(empty.project).transaction() as connection:
        audit.record(connection, now=later, actor="a", action="b", subject="c")

    assert list(wrong(empty)) == ["clock"]


def test_a_value_that_no_key_opens_is_wrong(empty: ProjectFolder) -> None:
    config = {"districtId": "x", "accessToken": "fernet:gAAAAAAA"}
    entry = {"id": "clever", "type": "CLEVER", "name": "Clever", "config": config}
    empty.set_providers(entry)

    assert list(wrong(empty)) == ["encryption key"]


def test_a_daemon_that_ended_is_wrong_and_one_that_never_ran_is_not(
    empty: ProjectFolder,
) -> None:
    ended = DagsterFacts({"SENSOR": utc_now() - dt.timedelta(minutes=3)}, ())

    assert list(wrong(empty, ended)) == ["daemon"]
    assert wrong(empty, DagsterFacts({}, ())) == {}
    assert list(wrong(empty, DagsterFacts({}, (), error="gone"))) == ["daemon"]


def test_a_lease_of_a_dead_process_is_named(empty: ProjectFolder) -> None:
    now = utc_now()
    row: dict[str, Any] = {"name": "smartfind", "holder": "run-1"}
    row |= {"host": socket.gethostname(), "process": "999999999/1"}
    empty.change_state(
        db.sync_leases.insert().values(**row, acquired_at=now, renewed_at=now)
    )

    with empty.entered():
        checks = health(empty.project, alive())["checks"]

    [leases] = [c for c in checks if c["check"] == "leases"]
    assert (leases["result"], "smartfind" in leases["found"]) == ("note", True)


RUNS = [
    ("clever", "SUCCESS", 100),
    ("clever", "FAILURE", None),
    ("rest", "PARTIAL", 40),
    ("files", "HELD", 7),
    ("files", "SUCCESS", 5),
    ("files", "SUCCESS", 6),
    ("sheets", None, None),
    ("link", "CANCELLED", None),
]
TYPES = {
    "clever": "CLEVER",
    "rest": "ONEROSTER_API",
    "files": "ONEROSTER_CSV",
    "sheets": "CSV",
    "link": "CLASSLINK",
}


@pytest.mark.parametrize(
    "engine", ["sqlite", pytest.param("postgresql", marks=pytest.mark.real)]
)
def test_the_figures_are_those_of_a_hand_count(
    empty: ProjectFolder, engine: str
) -> None:
    if engine == "postgresql":
        empty.environment["DATABASE_URL"] = empty_database()
    start = dt.datetime(2026, 11, 23, 5, 0, tzinfo=dt.UTC)
    with empty.entered():
        with state_database(empty.project).transaction() as connection:
            entries = [Provider(i, t, i, True, None, 1, "h") for i, t in TYPES.items()]
            mirror_providers(connection, DISTRICT, entries)
            for number, (provider, status, fetched) in enumerate(RUNS):
                at = start + dt.timedelta(hours=number)
                run = {"provider": provider, "run_id": f"run-{number}", "now": at}
                open_run(connection, district=DISTRICT, actor=Actor("a"), **run)
                stats = fetched and {
                    "users": {"fetched": fetched - 1, "roles": {}},
                    "orgs": {"fetched": 1},
                }
                if status:
                    close_run(connection, status=status, stats=stats or None, **run)

        overview, connectors = (
            stats_overview(empty.project),
            stats_connectors(empty.project),
        )
        shown = empty.d118("status", "--connectors", "--json").json()

    assert overview == {
        "total_jobs": 8,
        "active_jobs": 1,
        "completed_jobs": 4,
        "failed_jobs": 2,
        "total_records_synced": 151,
        "last_sync": start + dt.timedelta(hours=5),
    }
    assert connectors == {
        "oneroster": {"jobs": 4, "records": 51, "success_rate": 75},
        "clever": {"jobs": 2, "records": 100, "success_rate": 50},
        "classlink": {"jobs": 1, "records": 0, "success_rate": 0},
        "csv": {"jobs": 1, "records": 0, "success_rate": None},
        "powerschool": {"jobs": 0, "records": 0, "success_rate": None},
    }
    assert shown == connectors


def test_figures_of_an_empty_installation_are_zero(empty: ProjectFolder) -> None:
    answer = empty.d118("status", "--stats", "--json")

    assert (answer.code, answer.json()["total_jobs"]) == (0, 0)
    assert answer.json()["last_sync"] is None


@pytest.mark.long
def test_the_workers_name_what_runs_and_what_waits_and_no_setting(
    empty: ProjectFolder,
) -> None:
    def run(name: str, status: dg.DagsterRunStatus) -> dg.DagsterRun:
        tags = {"sis/target": name, "secret": "canary"}
        config = {"canary": "canary"}
        return dg.DagsterRun(name, status=status, tags=tags, run_config=config)

    at_work = run("hr_records", dg.DagsterRunStatus.STARTED)
    waiting = run("smartfind", dg.DagsterRunStatus.NOT_STARTED)
    with empty.entered(), dg.instance_for_test() as instance:
        instance.add_run(at_work)
        instance.add_run(waiting)
        with lease(state_database(empty.project), "hr_records", at_work.run_id):
            found = workers(facts_of(instance, empty.project))

    assert [task["id"] for task in found["active_tasks"]] == [at_work.run_id]
    assert [task["names"] for task in found["scheduled_tasks"]] == [("smartfind",)]
    assert found["error"] is None
    assert "canary" not in str(found)
    answer = empty.d118("status", "--workers", "--json")
    assert set(answer.json()) == {
        *("workers", "worker_stats", "processes", "active_tasks"),
        *("scheduled_tasks", "error"),
    }
