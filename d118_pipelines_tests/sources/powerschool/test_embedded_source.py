"""The CSV source: what it reads, what it refuses, and that its errors hold no value."""

from __future__ import annotations

import csv
import datetime as dt
import traceback
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from d118_pipelines.errors import ConfigurationError, QueryError
from d118_pipelines.sources.powerschool import schema
from d118_pipelines.sources.powerschool.embedded import QUERIES_FOLDER, EmbeddedSource
from d118_pipelines.sources.powerschool.source import Binds, Query
from d118_pipelines_tests.support.queries import fetch

SECRET = "Zanzibar-4711"


def query(sql: str) -> Query:
    return Query("q", sql, Path("q.sql"))


def rows(folder: Path, sql: str, binds: Binds | None = None) -> list[dict[str, Any]]:
    batches: list[pa.RecordBatch] = []
    fetch(EmbeddedSource(folder), query(sql), binds or {}, batches.append)
    return [row for batch in batches for row in batch.to_pylist()]


def write(folder: Path, name: str, content: str | bytes) -> None:
    data = content if isinstance(content, bytes) else content.encode("utf-8")
    (folder / name).write_bytes(data)


def refusal(folder: Path, sql: str) -> str:
    with pytest.raises(QueryError) as caught:
        rows(folder, sql)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    return str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        'DCID,Last_Name,STREET\r\n1,"O\'Neil, Jr","a\tb\r\nc"\r\n2," x ",""\r\n3,,é\r\n',
        '\ufeffdcid,last_name,street\n1,"O\'Neil, Jr","a\tb\r\nc"\n2, x ,\n3,"","é"',
        'extra,street,last_name, dcid \nq,"a\tb\r\nc","O\'Neil, Jr",1\nq,, x ,2\nq,é,,3\n',
    ],
    ids=["CRLF, upper case", "byte order mark, no last line end", "other column order"],
)
def test_the_forms_of_a_file_all_read_the_same(tmp_path: Path, content: str) -> None:
    write(tmp_path, "users.csv", content)
    assert rows(
        tmp_path, "SELECT dcid, last_name, street FROM users ORDER BY dcid"
    ) == [
        {"dcid": 1, "last_name": "O'Neil, Jr", "street": "a\tb\r\nc"},
        {"dcid": 2, "last_name": " x ", "street": None},
        {"dcid": 3, "last_name": None, "street": "é"},
    ]


def test_cells_become_the_types_of_the_table(tmp_path: Path) -> None:
    write(
        tmp_path,
        "students.csv",
        "dcid,student_number,dob,entrydate,exitdate,zip\n"
        "1.0,220001.0,2012-05-06,8/14/2025,2025-08-14 07:30:00.5,00501\n",
    )
    (row,) = rows(
        tmp_path,
        "SELECT dcid, student_number, CAST(student_number AS NUMBER(18)) AS n, dob,"
        " entrydate, exitdate, zip FROM students",
    )
    assert row == {
        "dcid": 1,
        "student_number": 220001.0,
        "n": 220001,
        "dob": dt.datetime(2012, 5, 6),
        "entrydate": dt.datetime(2025, 8, 14),
        "exitdate": dt.datetime(2025, 8, 14, 7, 30, 0, 500_000),
        "zip": "00501",
    }


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("dcid", SECRET),
        ("dcid", "1.5"),
        ("dcid", "1_000"),
        ("dcid", " 7731"),
        ("dcid", "99999999999999999999"),
        ("whencreated", "14-AUG-25"),
        ("whencreated", "2025-02-30"),
        ("whencreated", "2/30/2025"),
    ],
)
def test_a_cell_of_another_kind_is_refused_with_its_line(
    tmp_path: Path, column: str, cell: str
) -> None:
    write(
        tmp_path,
        "users.csv",
        f'{column},last_name\n,"{SECRET}\nJr"\n\n{cell},{SECRET}\nx,y\n',
    )
    text = refusal(tmp_path, f"SELECT {column}, last_name FROM users")
    assert f"users.csv, line 5, column {column}" in text
    for allowed in (str(tmp_path), "2025-08-14", "8/14/2025"):
        text = text.replace(allowed, "")
    assert cell.strip() not in text


