"""The demonstration district looks like one; the tests' own one has every case."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from d118_pipelines.demo.district import WATERMARK_FILE, make_demo_district
from d118_pipelines.demo.staff import NEWEST_DCID
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.sources.powerschool import schema
from d118_pipelines.sources.powerschool.csv_tables import load_table
from d118_pipelines.sources.powerschool.embedded import QUERIES_FOLDER, EmbeddedSource
from d118_pipelines.sources.powerschool.source import Query
from d118_pipelines_tests.demo.awkward import make_awkward_district
from d118_pipelines_tests.support.queries import fetch

TODAY = dt.date(2025, 11, 3)
DAYS = [
    dt.date(2019, 6, 30),
    dt.date(2019, 7, 1),
    dt.date(2024, 2, 29),
    dt.date(2025, 12, 31),
    dt.date(2026, 1, 1),
    dt.date(2031, 8, 15),
]
BAD_NAMES = (
    *("use", "use ", "training1", "planning", "admin", "nurse", "user", "payroll"),
    *("human", "plugin", "test", "do not"),
)


REAL_PEOPLE_WITH_BAD_NAMES = (8001, 8002, 8003)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "district"
    make_demo_district(folder, today=TODAY)
    return folder


@pytest.fixture(scope="module")
def awkward_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("awkward") / "district"
    make_awkward_district(folder, today=TODAY)
    return folder


@pytest.fixture(scope="module")
def district(made: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with loaded(made) as connection:
        yield connection


@pytest.fixture(scope="module")
def awkward(awkward_folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with loaded(awkward_folder) as connection:
        yield connection


@contextmanager
def loaded(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The folder's tables in DuckDB, and the view `staff` over them."""
    with duckdb.connect() as connection:
        schema.create_tables(connection)
        for path in sorted(folder.glob("*.csv")):
            table = schema.table(path.stem)
            present = path.read_text(encoding="utf-8").partition("\n")[0].split(",")
            assert set(present) <= set(table.columns)
            assert load_table(connection, path, table, frozenset(present)) == []
        connection.execute("""
            CREATE VIEW staff AS
            SELECT u.*, s.schoolid, s.status, s.staffstatus, h.* EXCLUDE (whencreated,
              whenmodified) FROM users u
            LEFT JOIN schoolstaff s ON s.users_dcid = u.dcid AND s.schoolid = u.homeschoolid
            LEFT JOIN u_humanresources h ON h.usersdcid = u.dcid
        """)
        yield connection


def collect(rows: list[dict[str, Any]]) -> Callable[[pa.RecordBatch], None]:
    return lambda batch: rows.extend(batch.to_pylist())


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.long
def test_the_same_seed_and_day_give_the_same_bytes(tmp_path: Path, made: Path) -> None:
    again = tmp_path / "a"
    make_demo_district(again, today=TODAY)
    assert content(again) == content(made)
    make_demo_district(again, today=TODAY, seed=7)
    assert content(again)["users.csv"] != content(made)["users.csv"]
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_the_staff_is_the_same_in_every_school_year(tmp_path: Path, made: Path) -> None:
    make_demo_district(tmp_path / "a", today=dt.date(2027, 2, 1))
    now, then = content(made), content(tmp_path / "a")
    changed = {name for name in now if now[name] != then[name]}
    names = ["terms", "students", "sections", "sectionteacher", "cc"]
    names += ["u_def_ext_students0", "s_il_stu_x", "s_il_stu_plan504_x", "s_stu_crdc_x"]
    assert changed == {f"{name}.csv" for name in names}


@pytest.mark.long
@pytest.mark.parametrize("today", DAYS, ids=str)
def test_every_day_lies_in_the_school_year_and_its_terms(
    tmp_path: Path, today: dt.date
) -> None:
    make_demo_district(tmp_path / "d", today=today)
    sql = "SELECT schoolid, portion, id, yearid, firstday, lastday FROM terms"
    rows: list[dict[str, Any]] = []
    fetch(
        EmbeddedSource(tmp_path / "d"),
        Query("t", sql, Path("t.sql")),
        {},
        collect(rows),
    )
    for school in (0, 5, 1003, 1004, 2001, 2005, 2007):
        first_year = today.year - (today.month < 7)
        everything = [row for row in rows if row["schoolid"] == school]
        years = sorted(r["yearid"] + 1990 for r in everything if r["portion"] == 1)
        assert years == [first_year - 1, first_year, first_year + 1]
        terms = [r for r in everything if r["yearid"] + 1990 == first_year]
        assert sorted(row["portion"] for row in terms) == [1, 2, 2, 4, 4, 4, 4]
        spans = [
            r for r in terms if r["firstday"].date() <= today <= r["lastday"].date()
        ]
        assert sorted(row["portion"] for row in spans) == [1, 2, 4]
        (year,) = (row for row in terms if row["portion"] == 1)
        assert year["id"] == year["yearid"] * 100
        assert year["firstday"].year == first_year


