"""The loopback listener itself: values on the wire, and what a test may rely on."""

from __future__ import annotations

import datetime as dt
import socket
from collections.abc import Iterator
from decimal import Decimal

import duckdb
import oracledb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from d118_pipelines_tests.support import oracle_wire as wire
from d118_pipelines_tests.support.oracle_engine import bind_names, create_tables
from d118_pipelines_tests.support.oracle_listener import OracleListener


@pytest.fixture
def oracle() -> Iterator[OracleListener]:
    with (
        duckdb.connect() as database,
        OracleListener({"reader": "word"}, database) as listener,
    ):
        yield listener


def connect(oracle: OracleListener) -> oracledb.Connection:
    return oracledb.connect(user="reader", password="word", dsn=oracle.dsn)


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (0, "80"),
        (1, "c102"),
        (-1, "3e6466"),
        (100, "c202"),
        (123456, "c30d2339"),
        (Decimal("0.05"), "c006"),
        (Decimal("-12.5"), "3e593366"),
    ],
)
def test_a_number_has_the_bytes_that_databases_store(
    value: int | Decimal, data: str
) -> None:
    assert wire.number(value).hex() == data


@given(st.decimals(-(10**29), 10**29, places=9))
def test_a_number_reads_back_as_written(value: Decimal) -> None:
    assert wire.read_number(wire.number(value)) == value


@given(st.datetimes(min_value=dt.datetime(1, 1, 1)))
def test_a_timestamp_reads_back_as_written(value: dt.datetime) -> None:
    assert wire.read_timestamp(wire.timestamp(value)) == value


@given(st.binary(min_size=1) | st.just(b"x" * 70_000))
def test_a_text_reads_back_as_written(value: bytes) -> None:
    assert wire.Reader(wire.text(value)).text() == value


def test_binds_are_found_outside_text_and_comments_only() -> None:
    sql = "SELECT ':a' FROM t WHERE b = :b -- :c\n AND d = :d /* :e */ AND b < :b"

    assert bind_names(sql) == ("b", "d", "b")


def test_tables_keep_the_digits_of_their_numbers() -> None:
    ddl = "CREATE TABLE t (a NUMBER(10), b NUMBER(6,4), c NUMBER, d DATE, e CLOB)"
    with duckdb.connect() as database:
        create_tables(database, ddl, ["t"])
        described = database.execute("SELECT * FROM t").description

    assert [str(column[1]) for column in described or []] == [
        "DECIMAL(10,0)",
        "DECIMAL(6,4)",
        "DOUBLE",
        "TIMESTAMP_S",
        "VARCHAR",
    ]


def test_the_drivers_plain_connection_works_too(oracle: OracleListener) -> None:
    with connect(oracle) as connection, connection.cursor() as cursor:
        for value in (1, 2):  # the second time as a short execute of a known cursor
            found = cursor.execute("SELECT :x + 1 AS n FROM DUAL", x=value).fetchone()
            assert found == (value + 1,)
        assert cursor.description[0].name == "N"
        connection.ping()

    assert [dict(statement.binds) for statement in oracle.statements] == [
        {"x": 1},
        {"x": 2},
    ]


def test_statements_other_than_queries_are_refused(oracle: OracleListener) -> None:
    oracle.database.execute("CREATE TABLE t (a INTEGER)")

    with connect(oracle) as connection, connection.cursor() as cursor:
        with pytest.raises(oracledb.DatabaseError, match="ORA-01031"):
            cursor.execute("DELETE FROM t")
        with pytest.raises(oracledb.DatabaseError, match="ORA-00900"):
            cursor.execute("SELECT FROM WHERE")


def test_a_closed_listener_refuses_connections_and_cuts_open_ones() -> None:
    with duckdb.connect() as database:
        with OracleListener({"reader": "word"}, database) as oracle:
            connection = connect(oracle)
        with pytest.raises(oracledb.DatabaseError, match="DPY-4011"):
            connection.ping()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", oracle.port), timeout=5)
