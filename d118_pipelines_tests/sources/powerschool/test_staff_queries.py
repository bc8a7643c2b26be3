"""The staff queries give what the earlier scripts read through the TEACHERS view.

Those scripts took one row per person and school and kept the row whose school is the
home school. See docs/reference/hr_records.md and docs/reference/smartfind_express.md.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from d118_pipelines.sources.powerschool import schema
from d118_pipelines.sources.powerschool.csv_tables import load_table
from d118_pipelines.sources.powerschool.embedded import QUERIES_FOLDER, EmbeddedSource
from d118_pipelines.sources.powerschool.source import Query
from d118_pipelines_tests.demo.awkward import make_awkward_district
from d118_pipelines_tests.support.examples import examples
from d118_pipelines_tests.support.queries import fetch

Rows = list[dict[str, Any]]
STAFF_TABLES = (
    "users",
    "schoolstaff",
    "userscorefields",
    "s_il_usr_x",
    "u_humanresources",
)
HR_COLUMNS = ["calendar", "contractemp", "sfe_position"]
HR_COLUMNS += [c for c in schema.table("u_humanresources").columns if "time" in c]

TEACHERS_FOR_HR_RECORDS = """
    SELECT t.email_addr, t.teachernumber, t.first_name, t.middle_name, t.last_name,
           t.staffstatus, t.status, t.homeschoolid, t.schoolid, t.home_phone, t.street,
           t.city, t.state, t.zip, t.users_dcid, cf.dob, cf.gender, hr.personal_email,
           il.legal_first_name, il.legal_last_name
    FROM teachers t
    LEFT JOIN userscorefields cf ON cf.usersdcid = t.users_dcid
    LEFT JOIN u_humanresources hr ON hr.usersdcid = t.users_dcid
    LEFT JOIN s_il_usr_x il ON il.usersdcid = t.users_dcid
    WHERE t.email_addr IS NOT NULL ORDER BY t.users_dcid
"""
TEACHERS_FOR_SMARTFIND = """
    SELECT email_addr, teachernumber, home_phone, first_name, last_name, homeschoolid,
           schoolid, status, users_dcid
    FROM teachers
    WHERE email_addr IS NOT NULL AND NOT homeschoolid = 2 ORDER BY users_dcid
"""
HR_DATA = f"SELECT usersdcid, {', '.join(HR_COLUMNS)} FROM u_humanresources"


def run(
    connection: duckdb.DuckDBPyConnection, sql: str, binds: dict[str, Any] | None = None
) -> Rows:
    text = schema.translate(Query("original", sql, Path("original.sql")))
    relation = connection.sql(text, params=binds or {})
    return [
        dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()
    ]


def run_file(connection: duckdb.DuckDBPyConnection, name: str) -> Rows:
    return run(connection, Query.read(QUERIES_FOLDER / f"{name}.sql").sql)


def home_rows(rows: Rows) -> Rows:
    """Keep, row by row as the scripts did, people with exactly one home row."""
    kept = [row for row in rows if row["homeschoolid"] == row["schoolid"]]
    count = Counter(row["users_dcid"] for row in kept)
    return [row for row in kept if count[row["users_dcid"]] == 1]


def renamed(rows: Rows) -> Rows:
    """Bring a query file's rows to the names and the people of `home_rows`."""
    with_row = [row for row in rows if row["home_row_schoolid"] is not None]
    count = Counter(row["users_dcid"] for row in with_row)
    return [
        {"schoolid" if k == "home_row_schoolid" else k: row[k] for k in row}
        for row in with_row
        if count[row["users_dcid"]] == 1
    ]


def without(rows: Rows, *columns: str) -> Rows:
    return [{k: row[k] for k in row if k not in columns} for row in rows]


