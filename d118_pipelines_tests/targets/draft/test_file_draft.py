"""A file of made-up people, drafted from made-up relations: shapes, maps, who is in it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.frames import open_frames
from d118_pipelines.targets.definition import read_target
from d118_pipelines.targets.draft.file_draft import FileDraft, draft_file
from d118_pipelines.targets.draft.recognise import recognise
from d118_pipelines.targets.draft.relations import described
from d118_pipelines.targets.draft.sample import set_days
from d118_pipelines.targets.draft.write import Draft, written

DAY = dt.date(2026, 11, 2)
PEOPLE = 400

SOURCES = f"""
ATTACH ':memory:' AS raw;
CREATE SCHEMA raw.sis;
CREATE TABLE raw.sis.schools AS
  SELECT 100 + n AS school_number, 'School ' || chr(65 + CAST(n AS INTEGER)) AS name
  FROM range(5) t(n);
CREATE TABLE raw.sis.students AS
SELECT
  5000 + n AS dcid,
  CAST(210000 + n * 3 AS DOUBLE) AS student_number,
  'Given' || (n * 7 % 391) AS first_name,
  'Family' || (n * 11 % 397) AS last_name,
  CASE WHEN n % 9 = 0 THEN 'Known' || n END AS legal_first_name,
  CAST(100 + n % 5 AS BIGINT) AS schoolid,
  n % 13 AS grade_level,
  CASE WHEN n % 7 = 0 THEN 2 ELSE 0 END AS enroll_status,
  CASE n % 4 WHEN 0 THEN 'F' WHEN 1 THEN 'R' END AS lunch,
  TIMESTAMP '2010-01-01' + to_days(CAST(n * 5 AS INTEGER)) AS dob
