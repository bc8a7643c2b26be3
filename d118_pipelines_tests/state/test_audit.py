"""The audit log: what is found by which filter, and that no row can be replaced."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
import sqlalchemy as sa

from d118_pipelines.state.audit import COLUMNS, LONGEST, entries, last_of, record
from d118_pipelines.state.database import Database, audit_log

NOW = dt.datetime(2026, 11, 2, 15, 0, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """A log of three rows."""
    made = Database(tmp_path / "d118.sqlite", "")
    with made.transaction() as connection:
        for hours, (actor, action, subject) in enumerate(
            [
                ("ann", "approve", "hr_records"),
                ("ui/bea", "pause", "*"),
                ("hr_records_schedule", "run started", "hr_records"),
            ]
        ):
            at = NOW + hours * HOUR
            record(connection, now=at, actor=actor, action=action, subject=subject)
    return made


@pytest.mark.parametrize(
    ("chosen", "actors"),
    [
        ({}, ["hr_records_schedule", "ui/bea", "ann"]),
        ({"since": NOW + HOUR}, ["hr_records_schedule", "ui/bea"]),
        ({"actor": "ui"}, ["ui/bea"]),
        ({"action": "run"}, ["hr_records_schedule"]),
        ({"subject": "hr_"}, ["hr_records_schedule", "ann"]),
        ({"subject": "hr_", "limit": 1}, ["hr_records_schedule"]),
        ({"actor": "%"}, []),
        ({"subject": "*"}, ["ui/bea"]),
    ],
)
def test_filters_find_what_begins_so_newest_first(
    database: Database, chosen: dict[str, object], actors: list[str]
) -> None:
    with database.reading() as connection:
        found = entries(connection, **chosen)  # type: ignore[arg-type]

    assert [row["actor"] for row in found] == actors
    assert all(tuple(row) == COLUMNS for row in found)


def test_no_row_takes_the_place_of_another(database: Database) -> None:
    texts = dict.fromkeys(COLUMNS[1:], "forged")
    replaced = (
        audit_log.insert().prefix_with("OR REPLACE").values(id=1, at=NOW, **texts)
    )

    with (
        pytest.raises(sa.exc.DBAPIError, match="append-only"),
        database.transaction() as connection,
    ):
        connection.execute(replaced)

    with database.reading() as connection:
        assert len(entries(connection)) == 3
        assert entries(connection, actor="forged") == []


def test_a_long_or_hostile_text_is_cut_and_made_printable(database: Database) -> None:
    with database.transaction() as connection:
        record(
            connection,
            now=NOW,
            actor="x" * 9_999,
            action="resume",
            subject="a\x1b[2Jb",
            reason="why\n" * 500,
        )
        [row] = entries(connection, action="resume")
        assert last_of(connection, "resume", row["object"]) == row

    assert "\x1b" not in row["object"]
    assert {len(row["actor"]), len(row["reason"])} == {LONGEST}
