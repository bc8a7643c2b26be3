"""What is done to cells: dates of a file; e-mail, phone, status words, lengths."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d118_pipelines.sources.csv_files.dates import iso_moment
from d118_pipelines_tests.sources.csv_files.folders import (
    MAPPING,
    RULES,
    USERS,
    StagedFiles,
    pulled,
    staged,
    user,
    users,
)
from d118_pipelines_tests.support.examples import examples

DETECTION = RULES.format_detection


def dated(tmp_path: Path, *dates: str, **options: Any) -> tuple[list[Any], Any, Any]:
    """Birth dates of a file, the form that was chosen, and the findings."""
    rows = [user(str(n), birth_date=date) for n, date in enumerate(dates)]
    result = pulled(tmp_path, {"users.csv": users(*rows)}, **options)
    read = [row["birth_date"] for row in result.rows()]
    return read, result.told("users.csv")["date_format"], result.found()


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("2010-02-28", "YYYY-MM-DD"),
        ("02/28/2010", "MM/DD/YYYY"),
        ("2/28/2010", "MM/DD/YYYY"),
        ("02-28-2010", "MM-DD-YYYY"),
        ("2010/02/28", "YYYY/MM/DD"),
    ],
)
def test_every_form_of_a_date_becomes_iso(tmp_path: Path, text: str, form: str) -> None:
    assert dated(tmp_path, text, "") == (["2010-02-28", None], form, [])


def test_day_first_is_taken_where_month_first_does_not_fit(tmp_path: Path) -> None:
    read, form, found = dated(tmp_path, "28/02/2010", "03/04/2010")

    assert (read, form) == (["2010-02-28", "2010-04-03"], "DD/MM/YYYY")
    assert found == [("csv.date_order", "warn", None, "")]


@pytest.mark.parametrize(
    ("order", "expected"), [("mdy", "2010-03-04"), ("dmy", "2010-04-03")]
)
def test_configured_order_decides_where_both_fit(
    tmp_path: Path, order: str, expected: str
) -> None:
    read, _, found = dated(tmp_path, "03/04/2010", "12/12/2010", date_order=order)

    assert (read, found) == ([expected, "2010-12-12"], [])


def test_date_of_another_form_is_blank_and_never_read_by_itself(tmp_path: Path) -> None:
    read, form, found = dated(
        tmp_path, "02/28/2010", "28/02/2010", "02/27/2010", "soon"
    )

    assert (read, form) == (["2010-02-28", None, "2010-02-27", None], "MM/DD/YYYY")
    assert found == [
        ("csv.bad_date", "warn", 3, "birth_date"),
        ("csv.bad_date", "warn", 5, "birth_date"),
    ]


def test_all_date_columns_of_a_file_have_one_form(tmp_path: Path) -> None:
    header = "user_id,class_id,role,start_date,end_date"
    rows = ["1,C,student,03/04/2026,05/06/2026", "2,C,student,03/04/2026,31/12/2026"]

    text = users(*rows, header=header)
    result = pulled(tmp_path, {"enrollments.csv": text})

    [first, _] = result.rows("enrollments")
    assert (first["start_date"], first["end_date"]) == ("2026-04-03", "2026-06-05")


def test_each_file_has_its_own_form(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "a.csv": users(user("1", birth_date="28/02/2010")),
        "b.csv": users(user("2", birth_date="02/28/2010")),
    }
    rows = pulled(tmp_path, files).rows()

    assert [row["birth_date"] for row in rows] == ["2010-02-28", "2010-02-28"]


@pytest.mark.parametrize(
    ("text", "form", "expected"),
    [
        ("2026-08-17", None, "2026-08-17"),
        ("2026-08-17 07:05:00", None, "2026-08-17T07:05:00"),
        ("2026-08-17T07:05:00.25Z", None, "2026-08-17T07:05:00.25Z"),
        ("8/17/2026 7:05", "MM/DD/YYYY", "2026-08-17T07:05"),
        ("8/17/2026", None, None),
        ("2026-08-17 later", None, None),
    ],
)
def test_moment_may_have_a_time(text: str, form: str | None, expected: object) -> None:
    assert iso_moment(text, form) == expected


SCHOOLS = "id,name\nS,Oak\n"


def people(folder: Path, *rows: str, header: str = USERS) -> StagedFiles:
    """A users file as it is staged."""
    text = users(*rows, header=header)
    return staged(folder, {"schools.csv": SCHOOLS, "users.csv": text})


LIVE = ["true", "YES", "y", "1", "Active", ""]
GONE = ["False", "no", "N", "0", "INACTIVE", "deleted", "Suspended"]


@pytest.mark.parametrize("header", ["status", "enabled", "is_active", "active"])
def test_status_words(tmp_path: Path, header: str) -> None:
    rows = [user(f"k{n:02}", status=word) for n, word in enumerate([*LIVE, *GONE])]
    result = people(tmp_path, *rows, header=USERS.replace("status", header))

    read = [row["status"] for row in result.rows()]
    assert read == ["active"] * len(LIVE) + ["inactive"] * len(GONE)
    assert result.rejected() == []


def test_unknown_status_is_a_reject_and_never_active(tmp_path: Path) -> None:
    result = people(tmp_path, user("1", status="gone"), user("2"))

    assert [row["external_id"] for row in result.rows()] == ["2"]
    assert result.found() == [("row.bad_status", "reject", 2, "status")]
    assert result.rejected() == [("1", "users", "row.bad_status", 2)]


@pytest.mark.long
@pytest.mark.parametrize(
    ("word", "expected"), [("Y", True), ("0", False), ("maybe", None), ("", None)]
)
def test_primary_is_a_boolean(tmp_path: Path, word: str, expected: object) -> None:
    files: dict[str, str | bytes] = {
        "schools.csv": SCHOOLS,
        "users.csv": users(user("1", role="teacher")),
        "classes.csv": "id,name,school_id,course_id\nC,Art,S,A\n",
        "enrollments.csv": f"user_id,class_id,role,primary\n1,C,teacher,{word}\n",
    }
    result = staged(tmp_path, files)

    assert result.rows("enrollments")[0]["is_primary"] == expected
    warned = [("row.bad_bool", "warn", 2, "is_primary")]
    assert result.found() == (warned if word == "maybe" else [])


ADDRESSES = ["a.b+c@mail.school.example", "Ada@School.example"]
NO_ADDRESSES = [
    "ada",
    "ada@school",
    "a b@school.example",
    "ada@@school.example",
    "ada@school..example",
    "<ada@school.example>",
]


def test_email_that_is_none_is_blank(tmp_path: Path) -> None:
    given = [*ADDRESSES, *NO_ADDRESSES]
    rows = [user(str(n), email=email) for n, email in enumerate(given)]
    result = people(tmp_path, *rows)

    read = [row["email"] for row in result.rows()]
    assert read == [*ADDRESSES, *(None for _ in NO_ADDRESSES)]
    lines = range(2 + len(ADDRESSES), 2 + len(given))
    assert result.found() == [("row.bad_email", "warn", n, "email") for n in lines]


def test_phone_is_digits(tmp_path: Path) -> None:
    phones = ["(555) 010-0199", "+1 555.010.0199", "ask"]
    rows = [
        user(str(n), phone=phone, email=f"ada{n}@school.example")
        for n, phone in enumerate(phones)
    ]
    result = people(tmp_path, *rows)

    read = [row["phone"] for row in result.rows()]
    assert read == ["5550100199", "+15550100199", None]
    assert result.found() == [("row.bad_phone", "warn", 4, "phone")]


@pytest.mark.parametrize(
    ("column", "most"),
    [("first_name", 50), ("last_name", 50), ("username", 50), ("email", 100)],
)
def test_too_long_a_value_rejects_the_row(
    tmp_path: Path, column: str, most: int
) -> None:
    end = "@school.example" if column == "email" else ""
    fits = "x" * (most - len(end)) + end
    rows = [user("1", **{column: fits}), user("2", **{column: "x" + fits})]

    result = people(tmp_path, *rows)

    assert [row[column] for row in result.rows()] == [fits]
    assert result.found() == [("row.too_long", "reject", 3, column)]


@pytest.mark.parametrize("column", ["id", "first_name", "last_name", "role"])
def test_row_without_a_required_value_is_rejected(tmp_path: Path, column: str) -> None:
    result = people(tmp_path, user(**{column: " "}), user("2"))

    assert [row["external_id"] for row in result.rows()] == ["2"]
    field = {"id": "external_id", "role": "roles"}.get(column, column)
    assert result.found() == [("row.missing_required", "reject", 2, field)]
    key = None if column == "id" else "1"
    assert result.rejected() == [(key, "users", "row.missing_required", 2)]
    unreadable = result.made.entities["users"].unreadable_keys
    assert unreadable == (1 if column == "id" else 0)


@pytest.mark.long
def test_file_of_rejected_rows_alone_proves_no_absence(tmp_path: Path) -> None:
    bad = people(tmp_path / "bad", user("1", status="gone"))
    good = people(tmp_path / "good", user("1", status="gone"), user("2"))

    assert bad.made.entities["users"].absence == "never"
    assert good.made.entities["users"].absence == "proven"


def test_cells_are_trimmed_and_keep_their_case(tmp_path: Path) -> None:
    text = users(user(first_name="\u00a0 mcADA "))

    assert pulled(tmp_path, {"users.csv": text}).rows()[0]["first_name"] == "mcADA"


@pytest.mark.parametrize("cell", ["=1+1", "@x", "-2", "a\tb", "<b>", "'; DROP", "🎓"])
def test_hostile_cells_are_only_text(tmp_path: Path, cell: str) -> None:
    result = pulled(tmp_path, {"users.csv": users(user(first_name=cell))})

    assert result.rows()[0]["first_name"] == cell


@pytest.mark.long
@pytest.mark.parametrize("is_required", [True, False])
def test_required_date_rejects_where_an_optional_one_is_blank(
    tmp_path: Path, is_required: bool
) -> None:
    text = MAPPING.read_text("utf-8")
    if is_required:
        optional = "begin_date: start_date"
        assert optional in text
        required = "begin_date: {from: start_date, required: true}"
        text = text.replace(optional, required)
    mapping = tmp_path / "csv.yaml"
    mapping.write_text(text, "utf-8")
    files: dict[str, str | bytes] = {
        "schools.csv": SCHOOLS,
        "users.csv": users(user("1")),
        "classes.csv": "id,name,school_id,course_id\nC,Art,S,A\n",
        "enrollments.csv": "user_id,class_id,role,start_date\n1,C,student,soon\n",
    }
    result = staged(tmp_path, files, mapping=mapping)

    assert ("csv.bad_date", "warn", 2, "start_date") in result.found()
    if is_required:
        missing = ("row.missing_required", "reject", 2, "begin_date")
        assert missing in result.found()
        assert result.rows("enrollments") == []
    else:
        assert result.rows("enrollments")[0]["begin_date"] is None


COLUMNS = DETECTION.columns["users"]
GOOD = {
    **{name: f"{name} 7" for name in COLUMNS},
    "email": "ada@school.example",
    "phone": "+15550100",
    "birth_date": "2010-02-28",
    "status": "active",
    "created_at": "2026-08-17",
    "updated_at": "2026-08-17T07:05:00Z",
}


@given(data=st.data())
@settings(max_examples=examples(10, 40), deadline=None)
def test_order_and_spelling_of_columns_do_not_matter(data: st.DataObject) -> None:
    order = data.draw(st.permutations(list(COLUMNS)))
    names = [data.draw(st.sampled_from([n, *COLUMNS[n]])) for n in order]
    shown = [
        data.draw(st.sampled_from([n, n.upper(), n.replace("_", "-"), f" {n} "]))
        for n in names
    ]
    text = ",".join(shown) + "\n" + ",".join(GOOD[n] for n in order) + "\n"

    with tempfile.TemporaryDirectory() as folder:
        rows = pulled(Path(folder), {"users.csv": text}).rows()

    assert rows == [{**GOOD, "_line": 2, "_file": "users.csv/users"}]
