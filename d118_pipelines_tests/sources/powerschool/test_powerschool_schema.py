"""The schema file, the common subset, and the shape that every extract must have."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from d118_pipelines.errors import (
    ConfigurationError,
    IncompleteExtractError,
    QueryError,
)
from d118_pipelines.sources.powerschool import schema
from d118_pipelines.sources.powerschool.embedded import QUERIES_FOLDER
from d118_pipelines.sources.powerschool.source import Query

QUERY_FILES = sorted(QUERIES_FOLDER.glob("*.sql"))


def query(sql: str) -> Query:
    return Query("q", sql, Path("q.sql"))


def test_columns_have_the_duckdb_types_of_their_oracle_types() -> None:
    tables = schema.tables()
    assert len(tables) == 41
    expected = {
        ("users", "dcid"): "BIGINT",
        ("users", "canchangeschool"): "VARCHAR",
        ("users", "whencreated"): "TIMESTAMP",
        ("u_humanresources", "curhiredate"): "TIMESTAMP",
        ("students", "student_number"): "DOUBLE",
        ("sectionteacher", "allocation"): "DECIMAL(10,2)",
        ("person", "id"): "DECIMAL(19,0)",
    }
    got = {key: tables[key[0]].columns[key[1]] for key in expected}
    assert got == expected


def test_the_check_boxes_are_text() -> None:
    columns = schema.table("u_humanresources").columns
    boxes = [c for c in columns if c.startswith(("time1_", "time2_"))]
    assert len(boxes) == 10
    for name in (*boxes, "contractemp", "custom_times"):
        assert columns[name] == "VARCHAR"


def test_all_tables_and_the_view_can_be_made_empty() -> None:
    with duckdb.connect() as connection:
        schema.create_tables(connection)
        made = connection.sql("SELECT table_name FROM duckdb_tables()").fetchall()
        assert {name for (name,) in made} == schema.tables().keys()
        assert (
            connection.sql("SELECT users_dcid, email_addr FROM teachers").fetchall()
            == []
        )


@pytest.mark.parametrize("path", QUERY_FILES, ids=lambda path: path.stem)
def test_every_query_file_keeps_to_the_common_subset(path: Path) -> None:
    assert schema.check_subset(Query.read(path)) == []
    assert schema.expected_schema(Query.read(path)).names


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        (
            "SELECT u.dcid FROM users u, schoolstaff s WHERE u.dcid = s.users_dcid(+)",
            "(+)",
        ),
        ("SELECT dcid FROM users WHERE dcid = :1", ":1"),
        ("SELECT TO_CHAR(whencreated, 'YYYY') AS y FROM users", "TO_CHAR"),
        ("SELECT dcid FROM users WHERE whencreated > TO_DATE('1', 'Y')", "TO_DATE"),
        ("SELECT TRUNC(whencreated) AS d FROM users", "TRUNC"),
        ("SELECT dcid FROM users WHERE whencreated < SYSDATE", "SYSDATE"),
        ("SELECT dcid FROM users WHERE ROWNUM < 3", "ROWNUM"),
        ("SELECT NVL(city, 'x') AS c FROM users", "NVL"),
        ("SELECT DECODE(dcid, 1, 2) AS c FROM users", "DECODE"),
        (
            "SELECT LISTAGG(city) WITHIN GROUP (ORDER BY city) AS c FROM users",
            "LISTAGG",
        ),
        ("SELECT dcid FROM users CONNECT BY PRIOR dcid = dcid", "CONNECT BY"),
        ("SELECT first_name || last_name AS n FROM users", "||"),
        ("SELECT exitdate - entrydate AS d FROM students", "arithmetic"),
        ("SELECT dcid FROM students WHERE exitdate > :as_of + 7", "arithmetic"),
        ("SELECT * FROM users", "SELECT *"),
        ("SELECT u.* FROM users u", "SELECT *"),
        ("SELECT dcid FROM users UNION SELECT dcid FROM students", "one SELECT"),
        ("DELETE FROM users", "one SELECT"),
        ("SELECT dcid FROM users; SELECT dcid FROM users", "one SELECT"),
        ("SELECT dcid FROM users;", "semicolon"),
        ("", "one SELECT"),
        ("SELECT ps_customfields.getcf('x', dcid) AS c FROM users", "GETCF"),
        ("SELECT dcid FROM users FETCH FIRST 3 ROWS ONLY", "FETCH FIRST"),
        ("SELECT ROW_NUMBER() OVER (ORDER BY dcid) AS n FROM users", "ROW_NUMBER"),
        ("SELECT 1 AS x", "without FROM"),
        ("SELECT dcid FROM users AS u", "AS before the alias"),
        ("SELECT dcid FROM users WHERE city = ''", "empty text"),
        ('SELECT "dcid" FROM users', "quoted name"),
        ("SELECT CAST(dcid AS NUMBER) AS n FROM users", "CAST to NUMBER"),
        ("SELECT CAST(whencreated AS DATE) AS d FROM users", "CAST to DATE"),
        ("SELECT dcid FROM users WHERE whencreated > DATE '2025-01-01'", "Date"),
        ("SELECT dcid FROM nobody", "nobody"),
        ("SELECT dcid FROM ps.users", "ps.users"),
        (
            "SELECT CAST(s.student_number AS VARCHAR2(9)) AS n FROM students s",
            "to text",
        ),
        ("SELECT CAST(entrydate AS VARCHAR2(9)) AS n FROM students", "to text"),
        ("SELECT dcid FRO users x y", "line 1"),
        ("SELECT dcid FROM users WHERE city = 'x", "quotation mark"),
    ],
)
def test_everything_outside_the_subset_is_named_and_refused(
    sql: str, named: str
) -> None:
    assert named in " ".join(schema.check_subset(query(sql)))
    with pytest.raises(ConfigurationError, match=r"q\.sql"):
        schema.translate(query(sql))


def test_several_violations_are_all_named() -> None:
    found = schema.check_subset(query("SELECT NVL(a, b)\n FROM t WHERE x = y(+) - :1"))
    text = "; ".join(found)
    assert all(part in text for part in ("line 1: NVL", "line 2: (+)", "line 2: :1"))


def test_a_name_in_a_comment_or_in_text_is_no_violation() -> None:
    sql = (
        "-- NVL(a), SYSDATE, :1;\nSELECT dcid FROM users WHERE city = 'TRUNC(x) (+) ||'"
    )
    assert schema.check_subset(query(sql)) == []


def test_trim_gives_null_for_spaces_as_in_oracle() -> None:
    sql = (
        "SELECT TRIM(city) AS c FROM users WHERE COALESCE(TRIM(TRIM(city)), 'n') = 'n'"
    )
    with duckdb.connect() as connection:
        schema.create_tables(connection, ["users"])
        connection.execute("INSERT INTO users (city) VALUES ('   '), (' a '), (NULL)")
        got = connection.sql(schema.translate(query(sql))).fetchall()
    assert got == [(None,), (None,)]


def test_the_tables_and_columns_that_a_query_reads() -> None:
    sql = """
        WITH here AS (SELECT s.users_dcid FROM schoolstaff s WHERE s.status = 1)
        SELECT u.DCID, u.Nonsense FROM USERS u JOIN here h ON h.users_dcid = u.DCID
        WHERE EXISTS (SELECT 1 FROM schools WHERE school_number = u.homeschoolid)
    """
    assert schema.columns_read(query(sql)) == {
        "users": {"dcid", "homeschoolid"},
        "schoolstaff": {"users_dcid", "status"},
        "schools": {"school_number"},
    }
    view = query("SELECT t.email_addr FROM TEACHERS t")
    assert set(schema.tables_read(view)) == {"users", "schoolstaff"}
    assert "users_dcid" in schema.columns_read(view)["schoolstaff"]


def test_the_promised_types() -> None:
    promised = schema.expected_schema(
        query(
            "SELECT u.DCID, CAST(u.dcid AS NUMBER(18)) AS n, COUNT(*) AS number_of,"
            " CAST(u.dcid AS NUMBER(10, 2)) AS amount, MAX(p.ID) AS long_id,"
            " MAX(s.student_number) AS real_number, u.city, MIN(u.whencreated) AS at,"
            " CASE WHEN u.dcid = :x THEN 1 END AS one"
            " FROM users u, person p, students s GROUP BY u.dcid, u.city"
        )
    )
    assert dict(zip(promised.names, promised.types, strict=True)) == {
        "dcid": pa.int64(),
        "n": pa.int64(),
        "number_of": pa.int64(),
        "amount": pa.float64(),
        "long_id": pa.decimal128(19, 0),
        "real_number": pa.float64(),
        "city": pa.string(),
        "at": pa.timestamp("us"),
        "one": pa.int64(),
    }


@pytest.mark.parametrize("column", ["dcid = 1 AS x", ":x AS x", "dcid, city AS dcid"])
def test_a_column_that_cannot_be_kept_is_refused(column: str) -> None:
    with pytest.raises(ConfigurationError, match=r"q\.sql"):
        schema.expected_schema(query(f"SELECT {column} FROM users"))


def test_a_column_that_the_schema_lacks_is_refused() -> None:
    with pytest.raises(QueryError, match="nonsense"):
        schema.expected_schema(query("SELECT nonsense FROM users"))


WANTED = pa.schema(
    [
        pa.field("n", pa.int64()),
        pa.field("x", pa.float64()),
        pa.field("t", pa.string()),
        pa.field("at", pa.timestamp("us")),
        pa.field("big", pa.decimal128(19, 0)),
    ]
)
MORNING = dt.datetime(2025, 8, 14, 7, 30)
GOOD = {
    "n": pa.array([Decimal(7), None], pa.decimal128(18, 0)),
    "x": pa.array([1, 2], pa.int64()),
    "t": pa.array(["", " "], pa.large_string()),
    "at": pa.array([MORNING, None], pa.timestamp("s")),
    "big": pa.array([Decimal(10**18), None], pa.decimal128(38, 0)),
}


def batch(columns: dict[str, pa.Array]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def test_a_batch_gets_the_promised_order_names_and_types() -> None:
    columns = {name.upper(): GOOD[name] for name in reversed(GOOD)}
    got = schema.conform(batch(columns), WANTED, query(""))
    assert got.schema == WANTED
    assert got.to_pylist() == [
        {"n": 7, "x": 1.0, "t": None, "at": MORNING, "big": Decimal(10**18)},
        {"n": None, "x": 2.0, "t": " ", "at": None, "big": None},
    ]


def test_a_column_of_nothing_but_null_fits_every_type() -> None:
    empty = batch({name: pa.nulls(1) for name in GOOD})
    got = schema.conform(empty, WANTED, query(""))
    assert got.to_pylist() == [dict.fromkeys(GOOD)]
    assert got.schema == WANTED


@pytest.mark.parametrize(
    ("column", "array", "said"),
    [
        ("n", pa.array([7.0, 8.0]), "CAST the column AS NUMBER(18) in the query"),
        ("n", pa.array(["7", "8"]), "expected whole number (int64), got text"),
        ("n", pa.array([Decimal("7.5")] * 2), "got number"),
        ("n", pa.array([Decimal(10**30)] * 2), "does not fit int64"),
        ("t", pa.array([MORNING] * 2), "expected text (string), got timestamp"),
        ("t", pa.array([7, 8]), "expected text (string), got whole number"),
        ("at", pa.array(["07:30"] * 2), "expected timestamp"),
        ("at", pa.array([MORNING] * 2, pa.timestamp("us", "UTC")), "with a time zone"),
    ],
)
def test_a_column_of_another_kind_stops_the_extract(
    column: str, array: pa.Array, said: str
) -> None:
    with pytest.raises(IncompleteExtractError) as caught:
        schema.conform(batch({**GOOD, column: array}), WANTED, query(""))
    assert said in str(caught.value)
    assert f"q.sql: {column}" in str(caught.value)


def test_missing_extra_and_doubled_columns_stop_the_extract() -> None:
    less = {name: array for name, array in GOOD.items() if name != "t"}
    for columns, said in (
        (less, "missing: t; not promised: none"),
        ({**GOOD, "more": GOOD["x"]}, "missing: none; not promised: more"),
        ({**GOOD, "T": GOOD["t"]}, "columns"),
    ):
        with pytest.raises(IncompleteExtractError) as caught:
            schema.conform(batch(columns), WANTED, query(""))
        assert said in str(caught.value)