def check(connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """Compare both queries; return how many people each comparison had."""
    hr_records = run_file(connection, "hr_records_staff")
    smartfind = run_file(connection, "smartfind_staff")
    check_active_elsewhere(connection, hr_records, smartfind)
    ours = without(renamed(hr_records), "active_elsewhere")
    assert ours == home_rows(run(connection, TEACHERS_FOR_HR_RECORDS))
    return len(ours), check_smartfind(connection, smartfind)


def check_smartfind(connection: duckdb.DuckDBPyConnection, everybody: Rows) -> int:
    hr_data = {row.pop("usersdcid"): row for row in run(connection, HR_DATA)}
    nothing = dict.fromkeys(HR_COLUMNS)
    original = home_rows(run(connection, TEACHERS_FOR_SMARTFIND))
    for row in original:
        # The scripts read HR data person by person, and not for substitutes.
        reads = row["homeschoolid"] != 500
        row.update(hr_data.get(row["users_dcid"], nothing) if reads else nothing)
    ours = [r for r in renamed(everybody) if r["homeschoolid"] not in (2, None)]
    for row in ours:
        row.update(nothing if row["homeschoolid"] == 500 else {})
    assert without(ours, "active_elsewhere") == original
    return len(ours)


def check_active_elsewhere(
    connection: duckdb.DuckDBPyConnection, *results: Rows
) -> None:
    placements = run(connection, "SELECT users_dcid, schoolid, status FROM schoolstaff")
    active = {(p["users_dcid"], p["schoolid"]) for p in placements if p["status"] == 1}
    for row in (row for rows in results for row in rows):
        others = {s for d, s in active if d == row["users_dcid"]} - {
            row["homeschoolid"]
        }
        has_other = bool(others) and row["homeschoolid"] is not None
        assert row["active_elsewhere"] == has_other


@pytest.fixture
def empty() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        schema.create_tables(connection, STAFF_TABLES)
        yield connection


def test_the_queries_agree_with_the_scripts_on_the_demonstration_district(
    tmp_path: Path, empty: duckdb.DuckDBPyConnection
) -> None:
    folder = tmp_path / "demo"
    make_awkward_district(folder, today=dt.date(2025, 11, 3))
    for name in STAFF_TABLES:
        table = schema.table(name)
        load_table(empty, folder / f"{name}.csv", table, frozenset(table.columns))
    people_in_hr_records, people_in_smartfind = check(empty)
    assert people_in_hr_records > 600
    assert people_in_smartfind > 600


def insert(connection: duckdb.DuckDBPyConnection, table: str, rows: Rows) -> None:
    connection.execute(f"DELETE FROM {table}")
    if rows:
        columns = list(rows[0])
        marks = ", ".join(["?"] * len(columns))
        values = [row[column] for row in rows for column in columns]
        connection.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES"
            f" {', '.join([f'({marks})'] * len(rows))}",
            values,
        )


BUILDINGS = st.sampled_from([0, 2, 5, 500, 2001])
STATUS = st.sampled_from([None, 0, 1, 2])
TEXT = st.sampled_from([None, "a", "B", " ", "é|\t", "007"])


def columns(*names: str, **others: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({**dict.fromkeys(names, TEXT), **others})


PLACEMENT = columns(schoolid=BUILDINGS, status=STATUS, staffstatus=STATUS)
PERSON = st.tuples(
    columns(
        "email_addr", "teachernumber", "street", homeschoolid=st.none() | BUILDINGS
    ),
    st.lists(PLACEMENT, max_size=2),
    st.none() | columns("dob", "gender"),
    st.none() | columns("legal_first_name", "legal_last_name"),
    st.none() | columns("calendar", "contractemp", "start_time", "time2_friday"),
)


def tables_of(people: list[tuple[Any, ...]], *, with_home_rows: bool) -> list[Rows]:
    """Lay the people out as the staff tables, person n with DCID n."""
    tables: list[Rows] = [[] for _ in STAFF_TABLES]
    for dcid, (user, placements, *companions) in enumerate(people):
        tables[0].append({"dcid": dcid, **user})
        home = {"schoolid": user["homeschoolid"], "status": dcid % 3, "staffstatus": 1}
        homes = [home] if with_home_rows and user["homeschoolid"] is not None else []
        tables[1] += [{"users_dcid": dcid, **row} for row in [*placements, *homes]]
        for table, row in zip(tables[2:], companions, strict=True):
            table += [{"usersdcid": dcid, **row}] if row else []
    return [list(reversed(table)) for table in tables]


@settings(
    max_examples=examples(8, 30),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(people=st.lists(PERSON, min_size=4, max_size=8), with_home_rows=st.booleans())
def test_the_queries_agree_with_the_scripts_on_random_tables(
    empty: duckdb.DuckDBPyConnection,
    people: list[tuple[Any, ...]],
    with_home_rows: bool,
) -> None:
    tables = tables_of(people, with_home_rows=with_home_rows)
    for table, rows in zip(STAFF_TABLES, tables, strict=True):
        insert(empty, table, rows)
    check(empty)


def test_a_person_without_a_home_row_comes_back_without_a_school(
    tmp_path: Path,
) -> None:
    (tmp_path / "users.csv").write_text("dcid,homeschoolid,email_addr\n1,5,a\n2,,b\n")
    (tmp_path / "schoolstaff.csv").write_text("users_dcid,schoolid,status\n1,2001,1\n")
    for table in STAFF_TABLES[2:]:
        (tmp_path / f"{table}.csv").write_text("usersdcid\n")
    for name in ("hr_records_staff", "smartfind_staff"):
        batches: list[Any] = []
        query = Query.read(QUERIES_FOLDER / f"{name}.sql")
        fetch(EmbeddedSource(tmp_path), query, {}, batches.append)
        (first, second) = [row for batch in batches for row in batch.to_pylist()]
        assert (first["home_row_schoolid"], first["active_elsewhere"]) == (None, 1)
        assert (second["home_row_schoolid"], second["active_elsewhere"]) == (None, 0)
