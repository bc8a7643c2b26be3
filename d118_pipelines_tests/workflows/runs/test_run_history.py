"""What came of a run, by Dagster's history and the state database together."""

from __future__ import annotations

import datetime as dt
import os
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from d118_pipelines.errors import (
    BusyError,
    ConfigurationError,
    ConnectionLostError,
    D118Error,
    HeldError,
    PausedError,
    QueryError,
)
from d118_pipelines.kernel.clock import day_time, utc_now
from d118_pipelines.roster.model.tables import sis_sync_runs
from d118_pipelines.state import database as db
from d118_pipelines.state.database import Database
from d118_pipelines.workflows.runs.run_history import (
    CUT_OFF,
    INTERRUPTED,
    KILLED,
    Failure,
    PastRun,
    RunHistory,
    SeenRun,
)
from d118_pipelines.workflows.runs.status import Standing, standing
from d118_pipelines_tests.support.templates import new_state

NOW = utc_now().replace(microsecond=0)
HOUR = dt.timedelta(hours=1)
ZONE = ZoneInfo("America/Chicago")
RUN = "run-1"
FIRST_LINES = [
    ConnectionLostError(
        "The host sftp.hr.example is unknown.", next_step="d118 doctor"
    ),
    ConfigurationError("The folder tables is missing.", next_step="Mount it."),
    QueryError("FAILED extract.query  hr_records_staff: no column NUMBER.\nline 3"),
]


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sa.Connection]:
    new_state(tmp_path / "d118.sqlite")
    with Database(tmp_path / "d118.sqlite", "").transaction() as connection:
        yield connection


def seen(status: str, *, at: dt.datetime = NOW - HOUR, run_id: str = RUN) -> SeenRun:
    ended = None if status in ("STARTED", "QUEUED") else at + dt.timedelta(seconds=9)
    return SeenRun(run_id, "run", ("hr",), status, at, ended, "schedule")


def add_plan(connection: sa.Connection, verdict: str, **values: Any) -> None:
    rule = {
        "code": "guard.rows",
        "kind": "held",
        "passed": False,
        "message": "10 of 19",
    }
    columns = {
        "id": uuid.uuid4().hex,
        "target": "hr",
        "destination": "outbox",
        "plan_hash": "a" * 64,
        "run_id": RUN,
        "verdict": verdict,
        "rules": [rule] if verdict in ("held", "failed") else [],
        "counts": {"files": {"staff": {"added": 1, "changed": 2, "removed": 0}}},
        "files": [],
        "folder": "exports/hr/1",
        "demonstration": False,
        "data_at": NOW - HOUR,
        "created_at": NOW - HOUR,
        **values,
    }
    connection.execute(db.plans.insert().values(**columns))


def add_delivery(connection: sa.Connection, status: str, **values: Any) -> None:
    columns = {
        "id": uuid.uuid4().hex,
        "target": "hr",
        "destination": "outbox",
        "status": status,
        "plan_hash": "a" * 64,
        "run_id": RUN,
        "folder": "exports/hr/1",
        "files": [{"name": "Staff.txt", "rows": 19}],
        "counts": {},
        "read_back": [],
        "started_at": NOW - HOUR,
        **values,
    }
    connection.execute(db.deliveries.insert().values(**columns))


def add_lease(connection: sa.Connection, process: str, holder: str = RUN) -> None:
    columns = {"name": "hr", "holder": holder, "process": process}
    columns["host"] = socket.gethostname()
    times = {"acquired_at": NOW, "renewed_at": NOW}
    connection.execute(db.sync_leases.insert().values(**columns, **times))


def failed_with(error: D118Error) -> Failure:
    return Failure("hr", str(error), error.exit_code, type(error).__name__)


def newest(connection: sa.Connection, *runs: SeenRun, failure: Any = ()) -> PastRun:
    """The newest of what is known; runs: newest first, as Dagster gives them."""
    found = RunHistory(connection, runs, lambda run_id: failure).newest("hr")
    assert found is not None
    return found


def stands(run: PastRun, **more: Any) -> Standing:
    given = {"approval": None, "pause": None, "good_at": NOW - 30 * HOUR, **more}
    return standing("hr", run=run, zone=ZONE, **given)


@pytest.mark.parametrize("error", FIRST_LINES, ids=lambda e: type(e).__name__)
def test_a_run_that_failed_before_any_plan_counts_as_the_newest(
    connection: sa.Connection, error: D118Error
) -> None:
    add_plan(connection, "ready", run_id="before")
    add_delivery(connection, "verified", run_id="before", started_at=NOW - 25 * HOUR)
    before = seen("SUCCESS", at=NOW - 25 * HOUR, run_id="before")

    run = newest(connection, seen("FAILURE"), before, failure=[failed_with(error)])

    shown = stands(run, due=NOW + HOUR, on_time_from=NOW - 26 * HOUR)
    assert (run.outcome, run.reason) == ("failed", error.what.split("\n")[0])
    assert (shown.state, shown.reason) == ("failed", run.reason)
    assert shown.to_do == (error.next_step or "d118 runs show run-1")
    row = shown.row("target", "hr", NOW)
    assert row["when"] == day_time(
        (NOW - HOUR + dt.timedelta(seconds=9)).astimezone(ZONE), NOW
    )