@pytest.mark.long
def test_students_move_up_in_july(tmp_path: Path) -> None:
    sql = "SELECT dcid, last_name, grade_level FROM students WHERE enroll_status = 0"
    years: list[dict[int, tuple[str, int]]] = []
    for today in (dt.date(2025, 6, 30), dt.date(2025, 7, 1)):
        make_demo_district(tmp_path / "d", today=today)
        rows: list[dict[str, Any]] = []
        fetch(
            EmbeddedSource(tmp_path / "d"),
            Query("s", sql, Path("s.sql")),
            {},
            collect(rows),
        )
        years.append({r["dcid"]: (r["last_name"], r["grade_level"]) for r in rows})
    both = years[0].keys() & years[1].keys()
    assert len(both) > 3500
    for dcid in both:
        (name, grade), (later_name, later_grade) = years[0][dcid], years[1][dcid]
        assert (later_name, later_grade) == (name, grade + 1)


def test_the_district_has_the_size_of_a_district(
    district: duckdb.DuckDBPyConnection,
) -> None:
    accounts, with_email = district.sql(
        "SELECT count(*), count(email_addr) FROM users"
    ).fetchall()[0]
    assert with_email == 620
    assert 640 <= accounts <= 680
    students = district.sql("SELECT * FROM students")
    assert 4_300 <= len(students) <= 4_700
    assert 30_000 <= len(district.sql("SELECT * FROM cc")) <= 33_500
    numbers = district.sql("SELECT DISTINCT student_number FROM students").fetchall()
    assert len(numbers) == len(students)
    assert all(re.fullmatch(r"2[12]\d{4}\.0", str(number)) for (number,) in numbers)


def test_keys_are_unique_and_point_at_something(
    district: duckdb.DuckDBPyConnection,
) -> None:
    for table, key in (
        *((name, "dcid") for name in ("users", "schoolstaff", "students", "schools")),
        ("schoolstaff", "users_dcid, schoolid"),
        ("u_humanresources", "usersdcid"),
        ("terms", "schoolid, id"),
    ):
        sql = f"SELECT {key} FROM {table} GROUP BY {key} HAVING count(*) > 1"
        assert district.sql(sql).fetchall() == [], table
    for table, column, target in (
        ("schoolstaff", "users_dcid", "SELECT dcid FROM users"),
        ("u_humanresources", "usersdcid", "SELECT dcid FROM users"),
        ("schoolstaff", "schoolid", "SELECT school_number FROM schools"),
        ("users", "homeschoolid", "SELECT school_number FROM schools"),
        ("students", "schoolid", "SELECT school_number FROM schools"),
    ):
        sql = f"SELECT {column} FROM {table} WHERE {column} NOT IN ({target})"
        assert district.sql(sql).fetchall() == [], (table, column)


@pytest.mark.long
@pytest.mark.parametrize("folder", ["made", "awkward_folder"])
def test_the_queries_read_the_district_without_a_warning(
    folder: str, request: pytest.FixtureRequest
) -> None:
    source = EmbeddedSource(request.getfixturevalue(folder))
    assert source.is_demonstration
    assert source.test().success
    for path in sorted(QUERIES_FOLDER.glob("*.sql")):
        assert fetch(source, Query.read(path), {}, lambda batch: None) == []


def test_about_ten_exportable_people_are_newer_than_the_watermark(
    made: Path, district: duckdb.DuckDBPyConnection
) -> None:
    watermark = int((made / WATERMARK_FILE).read_text())
    assert watermark == NEWEST_DCID
    people = district.sql(
        "SELECT dcid, lower(first_name), lower(last_name), trim(email_addr),"
        " regexp_full_match(trim(teachernumber), '0*[1-9][0-9]{0,8}'), schoolid,"
        " contractemp FROM staff WHERE email_addr IS NOT NULL AND homeschoolid <> 2"
    ).fetchall()
    exportable = [
        dcid
        for dcid, first, last, email, has_number, school, contract in people
        if all([first, email, has_number, school is not None])
        and (dcid in REAL_PEOPLE_WITH_BAD_NAMES or not {first, last} & {*BAD_NAMES})
        and (school == 500 or contract not in ("1", "Y"))
    ]
    assert len([dcid for dcid in exportable if dcid > watermark]) == 10
    assert 600 <= len(exportable) <= 610