def test_a_number_column_refuses_what_is_not_a_number(tmp_path: Path) -> None:
    write(tmp_path, "students.csv", f"dcid,student_number\n1,{SECRET}\n")
    text = refusal(tmp_path, "SELECT student_number FROM students")
    assert "students.csv, line 2, column student_number" in text


def test_a_cell_of_a_column_that_is_not_read_does_not_matter(tmp_path: Path) -> None:
    write(tmp_path, "users.csv", "dcid,whencreated\n1,nonsense\n")
    assert rows(tmp_path, "SELECT dcid FROM users") == [{"dcid": 1}]


@pytest.mark.parametrize(
    ("content", "line", "fault"),
    [
        (f"dcid,last_name\n1,a\n2,{SECRET},c\n", 3, "3 cells where the header has 2"),
        (f'dcid,last_name\n1,"a\nb"\n{SECRET}\n', 4, "1 cells where the header has 2"),
        (f'dcid,last_name\n1,a\n2,"{SECRET}\n3,b\n', 3, "a quotation mark"),
        (f"dcid,last_name\n1,a\n2,{SECRET}é\n".encode("cp1252"), 3, "not UTF-8"),
        ("dcid,Prénom\n".encode("cp1252"), 1, "not UTF-8"),
    ],
    ids=["too many cells", "too few cells", "open quote", "cp1252", "cp1252 header"],
)
def test_a_broken_file_is_refused_with_its_line(
    tmp_path: Path, content: str | bytes, line: int, fault: str
) -> None:
    write(tmp_path, "users.csv", content)
    text = refusal(tmp_path, "SELECT dcid, last_name FROM users")
    assert f"users.csv, line {line}" in text
    assert fault in text


@pytest.mark.parametrize("header", ["", "a,b", "dcid\tlast_name", "dcid,DCID"])
def test_a_header_of_something_else_is_refused(tmp_path: Path, header: str) -> None:
    write(tmp_path, "users.csv", f"{header}\n1,2\n" if header else "")
    text = refusal(tmp_path, "SELECT dcid FROM users")
    assert "users.csv, line 1" in text


def test_a_header_without_rows_is_an_empty_table(tmp_path: Path) -> None:
    write(tmp_path, "users.csv", "dcid\n")
    assert rows(tmp_path, "SELECT dcid FROM users") == []


def test_a_column_that_the_file_lacks_is_null_and_warned_about(tmp_path: Path) -> None:
    write(tmp_path, "users.csv", "dcid\n1\n")
    got: list[pa.RecordBatch] = []
    sql = "SELECT u.dcid, u.city FROM users u WHERE u.state IS NULL"
    warnings = fetch(EmbeddedSource(tmp_path), query(sql), {}, got.append)
    assert got[0].to_pylist() == [{"dcid": 1, "city": None}]
    assert warnings == [
        "users.csv has no column city; it is read as empty",
        "users.csv has no column state; it is read as empty",
    ]


def test_a_missing_file_names_the_file_the_variable_and_the_query(
    tmp_path: Path,
) -> None:
    write(tmp_path, "users.csv", "dcid\n1\n")
    with pytest.raises(ConfigurationError) as caught:
        rows(tmp_path, "SELECT t.users_dcid FROM teachers t")
    for part in ("schoolstaff.csv", str(tmp_path), "POWERSCHOOL_CSV_DIR", "q.sql"):
        assert part in str(caught.value)


