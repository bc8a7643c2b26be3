"""What a file is and which columns are read: the tables of docs/reference/csv_files.md."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from d118_pipelines.errors import ConfigurationError, IncompleteExtractError
from d118_pipelines.sources.csv_files.recognition import find_type, match_columns
from d118_pipelines.sources.csv_files.rules import read_rules
from d118_pipelines.sources.csv_files.source import CsvSource
from d118_pipelines_tests.sources.csv_files.folders import (
    RULES,
    pulled,
    user,
    users,
    write,
)
from d118_pipelines_tests.support.project import REPOSITORY

DETECTION = RULES.format_detection
ALIASES = [
    (collection, column, alias)
    for collection, columns in DETECTION.columns.items()
    for column, aliases in columns.items()
    for alias in aliases
]


@pytest.mark.parametrize(
    ("file", "header", "expected"),
    [
        ("x.csv", "first_name,last_name,email,role", "users"),
        ("x.csv", "student_id,first,last,grade", "students"),
        ("schools.csv", "student_id,first,last,grade,email", "students"),
        ("x.csv", "id,name", "schools"),
        ("x.csv", "school_id,school_name,phone", "schools"),
        ("x.csv", "id,name,school_id", "classes"),
        ("x.csv", "section_id,title,school,primary_teacher", "classes"),
        ("x.csv", "section_id,section_name,school_id,teacher_id", "classes"),
        ("x.csv", "user_id,class_id,role", "enrollments"),
        ("x.csv", "student_id,section_id", "enrollments"),
        ("x.csv", "teacher_id,class_id", "enrollments"),
        ("x.csv", "id,firstname,lastname,user_type,title,school_id", "users"),
        ("students.csv", "student_id,fname,lname,role,section_id", "users"),
        ("roster.csv", "student_id,fname,lname,role,section_id", "enrollments"),
        ("Fall Enrollments.csv", "a,b", "enrollments"),
        ("enrollment_2026.csv", "a,b", "enrollments"),
        ("class_roster_users.csv", "a,b", "enrollments"),
        ("my-classes.csv", "a,b", "classes"),
        ("sections.CSV", "a,b", "classes"),
        ("school_courses.csv", "a,b", "classes"),
        ("all_users.csv", "a,b", "users"),
        ("school_students.csv", "a,b", "users"),
        ("STAFF.csv", "a,b", "users"),
        ("schools.csv", "a,b", "schools"),
        ("my_school.csv", "a,b", "schools"),
    ],
)
def test_header_decides_then_the_name(file: str, header: str, expected: str) -> None:
    assert find_type(file, header.split(","), RULES, None) == expected


def test_configured_type_goes_before_all_else(tmp_path: Path) -> None:
    text = "student_id,first,last,grade\n1,Ada,Alder,5\n"
    result = pulled(tmp_path, {"schools.csv": text}, files={"schools.csv": "students"})

    assert result.told("schools.csv")["type"] == "students"


def test_folder_of_all_types_needs_no_configuration(tmp_path: Path) -> None:
    result = pulled(
        tmp_path,
        {
            "a.csv": users(user("7", role="teacher")),
            "b.csv": "student_id,first,last,grade\n1,Ada,Alder,5\n",
            "c.csv": "id,name\nS,Oak\n",
            "d.csv": "class_id,class_name,school\nC,Art,S\n",
            "e.csv": "student_id,class_id\n1,C\n",
            "notes.txt": "not read",
        },
    )

    people = [(r["id"], r["role"], r["_file"]) for r in result.rows()]
    assert people == [("7", "teacher", "a.csv/users"), ("1", "student", "b.csv/users")]
    assert list(result.pull.collections) == [
        "schools",
        "classes",
        "users",
        "enrollments",
    ]
    assert {c.absence for c in result.pull.collections.values()} == {"proven"}
    assert result.rows("enrollments")[0]["role"] == "student"


def test_unknown_file_fails_the_pull_by_its_name(tmp_path: Path) -> None:
    text = "Ada,Secretperson\nBen,Birch\n"
    with pytest.raises(
        IncompleteExtractError, match=r"csv\.unknown_file.*odd\.csv"
    ) as e:
        pulled(tmp_path, {"users.csv": users(user()), "odd.csv": text})

    assert "Secretperson" not in str(e.value)
    assert list((tmp_path / "raw").glob("*")) == []


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({}, "csv.no_files"),
        ({"users.csv": ""}, "csv.header_missing"),
        ({"users.csv": "\n\n"}, "csv.header_missing"),
        ({"users.csv": "id,first_name,role\n1,Ada,student\n"}, "csv.header_missing"),
        ({"a.csv": users(user()), "b.csv": users(header="x," + user())}, "csv.unknown"),
        (
            {
                "a.csv": users(user()),
                "b.csv": users("2,A,B,staff,", header=users()[:37]),
            },
            "csv.headers_differ",
        ),
    ],
)
def test_set_that_cannot_be_used_fails_whole(
    tmp_path: Path, files: dict[str, str | bytes], code: str
) -> None:
    with pytest.raises(IncompleteExtractError, match=code.replace(".", r"\.")):
        pulled(tmp_path, files)


def test_configured_file_that_is_absent_fails_the_pull(tmp_path: Path) -> None:
    with pytest.raises(IncompleteExtractError, match=r"csv\.file_absent  gone\.csv"):
        pulled(tmp_path, {"users.csv": users(user())}, files={"gone.csv": "users"})


def test_files_of_one_type_with_equal_headers_are_one_collection(
    tmp_path: Path,
) -> None:
    files = {"a.csv": users(user("1")), "b.csv": users(user("2")).upper()}
    result = pulled(tmp_path, files)

    assert [(r["id"], r["_file"]) for r in result.rows()] == [
        ("1", "a.csv/users"),
        ("2", "b.csv/users"),
    ]


def test_file_with_only_a_header_proves_no_absence(tmp_path: Path) -> None:
    result = pulled(tmp_path, {"users.csv": users()})

    assert result.pull.collections["users"].absence == "never"
    assert result.rows() == []


@pytest.mark.parametrize(("collection", "column", "alias"), ALIASES)
def test_alias_is_read_as_its_column(collection: str, column: str, alias: str) -> None:
    required = DETECTION.required_columns[collection]  # type: ignore[index]
    header = [alias, *(name for name in required if name != column)]

    layout = match_columns("x.csv", collection, header, DETECTION)  # type: ignore[arg-type]

    assert layout.places[column] == 0


@pytest.mark.parametrize(("collection", "column", "alias"), ALIASES)
def test_canonical_name_wins_over_an_alias(
    collection: str, column: str, alias: str
) -> None:
    required = DETECTION.required_columns[collection]  # type: ignore[index]
    header = [alias, column, *(name for name in required if name != column)]

    layout = match_columns("x.csv", collection, header, DETECTION)  # type: ignore[arg-type]

    assert layout.places[column] == 1


def test_columns_that_lose_or_are_unknown_are_reported(tmp_path: Path) -> None:
    header = (
        "sis_id,Student-Number,local_id,id,First Name,last_name,role,email,password,"
    )
    text = users("a,b,c,1,Ada,Alder,student,,secret,", header=header)

    result = pulled(tmp_path, {"users.csv": text})

    assert result.rows()[0]["sis_id"] == "a"
    assert result.found() == [
        ("csv.column_ignored", "warn", 1, "student_number"),
        ("csv.column_ignored", "warn", 1, "local_id"),
        ("csv.header_case", "warn", 1, "first_name"),
        ("csv.column_unknown", "info", 1, "password"),
        ("csv.column_unknown", "info", 1, "#10"),
    ]
    assert "secret" not in str(result.rows())


def test_course_is_never_a_class(tmp_path: Path) -> None:
    text = "user_id,course_id,role\n1,C,student\n"
    with pytest.raises(IncompleteExtractError, match="has no column class_id"):
        pulled(tmp_path, {"enrollments.csv": text})


def test_look_lists_what_each_file_was_recognised_as(tmp_path: Path) -> None:
    write(tmp_path, {"a.csv": users(user()), "b.csv": "x,y\n1,2\n"})

    report = CsvSource(tmp_path, RULES).test()

    assert not report.success
    assert report.details["a.csv"] == "users"
    assert "csv.unknown_file" in report.details["b.csv"]
    assert CsvSource(tmp_path, RULES, files={"b.csv": "users"}).test().success is False
    (tmp_path / "b.csv").unlink()
    assert CsvSource(lambda: nullcontext(tmp_path), RULES).test().success


def test_look_into_a_folder_that_is_not_there_does_not_raise(tmp_path: Path) -> None:
    report = CsvSource(tmp_path / "gone", RULES).test()

    assert (report.success, "csv.no_files" in report.message) == (False, True)


@pytest.mark.parametrize(
    ("old", "new", "named", "rule"),
    [
        ("chunk_size: 1000", "chunk_sise: 1000", "chunk_size", "unknown key"),
        ("chunk_size: 1000", "chunk_size: 0", "chunk_size", "than or equal to 1"),
        ("type: students", "type: pupils", "type: students", "should be"),
        ("[grade, current", "[email, current", "format_detection", "email fits two"),
        ("classes: [id, name", "classes: [key, name", "format_detection", "key is no"),
    ],
)
def test_wrong_key_of_the_mapping_is_named(
    tmp_path: Path, old: str, new: str, named: str, rule: str
) -> None:
    text = (REPOSITORY / "mappings/csv.yaml").read_text("utf-8")
    path = tmp_path / "csv.yaml"
    path.write_text(text.replace(old, new), "utf-8")

    line = next(n for n, t in enumerate(text.splitlines(), 1) if named in t)
    with pytest.raises(ConfigurationError, match=rf"csv\.yaml:{line}, key .*{rule}"):
        read_rules(path)


def test_classes_bring_enrollments_without_rows(tmp_path: Path) -> None:
    alone = {"enrollments.csv": "student_id,class_id\n1,C\n"}
    assert list(pulled(tmp_path / "a", alone).pull.collections) == ["enrollments"]

    result = pulled(tmp_path / "b", {"classes.csv": "id,name,school_id\nC,Art,S\n"})

    assert list(result.pull.collections) == ["classes", "enrollments"]
    assert result.rows("enrollments") == []
    assert result.pull.collections["enrollments"].absence == "never"


def test_lead_teacher_of_a_class_is_primary_unless_said_otherwise(
    tmp_path: Path,
) -> None:
    result = pulled(
        tmp_path,
        {
            "classes.csv": "id,name,school_id,primary_teacher\nC,Art,S,T\nD,Pe,S,T\n",
            "enrollments.csv": "user_id,class_id,role,primary\n"
            "T,C,Teacher,\nT,D,teacher,no\nU,C,teacher,\nT,C,aide,\n",
        },
    )

    assert [row["is_primary"] for row in result.rows("enrollments")] == [
        "true",
        "no",
        None,
        None,
    ]


def test_schools_without_a_district_get_the_one_of_the_provider(tmp_path: Path) -> None:
    text = "id,name,lea_id\nS,Oak,\nT,Elm,D2\n"
    result = pulled(tmp_path, {"schools.csv": text}, district=("d1", "District 1"))

    districts = [(r["district_id"], r["district_name"]) for r in result.rows("schools")]
    assert districts == [("d1", "District 1"), ("D2", None)]
