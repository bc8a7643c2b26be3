"""The queries of the roster and of Clever's files, on Oracle and on CSV files alike.

See docs/reference/powerschool.md, the roster's queries.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from d118_pipelines.sources.denied import is_denied
from d118_pipelines.sources.powerschool.embedded import QUERIES_FOLDER, EmbeddedSource
from d118_pipelines.sources.powerschool.schema import (
    columns_read,
    expected_schema,
    tables,
)
from d118_pipelines.sources.powerschool.source import Query
from d118_pipelines_tests.support.examples import examples
from d118_pipelines_tests.support.oracle_case import batches, listening, source
from d118_pipelines_tests.support.oracle_listener import OracleListener

Row = Mapping[str, Any]
Content = Mapping[str, Sequence[Row]]

ROSTER = {
    name: Query.read(QUERIES_FOLDER / f"{name}.sql")
    for name in (
        *("schools", "terms", "courses", "sections", "section_teachers"),
        *("students", "staff", "enrollments"),
        *("clever_students", "clever_section_teachers", "clever_taken_sections"),
    )
}
# Small ranges, so that tables meet. Ids that the schema makes unique stay unique.
SMALL = {
    "schoolid": (5, 2001),
    "school_number": (0, 5, 2001),
    "yearid": (33, 34, 35, 36),
    "isyearrec": (0, 1, 1),
    "termid": (-3401, 3400, 3401),
    "enroll_status": (-1, 0, 2),
    "status": (None, 1, 2),
    "sectionid": (-2, 1, 2),
    "studentid": (1, 2),
    "studentsdcid": (1, 2, 3, 4),
}
UNIQUE = {
    **dict.fromkeys(
        ("users", "students", "courses", "cc", "terms", "schools"), ("dcid",)
    ),
    **dict.fromkeys(("sections", "sectionteacher", "roledef"), ("id",)),
    "schoolstaff": ("id",),
    **dict.fromkeys(
        ("u_def_ext_students0", "s_il_stu_x", "s_il_stu_plan504_x", "s_stu_crdc_x"),
        ("studentsdcid",),
    ),
}
# Sections and enrollments rarely agree on section, term and building: fewer have no row.
EXAMPLES = {"clever_taken_sections": (50, 50)}
TEXT = st.sampled_from([None, " ", 'O\'Neil, "Z"', "Zoë", "007", "a@d118.example"])
DAY = st.sampled_from([None, "2025-07-01 00:00:00", "2025-08-31 13:30:00"])


def cell(table: str, column: str) -> st.SearchStrategy[Any]:
    kind = tables()[table].columns[column]
    if (table, column) == ("terms", "id"):
        return st.sampled_from([3400, 3401])
    if column in SMALL:
        return st.sampled_from(SMALL[column])
    if kind == "VARCHAR":
        return TEXT
    if kind == "TIMESTAMP":
        return DAY
    numbers = st.integers(1, 4) if column in ("id", "dcid") else st.integers(0, 4)
    return numbers if kind != "DOUBLE" else st.sampled_from([None, 1.5, 220001.0])


def rows_of(table: str, columns: Sequence[str]) -> st.SearchStrategy[list[Row]]:
    row = st.fixed_dictionaries({name: cell(table, name) for name in columns})
    # SCHOOLID and ID together are the key of a term.
    keys = [UNIQUE[table]] + ([("schoolid", "id")] if table == "terms" else [])
    present = [key for key in keys if set(key) <= set(columns)]
    by = tuple((lambda r, key=key: tuple(r[k] for k in key)) for key in present)
    return st.lists(row, min_size=2, max_size=4, unique_by=by)


def fill(oracle: OracleListener, content: Content) -> None:
    for table, rows in content.items():
        oracle.database.execute(f"DELETE FROM {table}")
        for row in rows:
            marks = ", ".join("?" * len(row))
            oracle.database.execute(
                f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})",
                list(row.values()),
            )


@contextmanager
def folder_of(content: Content, columns: Mapping[str, Sequence[str]]) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        for table, rows in content.items():
            path = Path(folder) / f"{table}.csv"
            with path.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, columns[table], extrasaction="ignore")
                writer.writeheader()
                writer.writerows(rows)
        yield Path(folder)


def read(query: Query, content: Content) -> list[dict[str, Any]]:
    """The query's rows over CSV files; tables that are not given are empty."""
    columns = {name: sorted(read) for name, read in columns_read(query).items()}
    given_tables = {name: content.get(name, []) for name in columns}
    with folder_of(given_tables, columns) as folder:
        found = batches(EmbeddedSource(folder), query)
    return [row for batch in found for row in batch.to_pylist()]