CASES = {
    "bad first or last name": f"lower(last_name) IN {BAD_NAMES}"
    f" OR lower(first_name) IN {BAD_NAMES}",
    "the word use and a space": "first_name = 'use '",
    "an account Do Not / Use": "first_name = 'Do Not' AND last_name = 'Use'",
    "in two buildings": "(SELECT count(*) FROM schoolstaff o WHERE o.users_dcid = staff.dcid) = 2",
    "home inactive, active elsewhere": "status = 2 AND EXISTS (FROM schoolstaff o WHERE"
    " o.users_dcid = staff.dcid AND o.status = 1)",
    "home row missing": "homeschoolid IS NOT NULL AND schoolid IS NULL AND EXISTS"
    " (FROM schoolstaff o WHERE o.users_dcid = staff.dcid)",
    "no home building, with a row": "homeschoolid IS NULL AND EXISTS"
    " (FROM schoolstaff o WHERE o.users_dcid = staff.dcid)",
    "no home building, no row": "homeschoolid IS NULL AND NOT EXISTS"
    " (FROM schoolstaff o WHERE o.users_dcid = staff.dcid)",
    "onboarding": "homeschoolid = 2",
    "active substitute": "homeschoolid = 500 AND status = 1",
    "inactive substitute": "homeschoolid = 500 AND status = 2",
    "contract substitute": "homeschoolid = 500 AND contractemp = '1'",
    "contract employee, 1": "homeschoolid <> 500 AND contractemp = '1'",
    "contract employee, Y": "contractemp = 'Y'",
    "no employee number": "email_addr IS NOT NULL AND teachernumber IS NULL",
    "blank employee number": "trim(teachernumber) = ''",
    "letters in the number": "regexp_matches(teachernumber, '[A-Z]')",
    "number too long": "length(teachernumber) > 9",
    "number below zero": "starts_with(teachernumber, '-')",
    "number zero": "teachernumber = '0000'",
    "leading zeros": "regexp_matches(teachernumber, '^0+[1-9]')",
    "spaces around the number": "teachernumber <> trim(teachernumber)"
    " AND trim(teachernumber) <> ''",
    "00500 inactive": "teachernumber = '00500' AND status = 2",
    "500 active": "teachernumber = '500' AND status = 1",
    "shared e-mail, active": "email_addr = 'shared.mailbox@d118.example' AND status = 1",
    "shared e-mail, inactive": "email_addr = 'shared.mailbox@d118.example' AND status = 2",
    "e-mail of spaces": "trim(email_addr) = ''",
    "forty accounts without e-mail": "(SELECT count(*) FROM users WHERE email_addr IS NULL)"
    " BETWEEN 40 AND 50",
    "e-mail in upper case": "email_addr = upper(email_addr) AND trim(email_addr) <> ''",
    "e-mail in mixed case": "regexp_matches(email_addr, '[A-Z]')"
    " AND regexp_matches(email_addr, '[a-z]')",
    "no first name": "first_name IS NULL",
    "STATUS 0": "status = 0",
    "STATUS NULL": "schoolid IS NOT NULL AND status IS NULL",
    "STATUS 2": "status = 2",
    "STAFFSTATUS NULL": "schoolid IS NOT NULL AND staffstatus IS NULL",
    **{f"STAFFSTATUS {n}": f"staffstatus = {n}" for n in range(5)},
    "no HR row": "status = 1 AND staffstatus = 1 AND usersdcid IS NULL",
    "HR row without calendar": "status = 1 AND usersdcid IS NOT NULL AND calendar IS NULL",
    "no position": "staffstatus = 1 AND usersdcid IS NOT NULL AND sfe_position IS NULL",
    "no start time": "sfe_position IS NOT NULL AND start_time IS NULL",
    "M W F in one schedule": "concat(time1_monday, time1_tuesday, time1_wednesday,"
    " time1_thursday, time1_friday) = '10101' AND time2_tuesday = '0'",
    "two complete schedules": "time1_monday = '1' AND time2_tuesday = '1'"
    " AND time2_monday = '0' AND start_time_2 IS NOT NULL AND am_time_2 IS NOT NULL"
    " AND am_time IS NOT NULL",
    "second schedule without times": "time2_tuesday = '1' AND start_time_2 IS NULL",
    "a day in both schedules": "time1_monday = '1' AND time2_monday = '1'",
    "no box of the first schedule": "time2_tuesday = '1' AND time1_monday = '0'",
    "AM and PM of the second empty": "start_time_2 IS NOT NULL AND am_time_2 IS NULL"
    " AND am_time IS NOT NULL",
    "AM and PM of the first empty": "am_time_2 IS NOT NULL AND am_time IS NULL",
    "AM and PM empty, one schedule": "start_time IS NOT NULL AND am_time IS NULL"
    " AND start_time_2 IS NULL",
    "boxes spelled Y": "time1_friday = 'Y' AND custom_times = 'Y'",
    "boxes spelled T": "time1_friday = 'T'",
    "boxes empty": "usersdcid IS NOT NULL AND time1_friday IS NULL AND start_time <> ''",
    "tab in a street": "contains(street, chr(9))",
    "line break in a street": "contains(street, chr(13) || chr(10))",
    "pipe in a name": "contains(last_name, '|')",
    "letters outside cp1252": "contains(first_name, 'Ł')",
    "apostrophe": "contains(last_name, '''')",
    "hyphen": "contains(last_name, '-')",
    "only a legal first name": "EXISTS (FROM s_il_usr_x x WHERE x.usersdcid = dcid"
    " AND legal_first_name <> '' AND legal_last_name IS NULL)",
    "both legal names": "EXISTS (FROM s_il_usr_x x WHERE x.usersdcid = dcid"
    " AND legal_first_name <> '' AND legal_last_name <> '')",
    "nothing but what is required": "email_addr <> '' AND home_phone IS NULL"
    " AND street IS NULL AND schoolid IS NOT NULL",
    "a ghost that shares an e-mail": "dcid = 139 AND email_addr IN"
    " (SELECT email_addr FROM users WHERE dcid > 1000)",
    "a ghost without e-mail": "dcid = 9625 AND email_addr IS NULL",
}


