"""A pull of several queries: all from one moment, begun again as a whole, or not there."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from d118_pipelines.errors import (
    ConnectionLostError,
    IncompleteExtractError,
    QueryError,
    UnavailableError,
)
from d118_pipelines.sources.powerschool.embedded import EmbeddedSource
from d118_pipelines.sources.powerschool.pull import QueriesSource
from d118_pipelines.sources.powerschool.source import PowerSchoolSource, Query
from d118_pipelines.sources.pull import Pull, find_pull, run_pull
from d118_pipelines_tests.support.oracle_case import listening, source
from d118_pipelines_tests.support.oracle_listener import OracleListener

NOW = dt.datetime(2026, 11, 2, 11, tzinfo=dt.UTC)


def query(name: str, sql: str) -> Query:
    return Query(name, sql, Path(f"sql/powerschool/{name}.sql"))


STAFF = query("staff", "SELECT u.DCID AS dcid FROM USERS u ORDER BY u.DCID")
TERMS = query("terms", "SELECT t.DCID AS dcid FROM TERMS t ORDER BY t.DCID")
ENROLLMENTS = query(
    "enrollments", "SELECT t.DCID AS dcid FROM TERMS t WHERE t.DCID < 0"
)
QUERIES = [STAFF, TERMS]


@pytest.fixture
def oracle() -> Iterator[OracleListener]:
    with listening("users", "terms") as listener:
        for table in ("users", "terms"):
            listener.database.execute(f"INSERT INTO {table} (dcid) FROM range(100)")
        yield listener


class Pulling:
    """Pulls into a folder; `sleeps` has the pauses between the attempts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sleeps: list[float] = []
        self.sleep: Callable[[float], None] = self.sleeps.append

    def __call__(
        self, source: PowerSchoolSource, queries: list[Query] = QUERIES
    ) -> Pull:
        return run_pull(
            QueriesSource(source, queries, sleep=self.sleep),
            self.folder,
            provider="powerschool",
            run_id="a" * 32,
            now=NOW,
        )


@pytest.fixture
def pulling(tmp_path: Path) -> Pulling:
    return Pulling(tmp_path / "raw")


def ids(pull: Pull, name: str) -> list[int]:
    found: list[int] = pq.read_table(pull.rows_file(name))["dcid"].to_pylist()
    return found


def test_all_queries_run_in_one_read_only_transaction(
    oracle: OracleListener, pulling: Pulling
) -> None:
    pull = pulling(source(oracle))

    assert [(s.session, s.sql, s.read_only) for s in oracle.statements] == [
        (1, "SET TRANSACTION READ ONLY", False),
        (1, STAFF.sql, True),
        (1, TERMS.sql, True),
    ]
    assert ids(pull, "staff") == ids(pull, "terms") == list(range(100))
    assert [c.rows for c in pull.collections.values()] == [100, 100]
    assert pull.details["read_from"].startswith("PowerSchool's database 127.0.0.1:")
    assert (pull.details["source"], pull.details["attempts"]) == ("oracle", "1")
    assert {c.absence for c in pull.collections.values()} == {"proven"}


def test_a_connection_lost_in_the_second_query_begins_all_of_it_again(
    oracle: OracleListener, pulling: Pulling
) -> None:
    oracle.faults.fetches_before_drop = 3  # of four in each query

    def change(seconds: float) -> None:
        """Before the second attempt PowerSchool has other rows."""
        assert seconds == 2.0
        oracle.faults.fetches_before_drop = None
        for table in ("users", "terms"):
            oracle.database.execute(f"DELETE FROM {table} WHERE dcid >= 50")

    pulling.sleep = change
    pull = pulling(source(oracle, batch_rows=40))

    assert [s.sql for s in oracle.statements if s.session == 1][1:] == [
        STAFF.sql,
        TERMS.sql,
    ]
    assert ids(pull, "staff") == ids(pull, "terms") == list(range(50))
    assert pull.details["attempts"] == "2"


def test_a_database_that_lost_the_moment_is_asked_again(
    oracle: OracleListener, pulling: Pulling
) -> None:
    oracle.faults.fetch_errors = [1555]

    pull = pulling(source(oracle, batch_rows=40))

    assert pulling.sleeps == [2.0]
    assert len(ids(pull, "staff")) == 100
    oracle.faults.fetch_errors = [1555] * 9
    with pytest.raises(UnavailableError, match="ORA-01555"):
        pulling(source(oracle, batch_rows=40))


def test_after_three_attempts_nothing_is_there(
    oracle: OracleListener, pulling: Pulling
) -> None:
    oracle.faults.fetches_before_drop = 0

    with pytest.raises(ConnectionLostError):
        pulling(source(oracle, batch_rows=40))

    assert pulling.sleeps == [2.0, 4.0]
    assert oracle.session_count == 3
    assert list(pulling.folder.iterdir()) == []


def test_what_is_final_is_not_tried_again(
    oracle: OracleListener, pulling: Pulling
) -> None:
    oracle.database.execute("DROP TABLE terms")

    with pytest.raises(QueryError, match="ORA-00942"):
        pulling(source(oracle))

    assert pulling.sleeps == []
    assert find_pull(pulling.folder) is None


def test_a_query_without_rows_is_an_answer_only_where_it_may_be(
    oracle: OracleListener, pulling: Pulling
) -> None:
    pull = pulling(source(oracle), [STAFF, ENROLLMENTS])

    assert ids(pull, "enrollments") == []
    assert pull.collections["enrollments"].rows == 0
    oracle.database.execute("DELETE FROM users")
    with pytest.raises(IncompleteExtractError, match=r"extract\.zero_rows  staff"):
        pulling(source(oracle))


def test_files_that_change_during_a_pull_do_not_mix(tmp_path: Path) -> None:
    for table in ("users", "terms"):
        (tmp_path / f"{table}.csv").write_text("dcid\n1\n", encoding="utf-8")
    got: dict[str, list[int]] = {}

    with EmbeddedSource(tmp_path).reading(QUERIES) as moment:
        for one in QUERIES:
            moment.fetch(
                one,
                {},
                lambda batch, name=one.name: got.setdefault(name, []).extend(
                    batch["dcid"].to_pylist()
                ),
            )
            for table in ("users", "terms"):
                (tmp_path / f"{table}.csv").write_text("dcid\n2\n", encoding="utf-8")

    assert got == {"staff": [1], "terms": [1]}


def test_a_table_is_loaded_once_with_the_columns_of_all_queries(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("dcid,city\n1,Wauconda\n", encoding="utf-8")
    names = query("names", "SELECT u.CITY AS city, u.STATE AS state FROM USERS u")
    rows: list[dict[str, object]] = []

    with EmbeddedSource(tmp_path).reading([STAFF, names]) as moment:
        moment.fetch(names, {}, lambda batch: rows.extend(batch.to_pylist()))
        moment.fetch(STAFF, {}, lambda batch: rows.extend(batch.to_pylist()))

    assert rows == [{"city": "Wauconda", "state": None}, {"dcid": 1}]
    assert moment.warnings == ["users.csv has no column state; it is read as empty"]