@pytest.mark.long
@pytest.mark.parametrize("name", ROSTER)
def test_driver_and_files_give_the_same_rows(name: str) -> None:
    query = ROSTER[name]
    columns = {
        t: sorted({*read, *UNIQUE[t]}) for t, read in columns_read(query).items()
    }
    contents = st.fixed_dictionaries({t: rows_of(t, c) for t, c in columns.items()})
    row_counts: set[int] = set()

    with listening(*columns) as oracle:
        # Without shrinking: an example costs a login and a file per table.
        @settings(
            max_examples=examples(*EXAMPLES.get(name, (12, 12))),
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],
        )
        @given(content=contents)
        def same(content: Content) -> None:
            fill(oracle, content)
            with folder_of(content, columns) as folder:
                by_files = batches(EmbeddedSource(folder), query)
            by_driver = batches(source(oracle, batch_rows=3), query)
            promise = expected_schema(query)
            found = pa.Table.from_batches(by_driver, promise).to_pylist()
            others = pa.Table.from_batches(by_files, promise).to_pylist()
            assert sorted(map(str, found)) == sorted(map(str, others))
            row_counts.add(len(found))

        same()

    assert max(row_counts) > 0, "rows were compared"


@pytest.mark.parametrize("name", ROSTER)
def test_no_denied_field_is_read_and_no_bind_is_needed(name: str) -> None:
    query = ROSTER[name]

    read_columns = {c for columns in columns_read(query).values() for c in columns}

    assert not [column for column in read_columns if is_denied(column)]
    assert ":" not in query.sql.split("SELECT", 1)[1]


def year(school: int, yearid: int, **more: Any) -> Row:
    return {
        "dcid": school * 1000 + yearid,
        "id": yearid * 100,
        "schoolid": school,
        "yearid": yearid,
        "isyearrec": 1,
        **more,
    }


def test_sections_are_those_of_the_three_newest_years_of_their_building() -> None:
    terms = [year(5, n) for n in (32, 33, 34, 35)] + [year(2001, n) for n in (31, 32)]
    places = [(5, 3200), (5, 3300), (5, 3400), (5, 3500), (2001, 3100), (2001, 3200)]
    sections = [
        {"id": number, "schoolid": school, "termid": term}
        for number, (school, term) in enumerate(places, start=1)
    ]

    found = read(ROSTER["sections"], {"terms": terms, "sections": sections})

    assert [row["id"] for row in found] == [2, 3, 4, 5, 6]


def test_enrollments_are_those_of_active_and_preregistered_students() -> None:
    students = [
        {"dcid": 70 + number, "id": number, "enroll_status": status}
        for number, status in enumerate((0, -1, 1, 2, 3, 4), start=1)
    ]
    taken = [
        {
            "dcid": 900 + number,
            "studentid": number,
            "sectionid": 8812 if number != 2 else -8812,
            "termid": 3400 if number != 2 else -3400,
            "schoolid": 5,
        }
        for number in range(1, 7)
    ]

    found = read(
        ROSTER["enrollments"],
        {"students": students, "terms": [year(5, 34)], "cc": taken},
    )

    assert [(r["dcid"], r["students_dcid"], r["sectionid"]) for r in found] == [
        (901, 71, 8812),
        (902, 72, -8812),
    ]


