"""`d118 upgrade --to`: the whole state moves to PostgreSQL, or nothing does."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from d118_pipelines.roster.model import tables
from d118_pipelines.state import audit
from d118_pipelines.state import database as db
from d118_pipelines_tests.support.district import Person
from d118_pipelines_tests.support.lease_holder import lease_held
from d118_pipelines_tests.support.postgres import empty_database, new_database
from d118_pipelines_tests.support.roster_sync import RosterProject
from d118_pipelines_tests.support.small_sets import PROVIDER, put_set

pytestmark = pytest.mark.real
TABLES = tables.metadata.sorted_tables
NAMES = [table.name for table in TABLES]
FILLED = {"users", "enrollments", "external_ids", "sis_sync_runs", "roster_history"}
FILLED |= {"delivery_ledger", "deliveries", "plans", "audit_log", "roster_revision"}


@pytest.fixture(scope="module")
def in_a_file(tmp_path_factory: pytest.TempPathFactory) -> RosterProject:
    """A project with a roster, its history and a ledger, in SQLite."""
    project = RosterProject(tmp_path_factory.mktemp("copy") / "project", PROVIDER)
    project.set_people([Person(dcid) for dcid in range(4000, 4005)])
    put_set(project.root, 12)
    project.sync("files")
    put_set(project.root, 12, renamed=1)
    project.sync("files")
    project.deliver("hr_records")
    with project.writing() as connection:
        audit.record(
            connection,
            now=dt.datetime(2026, 11, 2, tzinfo=dt.UTC),
            actor="tester",
            action="noted",
            subject="Ñandú",
        )
    return project


@pytest.fixture
def project(in_a_file: RosterProject, tmp_path: Path) -> RosterProject:
    return in_a_file.copied(tmp_path / "project")


@pytest.fixture
def url() -> Iterator[str]:
    yield from new_database()


def contents(project: RosterProject) -> dict[str, list[str]]:
    """All rows of all tables as Python sees them, but the one that tells of the move."""
    return {
        table.name: sorted(
            repr(tuple(row))
            for row in project.rows(table)
            if "moved to PostgreSQL" not in tuple(row)
        )
        for table in TABLES
    }


@pytest.mark.long
def test_every_row_is_there_and_the_file_stays(project: RosterProject) -> None:
    before = contents(project)
    assert {name for name, rows in before.items() if rows} >= FILLED

    url = empty_database()
    answer = project.d118("upgrade", "--to", url, "--json")

    assert answer.code == 0, answer.err
    assert answer.json() == {name: len(before[name]) for name in NAMES}
    assert contents(project) == before
    project.environment["DATABASE_URL"] = url
    assert contents(project) == before


@pytest.mark.long
def test_a_sync_afterwards_finds_nothing_to_change(
    project: RosterProject, url: str
) -> None:
    told = project.d118("upgrade", "--to", url)
    assert told.code == 0
    assert "set DATABASE_URL in .env" in told.out
    roster = project.rows(tables.ENTITY_TABLES["users"])
    ledger = project.rows(db.delivery_ledger)

    project.environment["DATABASE_URL"] = url
    result = project.sync("files")
    sent = project.d118("run", "hr_records")

    assert result.stats["users"]["unchanged"] == 13
    changes = ("created", "updated", "reactivated", "deactivated", "conflicts")
    assert {one[name] for one in result.stats.values() for name in changes} == {0}
    assert sorted(project.rows(tables.ENTITY_TABLES["users"])) == sorted(roster)
    assert sent.code == 0, sent.err
    keys = [(row.key, row.first_delivered_at) for row in ledger]
    after = project.rows(db.delivery_ledger)
    assert sorted((row.key, row.first_delivered_at) for row in after) == sorted(keys)


@pytest.mark.long
def test_rows_that_the_database_numbers_go_on_from_the_last(
    project: RosterProject, url: str
) -> None:
    last = max(row.id for row in project.rows(db.audit_log))
    assert project.d118("upgrade", "--to", url).code == 0
    last += 1  # the move itself

    project.environment["DATABASE_URL"] = url
    with db.Database(project.home / "d118.sqlite", url).transaction() as connection:
        now = dt.datetime.now(dt.UTC)
        audit.record(connection, now=now, actor="a", action="b", subject="c")

    assert max(row.id for row in project.rows(db.audit_log)) == last + 1


@pytest.mark.long
def test_a_database_with_rows_is_refused_as_a_whole(
    project: RosterProject, url: str
) -> None:
    assert project.d118("upgrade", "--to", url).code == 0

    again = project.d118("upgrade", "--to", url)

    assert again.code == 2
    assert "has rows already" in again.err


@pytest.mark.long
@pytest.mark.parametrize(
    "change",
    [
        # SQLite keeps any text as an id, PostgreSQL only a UUID; and NUL in a text.
        "UPDATE roster_history SET record_id = 'private'",
        "UPDATE users SET title = 'private' || char(0)",
    ],
)
def test_a_row_that_postgresql_refuses_leaves_it_empty(
    project: RosterProject, url: str, change: str
) -> None:
    project.change_state(sa.text(change))

    answer = project.d118("upgrade", "--to", url)

    assert answer.code == 1
    assert "Nothing was copied" in answer.err
    assert "private" not in answer.out + answer.err
    project.environment["DATABASE_URL"] = url
    assert not any(contents(project).values())


@pytest.mark.long
def test_not_while_a_run_is_at_work(project: RosterProject, url: str) -> None:
    with lease_held(project, "hr_records"):
        answer = project.d118("upgrade", "--to", url)

    assert answer.code == 4
    assert "Nothing was copied" in answer.err


@pytest.mark.long
@pytest.mark.parametrize("case", ["in PostgreSQL already", "no file", "no URL"])
def test_usage_is_2(project: RosterProject, url: str, case: str) -> None:
    more = {}
    if case == "in PostgreSQL already":
        more["DATABASE_URL"] = url
    if case == "no file":
        (project.home / "d118.sqlite").unlink()

    to = "sqlite:///other" if case == "no URL" else url
    answer = project.d118("upgrade", "--to", to, **more)

    assert answer.code == 2
    assert "Not done" in answer.err