def test_a_killed_run_is_failed_as_soon_as_its_process_is_gone(
    connection: sa.Connection,
) -> None:
    add_lease(connection, "4194305/1")

    run = newest(connection, seen("STARTED", at=utc_now()))

    assert (run.outcome, run.reason) == ("failed", KILLED)
    assert stands(run).to_do == "d118 run hr"


def test_a_run_at_work_is_running(connection: sa.Connection) -> None:
    own = Path("/proc/self/stat").read_text("utf-8").rsplit(")", 1)[1].split()[19]
    add_lease(connection, f"{os.getpid()}/{own}")

    run = newest(connection, seen("STARTED"))

    assert (run.outcome, run.seconds) == ("running", None)


def test_a_run_that_has_only_just_begun_is_running(connection: sa.Connection) -> None:
    run = newest(connection, seen("STARTED", at=utc_now()))

    assert run.outcome == "running"


@pytest.mark.parametrize(
    ("delivery", "text"), [(None, INTERRUPTED), ("started", CUT_OFF)]
)
def test_a_run_that_was_interrupted_is_cancelled_and_its_target_failed(
    connection: sa.Connection, delivery: str | None, text: str
) -> None:
    if delivery:
        add_delivery(connection, delivery)

    run = newest(connection, seen("CANCELED"))

    assert (run.outcome, run.reason) == ("cancelled", text)
    assert (stands(run).state, stands(run).to_do) == ("failed", "d118 run hr")


@pytest.mark.parametrize("error", [BusyError("BUSY"), PausedError("PAUSED")])
def test_a_run_that_was_refused_does_not_count(
    connection: sa.Connection, error: D118Error
) -> None:
    add_delivery(connection, "verified", run_id="before", started_at=NOW - 2 * HOUR)

    run = newest(connection, seen("FAILURE"), failure=[failed_with(error)])

    assert (run.run_id, run.outcome) == ("before", "delivered")


def test_a_held_run_has_the_rule_and_its_numbers(connection: sa.Connection) -> None:
    add_plan(connection, "held")

    run = newest(connection, seen("FAILURE"))

    assert (run.outcome, run.reason) == ("held", "guard.rows: 10 of 19")
    assert run.numbers == {"changes": 3}
    assert stands(run).to_do == "d118 plan hr"


def test_a_failure_of_another_target_is_not_its_own(connection: sa.Connection) -> None:
    add_plan(connection, "held")
    other = Failure("smartfind", "FAILED something")

    assert newest(connection, seen("FAILURE"), failure=[other]).outcome == "held"


def test_a_held_error_of_the_step_is_held(connection: sa.Connection) -> None:
    add_plan(connection, "held")
    lines = "HELD guard.rows  hr: 10 of 19.\n  one\nHELD guard.drop  hr: 9"
    error = HeldError(lines, next_step="d118 plan hr")

    run = newest(connection, seen("FAILURE"), failure=[failed_with(error)])

    assert (run.outcome, run.next_step) == ("held", "d118 plan hr")
    assert run.reason == "HELD guard.rows  hr: 10 of 19; and 1 more"


def test_a_delivery_counts_whatever_failed_after_it(connection: sa.Connection) -> None:
    add_plan(connection, "ready")
    add_delivery(connection, "verified", finished_at=NOW - HOUR)

    run = newest(connection, seen("FAILURE"), failure=[Failure("", "late trouble")])

    assert (run.outcome, run.numbers) == ("delivered", {"rows": 19, "changes": 3})


def test_out_of_term_is_an_outcome(connection: sa.Connection) -> None:
    add_plan(connection, "out_of_term")

    assert newest(connection, seen("SUCCESS")).outcome == "out of term"


def test_runs_of_a_removed_provider_stay_readable(connection: sa.Connection) -> None:
    columns = {"district_id": "d118", "provider_id": "old", "run_id": "undo-1"}
    connection.execute(
        sis_sync_runs.insert().values(
            id="1",
            **columns,
            kind="undo",
            status="SUCCESS",
            started_at=NOW - HOUR,
            completed_at=NOW,
            is_manual=True,
            triggered_by="operator",
            changed=4,
        )
    )

    history = RunHistory(connection)

    assert history.names() == {"old"}
    run = history.entry(*history.runs_of("old")[0])
    assert (run.kind, run.outcome, run.numbers) == ("undo", "applied", {"changes": 4})
    assert (run.trigger, run.seconds) == ("operator", 3600)


def test_the_deadline_that_passed_is_named(connection: sa.Connection) -> None:
    add_delivery(connection, "verified", finished_at=NOW - 30 * HOUR)
    run = newest(connection)

    shown = stands(run, due=NOW - HOUR, on_time_from=NOW - 7 * HOUR)

    assert shown.state == "late"
    assert str(shown.row("target", "hr", NOW)["when"]).startswith("due ")
    assert shown.exit_code == 1
