"""From files to a staged roster: what `mappings/csv.yaml` makes of the columns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from d118_pipelines.kernel.frames import open_frames
from d118_pipelines.roster.staging.staged import Staged
from d118_pipelines_tests.sources.csv_files.folders import staged as staged_files
from d118_pipelines_tests.sources.csv_files.folders import users
from d118_pipelines_tests.support.project import REPOSITORY

TEMPLATES = {p.name: p.read_bytes() for p in (REPOSITORY / "examples/csv").iterdir()}
SCHOOLS = "id,name,district_id,district_name\nS,Oak,D1,District One\nT,Elm,,\n"
PEOPLE = "\n".join(
    [
        "id,first_name,last_name,role,email,school_id,status",
        "1,Ada,Alder,student,ada@school.example,S,active",
        "2,Ben,Birch,student,,S,suspended",
        "7,Cora,Cedar,teacher,cora@school.example,S,yes",
        "8,Dan,Dale,aide,dan@school.example,S,",
        "9,Eve,Elm,admin,eve@school.example,S,1",
    ]
)
CLASSES = "\n".join(
    [
        "id,name,school_id,course_id,course_name,teacher_id,teacher_ids,"
        "term_name,start_date,end_date",
        "C,Art 1,S,A,Art,7,7;8,Fall,8/17/2026,12/18/2026",
        "D,Art 2,S,A,Art,,,Fall,8/17/2026,12/18/2026",
        "E,Gym,S,,Gym,8,,,,",
    ]
)
ENROLLMENTS = "student_id,class_id,end_date\n1,C,\n2,C,10/30/2026\n"


def frames(made: Staged) -> Any:
    """A function that reads columns of a staged frame."""
    duck = open_frames()

    def rows(entity: str, *columns: str) -> list[tuple[Any, ...]]:
        path = made.folder / f"{entity}.parquet"
        listed = ", ".join(columns)
        return duck.sql(f"SELECT {listed} FROM '{path}' ORDER BY ALL").fetchall()

    return rows


def staged(folder: Path, sheets: Mapping[str, str | bytes]) -> tuple[Staged, Any]:
    """The staged roster of the files, and a function that reads a frame of it."""
    made = staged_files(folder, sheets).made
    return made, frames(made)


@pytest.fixture(scope="module")
def roster(tmp_path_factory: pytest.TempPathFactory) -> tuple[Staged, Any]:
    return staged(
        tmp_path_factory.mktemp("roster"),
        {
            "schools.csv": SCHOOLS,
            "people.csv": PEOPLE,
            "classes.csv": CLASSES,
            "enrollments.csv": ENROLLMENTS,
        },
    )


@pytest.mark.long
def test_templates_stage_without_a_reject_or_a_doubt(tmp_path: Path) -> None:
    made, _ = staged(tmp_path, TEMPLATES)

    counts = {name: (e.staged, e.rejected) for name, e in made.entities.items()}
    assert counts == {
        "orgs": (3, 0),
        "terms": (0, 0),
        "courses": (1, 0),
        "classes": (1, 0),
        "users": (3, 0),
        "enrollments": (2, 0),
    }
    # Grades as people write them (9, K) become codes.
    assert set(made.findings) <= {"row.grade_alias"}


@pytest.mark.long
def test_districts_are_those_that_the_schools_name(roster: tuple[Staged, Any]) -> None:
    _, rows = roster

    assert rows("orgs", "org_type", "external_id", "name", "parent_external_id") == [
        ("district", "D1", "District One", None),
        ("district", "d1", "District 1", None),
        ("school", "S", "Oak", "D1"),
        ("school", "T", "Elm", "d1"),
    ]


def test_status_words_become_active_and_inactive(roster: tuple[Staged, Any]) -> None:
    _, rows = roster

    assert rows("users", "external_id", "status") == [
        ("1", "active"),
        ("2", "inactive"),
        ("7", "active"),
        ("8", "active"),
        ("9", "active"),
    ]


def test_courses_and_terms_are_made_from_the_classes(
    roster: tuple[Staged, Any],
) -> None:
    _, rows = roster

    [(term, *values)] = rows(
        "terms", "external_id", "name", "type", "start_date::text", "end_date::text"
    )
    assert values == ["Fall", "term", "2026-08-17", "2026-12-19"]
    [art, gym] = rows("courses", "name", "external_id")
    assert art == ("Art", "A")
    assert rows(
        "classes", "external_id", "course_external_id", "term_external_ids"
    ) == [
        ("C", "A", json.dumps([term])),
        ("D", "A", json.dumps([term])),
        ("E", gym[1], None),
    ]


def test_teachers_of_a_class_are_enrolled_and_one_is_primary(
    roster: tuple[Staged, Any],
) -> None:
    _, rows = roster

    assert rows(
        "enrollments",
        "class_external_id",
        "user_external_id",
        "role",
        "is_primary",
        "end_date::text",
    ) == [
        ("C", "1", "student", None, None),
        ("C", "2", "student", None, "2026-10-31"),
        ("C", "7", "teacher", True, None),
        ("C", "8", "teacher", False, None),
        ("E", "8", "teacher", True, None),
    ]
    assert rows("classes", "external_id", "primary_teacher_external_id") == [
        ("C", "7"),
        ("D", None),
        ("E", "8"),
    ]


def test_classes_alone_prove_nothing_about_enrollments(tmp_path: Path) -> None:
    made, rows = staged(
        tmp_path,
        {"schools.csv": SCHOOLS, "people.csv": PEOPLE, "classes.csv": CLASSES},
    )

    assert len(rows("enrollments", "external_id")) == 3
    assert made.entities["enrollments"].absence == "never"
    assert made.entities["classes"].absence == "proven"


def test_rejected_row_counts_as_present(tmp_path: Path) -> None:
    bad = PEOPLE.replace("suspended", "gone").replace("8,Dan,Dale", "8,Dan,Dale,more")
    sheets = {"schools.csv": SCHOOLS, "my students.csv": bad}

    made, rows = staged(tmp_path, sheets)

    assert rows("users", "external_id") == [("1",), ("7",), ("9",)]
    assert rows("rejected", "external_id", "entity", "code", "source_line") == [
        ("2", "users", "row.bad_status", 3),
        ("8", "users", "csv.ragged_row", 5),
    ]
    assert made.entities["users"].unreadable_keys == 0


def test_too_many_rejected_rows_of_a_file_hold_the_plan(tmp_path: Path) -> None:
    header = "id,first_name,last_name,role,email,school_id"
    good = [f"{n},Ada,Alder,student,,S" for n in range(50)]
    bad = [f"b{n},Ada" for n in range(101)]
    sheets = {"schools.csv": SCHOOLS, "pupils.csv": users(*good, *bad, header=header)}

    made, _ = staged(tmp_path, sheets)

    counts = made.entities["users"]
    assert (counts.staged, counts.rejected, counts.unreadable_keys) == (50, 101, 0)
    assert made.held_reason is not None
    assert "pupils.csv" in made.held_reason
