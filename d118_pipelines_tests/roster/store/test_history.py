"""Runs and the mirror of the providers, on both engines."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest

from d118_pipelines.errors import ConnectionLostError
from d118_pipelines.roster.store.runs import (
    Actor,
    add_logs,
    close_run,
    mirror_providers,
    open_run,
    recent_runs,
    sync_run_id,
)
from d118_pipelines.state.database import Database
from d118_pipelines_tests.roster.store.stores import (
    ACTOR,
    DISTRICT,
    NOW,
    Store,
    entry,
)
from d118_pipelines_tests.support.postgres import new_database

STATUSES = {
    "PENDING": "pending",
    "IN_PROGRESS": "running",
    "SUCCESS": "completed",
    "PARTIAL": "completed",
    "HELD": "failed",
    "FAILURE": "failed",
    "CANCELLED": "cancelled",
}


def begin(store: Store, number: int, status: str = "IN_PROGRESS") -> str:
    with store.database.transaction() as connection:
        return open_run(
            connection,
            district=DISTRICT,
            provider="sis",
            run_id=str(number),
            now=NOW + dt.timedelta(minutes=number),
            actor=Actor("schedule", is_manual=False),
            status=status,
        )


def test_every_status_has_its_lower_case_name(store: Store) -> None:
    for number, status in enumerate(STATUSES):
        begin(store, number, status="PENDING")
        if status == "IN_PROGRESS":
            assert begin(store, number) == sync_run_id(str(number), "sis")
        elif status != "PENDING":
            with store.database.transaction() as connection:
                who = {"provider": "sis", "run_id": str(number), "now": NOW}
                assert close_run(connection, status=status, error="why", **who)
    found = store.rows("SELECT run_id, status, error FROM sync_jobs ORDER BY run_id")
    assert [name for _, name, _ in found] == list(STATUSES.values())
    assert found[4][2] == "held for review"
    assert found[5][2] == "why"


def test_the_last_sync_moves_with_a_committed_run_only(store: Store) -> None:
    for number, status in enumerate(["FAILURE", "HELD", "PARTIAL"]):
        begin(store, number)
        with store.database.transaction() as connection:
            close_run(
                connection, provider="sis", run_id=str(number), status=status, now=NOW
            )
        [(moved,)] = store.rows(
            "SELECT last_sync_at IS NOT NULL FROM sis_providers WHERE id = 'sis'"
        )
        assert bool(moved) == (status == "PARTIAL")


def test_runs_come_in_pages_without_overlap(store: Store) -> None:
    for number in range(45):
        begin(store, number)
    pages: list[str] = []
    for offset in (0, 20, 40):
        with store.database.reading() as connection:
            rows, total = recent_runs(connection, "sis", limit=20, offset=offset)
        assert total == 45
        assert len(rows) == min(20, 45 - offset)
        pages += [row["run_id"] for row in rows]
    assert pages == [str(n) for n in reversed(range(45))]


def test_a_removed_provider_stays_disabled_and_nothing_else_is_written(
    store: Store,
) -> None:
    before = store.dump("sis_providers")
    both = [entry("sis"), entry("clever", 200)]
    with store.database.transaction() as connection:
        mirror_providers(connection, DISTRICT, both)
    assert store.dump("sis_providers") == before

    with store.database.transaction() as connection:
        mirror_providers(connection, DISTRICT, [replace(both[0], name="Other")])
    found = store.rows("SELECT id, name, enabled FROM sis_providers ORDER BY id")
    assert [(i, n, bool(e)) for i, n, e in found] == [
        ("clever", "A source", False),
        ("sis", "Other", True),
    ]


def test_log_rows_keep_codes_and_places(store: Store) -> None:
    rows = [
        {
            "level": "WARNING",
            "message": "unknown role",
            "details": {"code": "role", "line": 7},
            "external_id": "7",
        }
    ]
    with store.database.transaction() as connection:
        add_logs(connection, district=DISTRICT, job_id="j", now=NOW, rows=rows)
        add_logs(connection, district=DISTRICT, job_id="j", now=NOW, rows=[])
    assert store.rows("SELECT level, details, external_id FROM sync_logs") == [
        ("WARNING", '{"code": "role", "line": 7}', "7")
    ]


def test_who_started_a_run_is_kept(store: Store) -> None:
    begin(store, 1)
    with store.database.transaction() as connection:
        who = {"provider": "sis", "run_id": "1", "now": NOW}
        open_run(connection, district=DISTRICT, actor=ACTOR, **who)
    [(who_started, manual)] = store.rows(
        "SELECT triggered_by, is_manual FROM sis_sync_runs"
    )
    assert (who_started, bool(manual)) == ("schedule", False)


@pytest.mark.long
@pytest.mark.real
def test_a_lost_server_is_a_lost_connection(tmp_path: Path) -> None:
    server = new_database()
    database = Database(tmp_path / "unused", next(server))
    with pytest.raises(ConnectionLostError), database.transaction() as lost:
        pid = lost.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        with database.reading() as other:
            other.exec_driver_sql(f"SELECT pg_terminate_backend({pid})")
        lost.exec_driver_sql("SELECT 1")
    next(server, None)
