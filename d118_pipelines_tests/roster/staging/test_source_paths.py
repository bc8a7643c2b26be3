"""Every form of the source grammar, over JSON records and over typed columns."""

from __future__ import annotations

import json
from typing import Any

import duckdb
import pytest

from d118_pipelines.kernel.frames import open_frames
from d118_pipelines.roster.model.source_paths import parse_path, parse_source
from d118_pipelines.roster.staging.compile import Relation

RECORD = {
    "name": "x",
    "blank": " ",
    "org": {"id": "o1", "deep": {"er": "y"}},
    "ids": [
        {"type": "E_Mail", "identifier": "m@district.example"},
        {"type": "other", "identifier": "z"},
    ],
    "grades": ["09", None, "10"],
    "single": "09",
    "roles": [{"role": "t", "org": {"id": "o1"}}, {"role": "s", "org": None}],
    "bracket": "[not a list]",
    "number": 12,
    "flag": True,
    "none": None,
}
TYPED = (
    "SELECT 'x' AS name, ' ' AS blank, {'id': 'o1', 'deep': {'er': 'y'}} AS org, "
    "[{'type': 'E_Mail', 'identifier': 'm@district.example'}, "
    "{'type': 'other', 'identifier': 'z'}] AS ids, ['09', NULL, '10'] AS grades, "
    "'09' AS single, [{'role': 't', 'org': {'id': 'o1'}}, {'role': 's', 'org': NULL}] "
    "AS roles, '[not a list]' AS bracket, 12 AS number, true AS flag, "
    "CAST(NULL AS VARCHAR) AS none"
)
TEXTS: list[tuple[Any, str | None]] = [
    ("name", "x"),
    ("number", "12"),
    ("flag", "true"),
    ("none", None),
    ("missing", None),
    ("missing.deeper", None),
    ("org.id", "o1"),
    ("org.deep.er", "y"),
    ("org", None),  # a structure is no text
    ("name.id", None),  # a step through a scalar
    ("grades[0]", "09"),
    ("grades[2]", "10"),
    ("grades[7]", None),
    ("single[0]", "09"),  # a list that comes as one text
    ("roles[1].role", "s"),
    ("roles[9].role", None),
    ("ids[type=email].identifier", "m@district.example"),
    ("ids[type=E Mail].identifier", "m@district.example"),
    ("ids[type=absent].identifier", None),
    ("bracket", "[not a list]"),
    (["missing", "blank", "name"], "x"),
    ({"from": "number", "prefix": "S"}, "S12"),
    ({"from": "missing", "prefix": "S"}, None),
    ({"value": "school"}, "school"),
    ({"value": True}, "true"),
]
LISTS: list[tuple[Any, list[str | None] | None]] = [
    ("grades[]", ["09", None, "10"]),
    ("grades", ["09", None, "10"]),
    ("single[]", ["09"]),
    ("none[]", None),
    ("missing[]", None),
    ("roles[].role", ["t", "s"]),
    ("roles[].org.id", ["o1", None]),
    (["missing[].x", "grades[]"], ["09", None, "10"]),
    ({"from": "roles[].role", "prefix": "p-"}, ["p-t", "p-s"]),
    ({"value": "1"}, ["1"]),
]


@pytest.fixture(scope="module")
def duck() -> Any:
    with open_frames() as connection:
        connection.execute(
            "CREATE TABLE json_rows AS SELECT ? AS record, 1 AS page",
            [json.dumps(RECORD)],
        )
        connection.execute(f"CREATE TABLE typed_rows AS {TYPED}")
        yield connection


def relation(duck: duckdb.DuckDBPyConnection, name: str) -> Relation:
    table = duck.table(name)
    return Relation(dict(zip(table.columns, table.types, strict=True)))


def value(duck: duckdb.DuckDBPyConnection, name: str, source: Any, kind: str) -> Any:
    columns = relation(duck, name)
    sql = getattr(columns, kind)(parse_source(source))
    rows = f"(SELECT *, {columns.found_column()} FROM {name})"
    return duck.execute(f"SELECT {sql} FROM {rows}").fetchall()[0][0]


@pytest.mark.parametrize("name", ["json_rows", "typed_rows"])
@pytest.mark.parametrize(("source", "expected"), TEXTS, ids=str)
def test_text_of_a_source(duck: Any, name: str, source: Any, expected: Any) -> None:
    assert value(duck, name, source, "text") == expected


@pytest.mark.parametrize("name", ["json_rows", "typed_rows"])
@pytest.mark.parametrize(("source", "expected"), LISTS, ids=str)
def test_list_of_a_source(duck: Any, name: str, source: Any, expected: Any) -> None:
    assert (value(duck, name, source, "texts") or None) == expected


def test_numbers_and_times_of_a_database_read_as_a_source_writes_them(
    duck: Any,
) -> None:
    duck.execute(
        "CREATE OR REPLACE TABLE numbers AS SELECT 3.0::DOUBLE AS d, "
        "12.50::DECIMAL(6,2) AS e, TIMESTAMP '2026-08-17 00:00:00' AS t"
    )

    columns = relation(duck, "numbers")
    texts = [columns.text(parse_source(name), is_date=True) for name in "det"]
    assert duck.execute(f"SELECT {', '.join(texts)} FROM numbers").fetchall() == [
        ("3", "12.50", "2026-08-17")
    ]


@pytest.mark.parametrize(
    "text", ["", "a..b", "a[", "a[x].b", "a[]b", "a[].b[].c", "a b", ".a", "a."]
)
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"path|\[\]"):
        parse_path(text)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"from": "a", "form": "b"}, "unknown key form"),
        ({"from": "a", "value": "b"}, "either from or value"),
        ({"transform": "trim"}, "either from or value"),
        ({"from": "a", "transform": "shout"}, "unknown transform shout"),
        ({"from": "a", "required": "yes"}, "required must be"),
        ([], "a path, a list of paths"),
        (7, "a path, a list of paths"),
    ],
)
def test_wrong_sources_say_what_is_wrong(given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_source(given)