@pytest.mark.parametrize("case", CASES)
def test_every_awkward_case_is_there(
    case: str, awkward: duckdb.DuckDBPyConnection
) -> None:
    sql = f"SELECT count(*) FROM staff WHERE {CASES[case]}"
    (found,) = awkward.sql(sql).fetchall()[0]
    assert found >= 1


SHOWN = {
    "bad_name": "lower(last_name) = 'test'",
    "active_elsewhere": "status = 2 AND EXISTS (FROM schoolstaff o WHERE"
    " o.users_dcid = staff.dcid AND o.status = 1)",
    "duplicate_email": "email_addr IN (SELECT email_addr FROM users GROUP BY 1"
    " HAVING count(*) > 1)",
    **{
        code: CASES[case]
        for code, case in {
            "home_school_row_missing": "home row missing",
            "no_home_school": "no home building, with a row",
            "contract_employee": "contract employee, 1",
            "missing_employee_id": "no employee number",
            "access_id_invalid": "letters in the number",
            "missing_name": "no first name",
            "schedule2_incomplete": "second schedule without times",
            "days_overlap": "a day in both schedules",
            "control_characters": "tab in a street",
            "unencodable_character": "letters outside cp1252",
        }.items()
    },
}


@pytest.mark.parametrize("code", SHOWN)
def test_the_demonstration_shows_the_findings_that_people_meet(
    code: str, district: duckdb.DuckDBPyConnection
) -> None:
    sql = f"SELECT count(*) FROM staff WHERE {SHOWN[code]}"
    (found,) = district.sql(sql).fetchall()[0]
    assert found >= 1


def test_the_person_of_the_documents_is_an_ordinary_teacher_of_two_schools(
    district: duckdb.DuckDBPyConnection,
) -> None:
    sql = (
        "SELECT first_name, last_name, status, staffstatus FROM staff WHERE dcid = 4001"
    )
    assert district.sql(sql).fetchall() == [("Ana", "Ruiz", 1, 1)]
    sql = "SELECT schoolid FROM schoolstaff WHERE users_dcid = 4001 ORDER BY schoolid"
    assert district.sql(sql).fetchall() == [(5,), (2001,)]


def test_real_people_with_bad_names_have_fixed_numbers(
    awkward: duckdb.DuckDBPyConnection,
) -> None:
    sql = f"SELECT last_name FROM users WHERE dcid IN {REAL_PEOPLE_WITH_BAD_NAMES}"
    names = awkward.sql(f"{sql} ORDER BY dcid").fetchall()
    assert names == [("Nurse",), ("Test",), ("Planning",)]


def test_a_folder_with_other_data_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "users.csv").write_text("dcid\n1\n")
    with pytest.raises(ConfigurationError, match="has other files in it"):
        make_demo_district(tmp_path, today=TODAY)
    assert content(tmp_path) == {"users.csv": b"dcid\n1\n"}
