"""The Oracle source through the real thin driver: rows, types, transactions."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
from collections.abc import Iterator
from decimal import Decimal

import pyarrow as pa
import pytest

from d118_pipelines.errors import IncompleteExtractError
from d118_pipelines.sources.powerschool.source import Binds
from d118_pipelines_tests.support.oracle_case import (
    PASSWORD,
    USER,
    batches,
    listening,
    query,
    rows,
    source,
)
from d118_pipelines_tests.support.oracle_listener import OracleListener
from d118_pipelines_tests.support.queries import fetch

IDS = query("SELECT CAST(u.DCID AS NUMBER(18)) AS dcid FROM USERS u ORDER BY u.DCID")
TABLES = ("users", "person", "gen", "students", "u_humanresources")


@pytest.fixture
def oracle() -> Iterator[OracleListener]:
    with listening(*TABLES) as listener:
        yield listener


def add_users(oracle: OracleListener, count: int) -> None:
    oracle.database.execute(
        "INSERT INTO users (dcid, email_addr)"
        " SELECT i, 'p' || i || '@d118.example' FROM range($count) AS r(i)",
        {"count": count},
    )


def test_rows_arrive_in_order_under_lower_case_names(oracle: OracleListener) -> None:
    add_users(oracle, 3)
    wanted = query(
        "SELECT u.DCID AS Users_DCID, u.EMAIL_ADDR FROM USERS u ORDER BY u.DCID DESC"
    )

    found = rows(source(oracle), wanted)

    assert found == [
        {"users_dcid": 2, "email_addr": "p2@d118.example"},
        {"users_dcid": 1, "email_addr": "p1@d118.example"},
        {"users_dcid": 0, "email_addr": "p0@d118.example"},
    ]


def test_binds_go_by_name_even_when_one_is_used_twice(oracle: OracleListener) -> None:
    add_users(oracle, 9)
    wanted = query(
        "SELECT u.DCID AS dcid FROM USERS u -- at 12:30 :nobody\n"
        "WHERE u.DCID <> :hole AND u.DCID BETWEEN :low AND :high"
        " AND u.EMAIL_ADDR <> :email AND (u.DCID > :low OR :email = 'x')"
        " ORDER BY u.DCID"
    )

    binds: Binds = {"low": 2, "high": 7, "hole": 5, "email": "p6@d118.example"}
    found = rows(source(oracle), wanted, binds)

    assert [row["dcid"] for row in found] == [3, 4, 7]


@pytest.mark.parametrize("day", [dt.date(2025, 8, 14), dt.datetime(2025, 8, 14, 0, 0)])
def test_a_day_is_a_bind(oracle: OracleListener, day: dt.date) -> None:
    oracle.database.execute(
        "INSERT INTO gen (dcid, date_value) VALUES"
        " (1, '2025-08-13'), (2, '2025-08-14'), (3, '2025-08-15'), (4, NULL)"
    )
    wanted = query(
        "SELECT g.DCID AS dcid FROM GEN g WHERE g.DATE_VALUE >= :day ORDER BY g.DCID"
    )

    assert [row["dcid"] for row in rows(source(oracle), wanted, {"day": day})] == [2, 3]


def test_a_long_result_comes_in_batches_of_the_given_size(
    oracle: OracleListener,
) -> None:
    add_users(oracle, 25_000)

    found = batches(source(oracle, batch_rows=10_000), IDS)

    assert [batch.num_rows for batch in found] == [10_000, 10_000, 5_000]
    assert pa.Table.from_batches(found)["dcid"].to_pylist() == list(range(25_000))


def test_a_query_without_rows_pushes_nothing(oracle: OracleListener) -> None:
    assert batches(source(oracle), IDS) == []


def test_ids_of_18_digits_are_exact(oracle: OracleListener) -> None:
    ids = [-999_999_999_999_999_999, 9_007_199_254_740_993, 999_999_999_999_999_999]
    oracle.database.executemany(
        "INSERT INTO person (id) VALUES (?)", [[i] for i in ids]
    )
    wanted = query("SELECT CAST(p.ID AS NUMBER(18)) AS id FROM PERSON p ORDER BY p.ID")

    (batch,) = batches(source(oracle), wanted)

    assert batch.schema == pa.schema([("id", pa.int64())])
    assert batch["id"].to_pylist() == ids


def test_ids_of_19_digits_are_exact_decimals(oracle: OracleListener) -> None:
    oracle.database.execute("INSERT INTO person (id) VALUES (9223372036854775808)")

    (batch,) = batches(source(oracle), query("SELECT p.ID AS id FROM PERSON p"))

    assert batch.schema == pa.schema([("id", pa.decimal128(19, 0))])
    assert batch["id"].to_pylist() == [Decimal("9223372036854775808")]


def test_a_number_without_precision_is_refused_as_an_id(oracle: OracleListener) -> None:
    add_users(oracle, 3)
    pushed: list[pa.RecordBatch] = []

    with pytest.raises(IncompleteExtractError) as caught:
        fetch(
            source(oracle),
            query("SELECT COUNT(*) AS people FROM USERS u"),
            {},
            pushed.append,
        )

    message = str(caught.value)
    assert "people" in message
    assert "expected whole number (int64), got number (double)" in message
    assert "NUMBER(18)" in message
    assert pushed == []


def test_a_time_where_text_is_promised_is_refused(oracle: OracleListener) -> None:
    oracle.database.execute(
        "ALTER TABLE u_humanresources ALTER start_time TYPE TIMESTAMP_S"
    )
    wanted = query("SELECT h.START_TIME AS start_time FROM U_HUMANRESOURCES h")

    with pytest.raises(IncompleteExtractError, match=r"start_time.*text.*timestamp"):
        rows(source(oracle), wanted)


def test_numbers_keep_their_values(oracle: OracleListener) -> None:
    values = [0.0, 220001.0, -0.25, 0.1, 1e-7, 123456.789, -98.76]
    oracle.database.executemany(
        "INSERT INTO students (dcid, id, student_number) VALUES (?, ?, ?)",
        [[i, -i, value] for i, value in enumerate(values)],
    )
    wanted = query(
        "SELECT s.ID AS id, s.STUDENT_NUMBER AS student_number FROM STUDENTS s"
        " ORDER BY s.DCID"
    )

    (batch,) = batches(source(oracle), wanted)

    assert batch["student_number"].to_pylist() == values
    assert batch["id"].to_pylist() == [0, -1, -2, -3, -4, -5, -6]


def test_dates_and_timestamps_arrive_in_microseconds(oracle: OracleListener) -> None:
    oracle.database.execute(
        "INSERT INTO person (id, whencreated, whenmodified) VALUES"
        " (1, '2025-08-14 07:30:15.123456', '1899-12-31'), (2, NULL, NULL)"
    )
    oracle.database.execute(
        "INSERT INTO gen (dcid, date_value) VALUES (1, '2025-08-14 23:59:59')"
    )
    stamps = query(
        "SELECT p.WHENCREATED AS made, p.WHENMODIFIED AS changed FROM PERSON p"
        " ORDER BY p.ID"
    )
    days = query("SELECT g.DATE_VALUE AS day FROM GEN g")

    (batch,) = batches(source(oracle), stamps)

    assert batch.schema.types == [pa.timestamp("us")] * 2
    assert batch.to_pylist() == [
        {
            "made": dt.datetime(2025, 8, 14, 7, 30, 15, 123456),
            "changed": dt.datetime(1899, 12, 31),
        },
        {"made": None, "changed": None},
    ]
    (batch,) = batches(source(oracle), days)
    assert batch.schema.types == [pa.timestamp("us")]
    assert batch.to_pylist() == [{"day": dt.datetime(2025, 8, 14, 23, 59, 59)}]


def test_empty_text_is_null_and_other_text_is_untouched(oracle: OracleListener) -> None:
    names = ["", None, " ", 'Zoë, "Z"\n\'', "ж" * 2000]
    oracle.database.executemany(
        "INSERT INTO users (dcid, first_name) VALUES (?, ?)", list(enumerate(names))
    )
    wanted = query("SELECT u.FIRST_NAME AS name FROM USERS u ORDER BY u.DCID")

    found = [row["name"] for row in rows(source(oracle), wanted)]

    assert found == [None, None, *names[2:]]


def test_the_read_only_transaction_begins_before_the_query(
    oracle: OracleListener,
) -> None:
    add_users(oracle, 1)
    rows(source(oracle), IDS)
    rows(source(oracle), IDS)

    seen = [(s.session, s.sql, s.read_only) for s in oracle.statements]
    assert seen == [
        (1, "SET TRANSACTION READ ONLY", False),
        (1, IDS.sql, True),
        (2, "SET TRANSACTION READ ONLY", False),
        (2, IDS.sql, True),
    ]


def test_a_caller_with_a_running_event_loop_may_fetch(oracle: OracleListener) -> None:
    add_users(oracle, 2)

    async def caller() -> int:
        return len(rows(source(oracle), IDS))

    assert asyncio.run(caller()) == 2


def test_an_error_of_the_sink_ends_the_fetch_and_its_thread(
    oracle: OracleListener,
) -> None:
    add_users(oracle, 3)
    seen: list[pa.RecordBatch] = []

    def full(batch: pa.RecordBatch) -> None:
        seen.append(batch)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fetch(source(oracle, batch_rows=1), IDS, {}, full)

    assert len(seen) == 1
    assert "powerschool" not in {thread.name for thread in threading.enumerate()}


def test_the_connection_test_logs_in(oracle: OracleListener) -> None:
    report = source(oracle).test()

    assert report.success
    assert 0 < report.latency_seconds < 5
    assert [statement.sql for statement in oracle.statements] == ["SELECT 1 FROM DUAL"]


def test_neither_login_nor_address_are_in_the_repr(oracle: OracleListener) -> None:
    text = repr(source(oracle))

    assert not any(part in text for part in (USER, PASSWORD, oracle.dsn))