def test_null_sorts_last_ascending_and_first_descending_as_in_oracle(
    tmp_path: Path,
) -> None:
    write(tmp_path, "users.csv", "dcid,city\n1,b\n2,\n3,a\n")
    sql = "SELECT city FROM users ORDER BY city"
    assert [r["city"] for r in rows(tmp_path, sql)] == ["a", "b", None]
    assert [r["city"] for r in rows(tmp_path, f"{sql} DESC")] == [None, "b", "a"]


def test_binds_are_values_and_must_be_the_ones_that_the_query_names(
    tmp_path: Path,
) -> None:
    write(tmp_path, "students.csv", "dcid,exitdate\n1,2025-06-01\n2,2025-06-02\n3,\n")
    sql = "SELECT dcid FROM students WHERE exitdate >= :As_Of"
    binds: list[Binds] = [{"as_of": dt.date(2025, 6, 2)}]
    binds.append({"AS_OF": dt.datetime(2025, 6, 1, 12)})
    for values in binds:
        assert rows(tmp_path, sql, values) == [{"dcid": 2}]
    assert rows(tmp_path, sql, {"as_of": None}) == []
    for wrong in ({}, {"as_of": None, "other": 1}):
        with pytest.raises(QueryError, match=":as_of"):
            rows(tmp_path, sql, wrong)


def test_a_cast_that_fails_on_the_way_does_not_show_the_value(tmp_path: Path) -> None:
    write(tmp_path, "users.csv", f"dcid,teachernumber\n1,7\n2,{SECRET}\n")
    text = refusal(tmp_path, "SELECT CAST(teachernumber AS NUMBER(18)) AS n FROM users")
    assert "q.sql" in text


@pytest.mark.long
def test_rows_come_in_order_in_several_batches(tmp_path: Path) -> None:
    with (tmp_path / "users.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["dcid"], *([n] for n in range(120_000, 0, -1))])
    batches: list[pa.RecordBatch] = []
    fetch(
        EmbeddedSource(tmp_path),
        query("SELECT dcid FROM users ORDER BY dcid"),
        {},
        batches.append,
    )
    assert len(batches) > 1
    got = [n for batch in batches for n in batch.column("dcid").to_pylist()]
    assert got == list(range(1, 120_001))


def test_an_error_of_the_receiver_passes_through_unchanged(tmp_path: Path) -> None:
    write(tmp_path, "users.csv", "dcid\n1\n")

    def full(batch: pa.RecordBatch) -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        fetch(EmbeddedSource(tmp_path), query("SELECT dcid FROM users"), {}, full)


def test_a_folder_name_with_wildcards_reads_its_own_files(tmp_path: Path) -> None:
    for name, number in (("district[1]*", 1), ("district1", 2)):
        (tmp_path / name).mkdir()
        write(tmp_path / name, "users.csv", f"dcid\n{number}\n")
    assert rows(tmp_path / "district[1]*", "SELECT dcid FROM users") == [{"dcid": 1}]


def test_the_marker_file_makes_a_demonstration(tmp_path: Path) -> None:
    assert not EmbeddedSource(tmp_path).is_demonstration
    write(tmp_path, "DEMONSTRATION.txt", "made up\n")
    assert EmbeddedSource(tmp_path).is_demonstration
    assert EmbeddedSource(tmp_path).kind == "csv"


def test_the_connection_test_lists_what_is_there_and_what_is_missing(
    tmp_path: Path,
) -> None:
    needed = {
        table
        for path in QUERIES_FOLDER.glob("*.sql")
        for table in schema.tables_read(Query.read(path))
    }
    write(tmp_path, "users.csv", "dcid\n")
    report = EmbeddedSource(tmp_path).test()
    assert not report.success
    assert "found users.csv; missing " in report.message
    assert "schoolstaff.csv" in report.message
    for table in needed:
        write(tmp_path, f"{table}.csv", "dcid\n")
    report = EmbeddedSource(tmp_path).test()
    assert report.success and report.latency_seconds < 5
    assert report.message.endswith("missing none")