def test_staff_have_an_email_and_one_row_per_building_where_they_are_current() -> None:
    emails = ["ana@d118.example", "   ", None, "cal@d118.example"]
    users = [{"dcid": 10 + n, "email_addr": text} for n, text in enumerate(emails)]
    placements = [
        {"users_dcid": 10, "schoolid": 2001, "status": 1, "staffstatus": 1},
        {"users_dcid": 10, "schoolid": 5, "status": 1, "staffstatus": 2},
        {"users_dcid": 10, "schoolid": 1003, "status": 2, "staffstatus": 1},
        {"users_dcid": 11, "schoolid": 5, "status": 1, "staffstatus": 1},
        {"users_dcid": 12, "schoolid": 5, "status": 1, "staffstatus": 1},
        {"users_dcid": 13, "schoolid": 5, "status": 2, "staffstatus": 1},
    ]

    found = read(ROSTER["staff"], {"users": users, "schoolstaff": placements})

    assert [(r["users_dcid"], r["schoolid"], r["staffstatus"]) for r in found] == [
        (10, 5, 2),
        (10, 2001, 1),
    ]


def test_a_teacher_is_named_by_the_person_not_by_the_row_at_a_school() -> None:
    content: Content = {
        "terms": [year(5, 34)],
        "sections": [{"id": 1, "schoolid": 5, "termid": 3400, "teacher": 912}],
        "schoolstaff": [
            {"id": 77, "users_dcid": 4001},
            {"id": 912, "users_dcid": 4001},
        ],
        "roledef": [{"id": 2, "name": "Co-teacher", "rolekey": "coteacher"}],
        "sectionteacher": [
            {"id": 31, "sectionid": 1, "teacherid": 77, "roleid": 2},
            {"id": 32, "sectionid": 1, "teacherid": 5000, "roleid": 9},
        ],
    }

    (section,) = read(ROSTER["sections"], content)
    teachers = read(ROSTER["section_teachers"], content)

    assert section["teacher_users_dcid"] == 4001
    assert [(t["users_dcid"], t["rolekey"]) for t in teachers] == [
        (4001, "coteacher"),
        (None, None),
    ]


def test_a_section_is_taken_by_a_row_of_its_own_term_and_building() -> None:
    sections = [{"id": n, "schoolid": 5, "termid": 3400} for n in range(1, 6)]
    rows = [(1, 3400, 5), (1, 3400, 5), (-2, -3400, 5), (3, 3401, 5), (4, 3400, 2001)]
    taken = [
        {"dcid": n, "sectionid": section, "termid": term, "schoolid": school}
        for n, (section, term, school) in enumerate(rows)
    ]

    found = read(
        ROSTER["clever_taken_sections"],
        {"terms": [year(5, 34)], "sections": sections, "cc": taken},
    )

    assert [row["sectionid"] for row in found] == [1]


def test_clever_s_students_come_with_and_without_rows_of_the_extension_tables() -> None:
    students = [
        {"dcid": 70 + number, "id": number, "enroll_status": status}
        for number, status in enumerate((0, -1, 2), start=1)
    ]
    content: Content = {
        "students": students,
        "s_il_stu_x": [{"studentsdcid": 71, "iep": 1}, {"studentsdcid": 73, "iep": 1}],
        "u_def_ext_students0": [{"studentsdcid": 71, "simple_gpa": "3.8750"}],
    }

    found = read(ROSTER["clever_students"], content)

    shown = [(row["id"], row["iep"], row["simple_gpa"]) for row in found]
    assert shown == [(1, 1, 3.875), (2, None, None)]


def test_a_section_s_teachers_come_with_the_person_and_whether_there_is_an_email() -> (
    None
):
    content: Content = {
        "terms": [year(5, 34)],
        "sections": [{"id": 1, "schoolid": 5, "termid": 3400}],
        "users": [
            {"dcid": 4001, "email_addr": "ana@d118.example"},
            {"dcid": 4002, "email_addr": "  "},
        ],
        "schoolstaff": [
            {"id": 77, "users_dcid": 4001},
            {"id": 78, "users_dcid": 4002},
        ],
        "sectionteacher": [
            {"id": 31, "sectionid": 1, "teacherid": 78, "roleid": 2},
            {"id": 32, "sectionid": 1, "teacherid": 77, "roleid": 1},
            {"id": 33, "sectionid": 1, "teacherid": 99, "roleid": 1},
        ],
    }

    found = read(ROSTER["clever_section_teachers"], content)

    shown = [(row["roleid"], row["users_dcid"], row["has_email"]) for row in found]
    assert shown == [(2, 4002, 0), (1, 4001, 1)]
