"""The state database on both engines: URLs, transactions, privacy, the audit log."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from d118_pipelines.errors import ConfigurationError, FatalError
from d118_pipelines.state import audit
from d118_pipelines.state.database import (
    Database,
    audit_log,
    findings,
    plans,
    sync_leases,
)
from d118_pipelines.state.engines import normalised, shown
from d118_pipelines.state.leases import lease
from d118_pipelines_tests.support.postgres import new_database

SECRET = "canary-password"
NOW = dt.datetime(2026, 11, 2, 9, 0, tzinfo=dt.timezone(dt.timedelta(hours=-6)))


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Path and URL of a state database."""
    if request.param == "sqlite":
        yield tmp_path / "d118.sqlite", ""
        return
    for url in new_database():
        yield tmp_path / "d118.sqlite", url


@pytest.mark.parametrize(
    "form", ["postgresql", "postgresql+asyncpg", "postgresql+psycopg2"]
)
def test_three_forms_of_a_url_name_one_driver(form: str) -> None:
    url = normalised(f"{form}://who:{SECRET}@db.example:5433/roster")

    assert (url.drivername, url.port) == ("postgresql+psycopg2", 5433)


def test_the_name_that_asyncpg_gives_to_encryption_is_understood() -> None:
    url = normalised("postgresql+asyncpg://db.example/roster?ssl=require")

    assert dict(url.query) == {"sslmode": "require"}


@pytest.mark.parametrize(
    "url", [f"mysql://who:{SECRET}@x/y", SECRET, f"postgresql://who:{SECRET}@x:port/y"]
)
def test_another_url_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        normalised(url)

    assert SECRET not in str(caught.value)
    assert "who" not in str(caught.value)


def test_a_server_that_does_not_answer_is_named_without_its_login(
    tmp_path: Path,
) -> None:
    url = f"postgresql://who:{SECRET}@127.0.0.1:9/roster"
    with pytest.raises(FatalError) as caught:
        Database(tmp_path / "d118.sqlite", url)

    assert shown(url, "DATABASE_URL") == "DATABASE_URL (127.0.0.1:9/roster)"
    assert shown(url, "DATABASE_URL") in str(caught.value)
    chain = [caught.value, caught.value.__cause__]
    assert not any(word in str(e) for e in chain for word in (SECRET, "who"))
    assert not (tmp_path / "d118.sqlite").exists()


def test_the_environment_chooses_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for url in new_database():
        monkeypatch.setenv("DATABASE_URL", url)
        assert Database(tmp_path / "d118.sqlite").is_postgres
        assert not Database(tmp_path / "d118.sqlite", "").is_postgres
    monkeypatch.delenv("DATABASE_URL")
    assert not Database(tmp_path / "d118.sqlite").is_postgres


def test_times_and_json_come_back_as_they_went(place: tuple[Path, str]) -> None:
    database = Database(*place)
    values = dict.fromkeys(("id", "target", "destination", "plan_hash"), "x")
    values |= dict.fromkeys(("run_id", "verdict", "folder"), "x")
    lists = {"rules": [{"code": "guard.x", "passed": True}], "counts": {"a": 1}}
    with database.transaction() as connection:
        connection.execute(
            plans.insert().values(
                **values,
                **lists,
                files=[],
                demonstration=True,
                data_at=NOW,
                created_at=NOW,
            )
        )
    with Database(*place).reading() as connection:
        row = connection.execute(sa.select(plans)).one()
    assert (row.rules, row.counts) == (lists["rules"], lists["counts"])
    assert row.data_at == NOW
    assert row.data_at.tzinfo is dt.UTC


def test_an_exception_rolls_everything_back(place: tuple[Path, str]) -> None:
    database = Database(*place)
    with pytest.raises(RuntimeError), database.transaction() as connection:
        audit.record(connection, now=NOW, actor="a", action="b", subject="c")
        raise RuntimeError
    with database.reading() as connection:
        assert connection.execute(sa.select(audit_log)).all() == []


def test_an_error_of_the_database_quotes_no_value(place: tuple[Path, str]) -> None:
    database = Database(*place)
    row = {"id": 1, "target": SECRET}
    with (
        pytest.raises(sa.exc.IntegrityError) as caught,
        database.transaction() as connection,
    ):
        connection.execute(findings.insert().values(row))

    assert SECRET not in str(caught.value).split("DETAIL")[0]


def test_the_audit_log_keeps_what_is_in_it(place: tuple[Path, str]) -> None:
    database = Database(*place)
    with database.transaction() as connection:
        audit.record(connection, now=NOW, actor="a", action="b", subject="c")
    for change in (audit_log.delete(), audit_log.update().values(actor="x")):
        with (
            pytest.raises(sa.exc.DBAPIError, match="append-only"),
            database.transaction() as connection,
        ):
            connection.execute(change)
    with database.reading() as connection:
        assert [row.actor for row in connection.execute(sa.select(audit_log))] == ["a"]


def test_what_one_writer_read_stays_true_until_it_has_written(
    place: tuple[Path, str],
) -> None:
    databases = [Database(*place) for _ in range(4)]
    barrier = threading.Barrier(4)

    def count_up(database: Database) -> None:
        barrier.wait()
        for _ in range(5):
            with database.transaction() as connection:
                found = len(connection.execute(sa.select(audit_log)).all())
                audit.record(
                    connection, now=NOW, actor="a", action="b", subject=str(found)
                )

    threads = [threading.Thread(target=count_up, args=(d,)) for d in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with databases[0].reading() as connection:
        subjects = {int(row.object) for row in connection.execute(sa.select(audit_log))}
    assert subjects == set(range(20))


def test_a_reader_waits_for_no_writer_and_sees_one_moment(
    place: tuple[Path, str],
) -> None:
    database = Database(*place)
    with database.reading() as before, database.transaction() as writer:
        assert before.execute(sa.select(audit_log)).all() == []
        audit.record(writer, now=NOW, actor="a", action="b", subject="c")
        with database.reading() as during:
            assert during.execute(sa.select(audit_log)).all() == []
        writer.commit()
        assert before.execute(sa.select(audit_log)).all() == []


HOLDER = """
import sys, time
from pathlib import Path
from d118_pipelines.state.database import Database
from d118_pipelines.state.leases import lease
from d118_pipelines.errors import BusyError
database = Database(Path(sys.argv[1]), sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
try:
    with lease(database, "sis", sys.argv[3]):
        print("held", flush=True)
        sys.stdin.readline()
except BusyError:
    print("busy", flush=True)
"""


@pytest.mark.long
@pytest.mark.real
def test_of_two_processes_one_holds_a_lease_and_a_killed_one_frees_it(
    place: tuple[Path, str],
) -> None:
    path, url = place
    command = [sys.executable, "-c", HOLDER, str(path), url]
    both = [
        subprocess.Popen(
            [*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name in ("one", "two")
    ]
    try:
        for process in both:
            assert process.stdout and process.stdout.readline() == "ready\n"
        for process in both:
            assert process.stdin
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [process.stdout.readline() for process in both if process.stdout]
        assert sorted(said) == ["busy\n", "held\n"]
    finally:
        for process in both:
            process.kill()
            process.communicate()
    database = Database(*place)
    with lease(database, "sis", "three"), database.reading() as connection:
        row = connection.execute(sa.select(sync_leases)).one()
        assert row.holder == "three"