FROM range({PEOPLE}) t(n);
"""


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    with closing(open_frames()) as session:
        session.execute(SOURCES)
        yield session


def drafted(duck: duckdb.DuckDBPyConnection, select: str) -> FileDraft:
    """The draft of the file that the SELECT yields, with its names as header."""
    result = duck.execute(select)
    lines = [[column[0] for column in result.description]]
    lines += [["" if v is None else str(v) for v in row] for row in result.fetchall()]
    text = "".join("|".join(line) + "\n" for line in lines)
    relations = described(duck, ["raw.sis.schools", "raw.sis.students"])
    return draft_file(duck, recognise("people.txt", text.encode()), relations, day=DAY)


def test_a_date_of_the_school_year_is_drafted_as_such(
    duck: duckdb.DuckDBPyConnection,
) -> None:
    begin = dt.date(2026, 8, 17)
    set_days(duck, {"school_year_begin": begin, "term_begin": begin, "term_end": DAY})

    found = drafted(
        duck,
        "SELECT CAST(student_number AS BIGINT) AS number, '08/17/2026' AS since, "
        f"'2026-11-02' AS until, '2026' AS year {STUDENTS}",
    )

    assert [column.sql for column in found.columns][1:] == [
        "strftime($school_year_begin, '%m/%d/%Y')",
        "strftime($term_end, '%Y-%m-%d')",
        "'2026'",
    ]
    duck.execute("RESET VARIABLE school_year_begin")
    duck.execute("RESET VARIABLE term_begin")
    duck.execute("RESET VARIABLE term_end")
    day = drafted(
        duck,
        "SELECT CAST(student_number AS BIGINT) AS number, '2026-11-02' AS day "
        f"{STUDENTS}",
    )
    assert day.columns[1].sql == "strftime($today, '%Y-%m-%d')"


STUDENTS = "FROM raw.sis.students ORDER BY dcid"


VALUES = [
    "CAST(student_number AS BIGINT)",
    "strftime(dob, '%m/%d/%Y')",
    "strftime(dob, '%Y%m%d')",
    "upper(last_name)",
    "last_name || ', ' || first_name",
    "lower(left(first_name, 1) || last_name) || '@d118.example'",
    "'S-' || CAST(student_number AS BIGINT)",
    "lpad(CAST(grade_level AS VARCHAR), 2, '0')",
    "CASE lunch WHEN 'F' THEN 'free' WHEN 'R' THEN 'reduced' ELSE 'paid' END",
    "coalesce(legal_first_name, first_name)",
    "CASE WHEN grade_level >= 9 THEN 'high' ELSE 'lower' END",
    "(SELECT name FROM raw.sis.schools WHERE school_number = schoolid)",
    "'2026-27'",
    "'11/02/2026'",
]


@pytest.fixture(scope="module")
def explained(duck: duckdb.DuckDBPyConnection) -> FileDraft:
    """One file with a column for each value."""
    columns = ", ".join(f"{value} AS wanted{n}" for n, value in enumerate(VALUES))
    return drafted(duck, f"SELECT dcid AS id, {columns} {STUDENTS}")


@pytest.mark.parametrize("value", VALUES)
def test_a_column_is_explained(explained: FileDraft, value: str) -> None:
    wanted = explained.columns[1 + VALUES.index(value)]

    assert wanted.sql, wanted
    assert wanted.share == 1, wanted
    assert wanted.differ == []


def test_what_nothing_explains_stays_a_todo_that_is_refused(
    duck: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    draft = drafted(duck, f"SELECT dcid AS id, md5(dcid::VARCHAR) AS pin {STUDENTS}")

    assert [column.header for column in draft.open_columns] == ["pin"]
    texts = written(Draft("people", draft.given.layout, [draft]))
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(
        ConfigurationError, match="TODO: say in SQL where the value of pin"
    ):
        read_target(tmp_path / "mappings/targets/people.yaml", tmp_path / "sql/exports")


@pytest.mark.parametrize(
    "names",
    [
        ("Given7 Family11", "Given14 Family22"),
        ("Mr. Family11", "Mrs. Family22"),
        ("FAMILY11, Given7", "nobody"),
    ],
)
def test_a_map_of_names_under_a_neutral_header_is_refused(
    duck: duckdb.DuckDBPyConnection, names: tuple[str, str]
) -> None:
    other, usual = names
    value = f"CASE WHEN schoolid IN (101, 104) THEN '{other}' ELSE '{usual}' END"
    draft = drafted(duck, f"SELECT dcid AS id, {value} AS desk {STUDENTS}")

    assert [column.header for column in draft.open_columns] == ["desk"]
    texts = "".join(written(Draft("people", draft.given.layout, [draft])).values())
    assert "family" not in texts.lower().replace("last", "")


def test_the_keys_that_differ_are_named_and_their_values_are_not(
    duck: duckdb.DuckDBPyConnection,
) -> None:
    changed = "if(dcid = 5007, 'Otherwise', last_name)"
    draft = drafted(duck, f"SELECT dcid AS id, {changed} AS family {STUDENTS}")

    family = draft.columns[1]
    assert (family.agrees, family.lines, family.differ) == (399, 400, ["5007"])
    texts = "".join(written(Draft("people", draft.given.layout, [draft])).values())
    assert "Otherwise" not in texts


def test_who_is_in_the_file_is_found(duck: duckdb.DuckDBPyConnection) -> None:
    where = "WHERE enroll_status = 0 AND schoolid IN (101, 102)"
    draft = drafted(
        duck, f"SELECT dcid AS id, last_name AS family FROM raw.sis.students {where}"
    )

    assert draft.population is not None
    assert {c.sql for c in draft.population.conditions} == {
        'b."schoolid" IN (101, 102)',
        'b."enroll_status" = 0',
    }
    assert (draft.population.missing, draft.population.extra) == (0, 0)


def test_the_order_is_found(duck: duckdb.DuckDBPyConnection) -> None:
    draft = drafted(
        duck,
        "SELECT dcid AS id, schoolid AS school FROM raw.sis.students ORDER BY schoolid, dcid",
    )

    assert draft.order == ['b."schoolid"', 'b."dcid"']


def test_no_value_of_a_person_is_written(duck: duckdb.DuckDBPyConnection) -> None:
    # A map of schools to the names of people would be a map of few values.
    names = "CASE schoolid WHEN 100 THEN 'Ana Ruiz' WHEN 101 THEN 'Bo Lind' ELSE 'Cy Moe' END"
    draft = drafted(duck, f"SELECT dcid AS id, {names} AS principal_name {STUDENTS}")

    texts = "".join(written(Draft("people", draft.given.layout, [draft])).values())
    assert "Ana Ruiz" not in texts and "Bo Lind" not in texts


def test_a_file_without_a_known_key_is_all_todo(
    duck: duckdb.DuckDBPyConnection,
) -> None:
    draft = drafted(duck, f"SELECT md5(dcid::VARCHAR) AS pin, 'x' AS kind {STUDENTS}")

    assert draft.key is None
    assert len(draft.open_columns) == 2
