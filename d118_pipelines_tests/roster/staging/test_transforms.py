"""Transforms, value by value, with the codes they give."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from d118_pipelines.kernel.frames import open_frames
from d118_pipelines.kernel.sql_text import literal
from d118_pipelines.roster.model.vocabulary import GENDER_ALIASES
from d118_pipelines.roster.staging import transforms
from d118_pipelines.roster.staging.transforms import Converted

AUGUST = dt.date(2026, 8, 17)


@pytest.fixture(scope="module")
def duck() -> Any:
    with open_frames() as connection:
        yield connection


def judged(duck: Any, converted: Converted, text: str | None) -> tuple[Any, set[str]]:
    given = "CAST(NULL AS VARCHAR)" if text is None else literal(text)
    checks = "".join(
        f", {check.condition.replace(transforms.VALUE, 'v')}"
        for check in converted.checks
    )
    value = f"(SELECT *, {converted.sql} AS v FROM (SELECT {given} AS x))"
    [row] = duck.execute(f"SELECT v{checks} FROM {value}").fetchall()
    codes = {c.code for c, hit in zip(converted.checks, row[1:], strict=True) if hit}
    return row[0], codes


@pytest.mark.parametrize(
    ("text", "order", "expected", "codes"),
    [
        ("2026-08-17", None, AUGUST, set()),
        ("2026/08/17", None, AUGUST, {"row.date_form"}),
        ("20260817", None, AUGUST, {"row.date_form"}),
        ("2026-08-17T00:00:00.000Z", None, AUGUST, {"row.date_form"}),
        ("08/17/2026", "mdy", AUGUST, {"row.date_form"}),
        ("8-17-2026", "mdy", AUGUST, {"row.date_form"}),
        ("17/08/2026", "dmy", AUGUST, {"row.date_form"}),
        ("08/17/2026", None, None, {"row.bad_date"}),
        ("17/08/2026", "mdy", None, {"row.bad_date"}),
        ("2026-02-30", None, None, {"row.bad_date"}),
        ("2026-8-17", None, None, {"row.bad_date"}),
        ("-026-08-17", None, None, {"row.bad_date"}),
        (None, None, None, set()),
    ],
)
def test_dates(
    duck: Any, text: str | None, order: str | None, expected: Any, codes: set[str]
) -> None:
    assert judged(duck, transforms.parse_date("x", order), text) == (expected, codes)


def test_a_last_day_becomes_an_exclusive_end(duck: Any) -> None:
    ended = transforms.parse_date("x", None, plus_days=1)

    assert judged(duck, ended, "2026-12-31") == (dt.date(2027, 1, 1), set())


@pytest.mark.parametrize(
    ("text", "expected", "codes"),
    [
        ("true", True, set()),
        ("FALSE", False, {"row.bool_form"}),
        ("yes", True, {"row.bool_form"}),
        ("0", False, {"row.bool_form"}),
        ("maybe", None, {"row.bad_bool"}),
    ],
)
def test_booleans(duck: Any, text: str, expected: Any, codes: set[str]) -> None:
    assert judged(duck, transforms.parse_boolean("x"), text) == (expected, codes)


@pytest.mark.parametrize(
    ("text", "expected"), [("Yes", True), ("n", False), ("0", False), ("maybe", None)]
)
def test_words_for_booleans_where_the_mapping_asks(
    duck: Any, text: str, expected: Any
) -> None:
    found, codes = judged(duck, transforms.parse_boolean_words("x"), text)

    assert found is expected
    assert codes == ({"row.bad_bool"} if expected is None else set())


@pytest.mark.parametrize(
    ("text", "expected", "codes"),
    [
        ("2027", 2027, set()),
        ("2026-27", 2027, {"row.bad_year"}),
        ("2026-2027", 2027, {"row.bad_year"}),
        ("27", None, {"row.bad_year"}),
    ],
)
def test_years(duck: Any, text: str, expected: Any, codes: set[str]) -> None:
    assert judged(duck, transforms.parse_year("x"), text) == (expected, codes)


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("3", "INTEGER", 3),
        ("3.0", "INTEGER", 3),
        ("3.5", "INTEGER", None),
        ("0.5", "DOUBLE", 0.5),
        ("1e5", "DOUBLE", None),
        ("99999999999", "INTEGER", None),
    ],
)
def test_numbers(duck: Any, text: str, kind: str, expected: Any) -> None:
    found, codes = judged(duck, transforms.parse_number("x", kind), text)

    assert found == expected
    assert codes == ({"row.bad_number"} if expected is None else set())


@pytest.mark.parametrize(
    ("text", "expected", "codes"),
    [
        ("09", "09", set()),
        ("Other", "Other", set()),
        *[
            (text, code, {"row.grade_alias"})
            for text, code in [
                ("9", "09"),
                ("K", "KG"),
                ("0", "KG"),
                ("-1", "PK"),
                ("Pre-K", "PK"),
                ("InfantToddler", "IT"),
                ("PostGraduate", "PS"),
                ("1st", "01"),
                ("12th Grade", "12"),
                ("First", "01"),
                ("Freshman", "09"),
                ("other", "Other"),
            ]
        ],
        ("Grade X", "Grade X", {"row.bad_grade"}),
    ],
)
def test_grades(duck: Any, text: str, expected: str, codes: set[str]) -> None:
    assert judged(duck, transforms.parse_grade("x"), text) == (expected, codes)
    listed = judged(duck, transforms.parse_grades("[x]"), text)
    assert listed == ([expected], codes)


def test_every_clever_grade_word_has_a_code(duck: Any) -> None:
    words = [
        "InfantToddler",
        "Preschool",
        "PreKindergarten",
        "TransitionalKindergarten",
        "Kindergarten",
        "1",
        "2",
        "3",
        "4",
        "5",
        "6",
        "7",
        "8",
        "9",
        "10",
        "11",
        "12",
        "13",
        "PostGraduate",
        "Ungraded",
        "Other",
    ]

    codes = [judged(duck, transforms.parse_grade("x"), word)[0] for word in words]
    assert codes == [
        "IT",
        "PR",
        "PK",
        "TK",
        "KG",
        "01",
        "02",
        "03",
        "04",
        "05",
        "06",
        "07",
        "08",
        "09",
        "10",
        "11",
        "12",
        "13",
        "PS",
        "UG",
        "Other",
    ]


@pytest.mark.parametrize(
    ("text", "expected", "codes"),
    [
        ("2026-10-02T14:05:00.000Z", dt.datetime(2026, 10, 2, 14, 5), set()),
        (
            "2026-10-02T14:05:00+02:00",
            dt.datetime(2026, 10, 2, 12, 5),
            {"row.datetime_form"},
        ),
        ("2026-10-02T14:05:00", dt.datetime(2026, 10, 2, 14, 5), {"row.datetime_form"}),
        ("2026-10-02", dt.datetime(2026, 10, 2), {"row.datetime_form"}),
        ("yesterday", None, {"row.bad_datetime"}),
    ],
)
def test_times(duck: Any, text: str, expected: Any, codes: set[str]) -> None:
    assert judged(duck, transforms.parse_timestamp("x"), text) == (expected, codes)


@pytest.mark.parametrize(
    ("text", "expected", "codes"),
    [
        ("school", "school", set()),
        ("School", "school", {"row.enum_case"}),
        ("ext:camp", "ext:camp", set()),
        ("ext:", None, {"row.bad_enum"}),
        ("academy", None, {"row.bad_enum"}),
    ],
)
def test_words_of_a_vocabulary(
    duck: Any, text: str, expected: Any, codes: set[str]
) -> None:
    converted = transforms.parse_enum("x", "orgs.org_type", {})

    assert judged(duck, converted, text) == (expected, codes)


@pytest.mark.parametrize(
    ("text", "expected"), [("M", "male"), ("f", "female"), ("X", "other"), ("?", None)]
)
def test_gender_letters_where_the_mapping_asks(
    duck: Any, text: str, expected: Any
) -> None:
    aliases = GENDER_ALIASES
    converted = transforms.parse_enum("x", "users.gender", aliases)

    assert judged(duck, converted, text)[0] == expected


@pytest.mark.parametrize("text", [" a", "a ", "\ta", "a\n", "\u00a0a\u00a0", "a", "é"])
def test_blanks_around_a_value_are_removed(duck: Any, text: str) -> None:
    [(found, listed)] = duck.execute(
        f"SELECT {transforms.trimmed('x')}, {transforms.trimmed_list('[x, NULL, x]')} "
        "FROM (SELECT ? AS x)",
        [text],
    ).fetchall()

    assert found == text.strip(" \t\r\n\u00a0")
    assert listed == [found, found]
