"""Pauses, on both engines: what is paused, until when, and the end of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from d118_pipelines.errors import ConfigurationError, PausedError
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.state import database as db
from d118_pipelines.state.database import Database
from d118_pipelines.state.pauses import (
    ALL,
    Pause,
    pause,
    pause_of,
    refuse_paused,
    resume,
)
from d118_pipelines_tests.support.postgres import new_database
from d118_pipelines_tests.support.templates import new_state

NOW = utc_now()
DAY = dt.timedelta(days=1)
HR = Pause("hr_records", NOW + DAY, "vendor breach", "operator", NOW)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def connection(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[sa.Connection]:
    if request.param == "sqlite":
        new_state(tmp_path / "d118.sqlite")
    urls = new_database() if request.param == "postgresql" else iter([""])
    database = Database(tmp_path / "d118.sqlite", next(urls))
    with database.transaction() as connection:
        yield connection
    next(urls, None)


def test_a_pause_holds_until_its_time_or_its_end(connection: sa.Connection) -> None:
    pause(connection, HR)

    assert pause_of(connection, "hr_records", now=NOW) == HR
    assert pause_of(connection, "hr_records", now=NOW + DAY) is None
    assert pause_of(connection, "smartfind", now=NOW) is None
    assert resume(connection, "hr_records", account="operator", now=NOW)
    assert not resume(connection, "hr_records", account="operator", now=NOW)
    assert pause_of(connection, "hr_records", now=NOW) is None
    told = connection.execute(sa.select(db.audit_log.c.action, db.audit_log.c.object))
    assert [tuple(row) for row in told] == [
        ("pause", "hr_records"),
        ("resume", "hr_records"),
    ]


def test_a_pause_of_all_holds_everything_and_a_new_one_replaces_it(
    connection: sa.Connection,
) -> None:
    pause(connection, replace(HR, name=ALL))
    pause(connection, replace(HR, name=ALL, until=NOW + 2 * DAY))

    found = pause_of(connection, "smartfind", now=NOW)

    assert found is not None and found.until == NOW + 2 * DAY
    with pytest.raises(
        PausedError, match=r"everything is paused until .*breach"
    ) as told:
        refuse_paused(connection, "smartfind", ZoneInfo("America/Chicago"))
    assert told.value.next_step.endswith("d118 resume --all")


@pytest.mark.parametrize(
    "wrong", [{"reason": " "}, {"until": NOW}], ids=["reason", "time"]
)
def test_a_pause_needs_a_reason_and_a_time_to_come(
    connection: sa.Connection, wrong: dict[str, object]
) -> None:
    with pytest.raises(ConfigurationError):
        pause(connection, replace(HR, **wrong))  # type: ignore[arg-type]

    assert pause_of(connection, "hr_records", now=NOW - DAY) is None
