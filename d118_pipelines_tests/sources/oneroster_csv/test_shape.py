"""Rows of CSV sets take the shape of the REST service, whatever their version."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest

from d118_pipelines_tests.sources.oneroster_csv.pulls import Pulled, pull_set
from d118_pipelines_tests.support.bundles import (
    BASE_1_2,
    ENROLLMENTS,
    ROLES,
    USERS_1_1,
    set_of,
)
from d118_pipelines_tests.support.project import REPOSITORY

QUERIES = REPOSITORY / "sql/staging/oneroster_csv"
OLD = set_of()
NEW = set_of(BASE_1_2, version="1.2")


def shaped(pulled: Pulled, endpoint: str) -> list[dict[str, Any]]:
    with duckdb.connect() as duck:
        duck.execute("CREATE SCHEMA raw")
        for name in pulled.pull.collections:
            duck.execute(
                f"CREATE VIEW raw.\"{name}\" AS SELECT *, '{name}' AS _collection, "
                f"'{name}.csv' AS _file, file_row_number AS _row FROM read_parquet("
                f"'{pulled.pull.rows_file(name)}', file_row_number = true)"
            )
        query = (QUERIES / f"{endpoint}.sql").read_text(encoding="utf-8")
        rows: list[dict[str, Any]] = duck.sql(query).to_arrow_table().to_pylist()
    return sorted(rows, key=lambda row: row["_row"])


def names_and_schools(user: Mapping[str, Any]) -> set[tuple[str, str, str]]:
    roles = user["roles"]
    return {(r["roleType"], r["role"], r["org"]["sourcedId"]) for r in roles}


@pytest.mark.parametrize("files", [OLD, NEW], ids=["1.1", "1.2"])
def test_user_has_roles_lists_and_references(
    files: dict[str, bytes], tmp_path: Path
) -> None:
    student, teacher = shaped(pull_set(files, tmp_path), "users")

    assert names_and_schools(student) == {("primary", "student", "S5")}
    assert names_and_schools(teacher) == {
        ("primary", "teacher", "S5"),
        ("primary", "teacher", "D100"),
    }
    assert student["primaryOrg"] == {"sourcedId": "S5"}
    assert student["grades"] == ["09"]
    assert student["userIds"] == [
        {"type": "studentNumber", "identifier": "219001"},
        {"type": "stateId", "identifier": "123456789"},
    ]
    assert teacher["userIds"] == [{"type": "staffId", "identifier": "77"}]
    assert (student["_line"], student["_row"], student["_file"]) == (2, 0, "users.csv")


def test_administrator_of_1_1_is_named_by_the_type_of_the_org(tmp_path: Path) -> None:
    users = USERS_1_1 + 'A-1,,,true,"D100,S5",administrator,x,,A,B,,,,,,"S-1, S-2",,\n'

    [user] = shaped(pull_set(set_of(users=users), tmp_path), "users")

    assert names_and_schools(user) == {
        ("primary", "districtAdministrator", "D100"),
        ("primary", "siteAdministrator", "S5"),
    }
    assert user["primaryOrg"] == {"sourcedId": "D100"}
    assert user["agents"] == [{"sourcedId": "S-1"}, {"sourcedId": "S-2"}]


def test_role_that_is_deleted_is_left_out(tmp_path: Path) -> None:
    roles = (
        ROLES
        + "r-1,active,2026-08-01T00:00:00Z,T-77,primary,teacher,2026-08-01,,S5,\n"
        + "r-2,tobedeleted,2026-08-01T00:00:00Z,T-77,primary,teacher,,,D100,\n"
    )
    files = set_of(BASE_1_2, version="1.2", roles=roles)

    teacher = shaped(pull_set(files, tmp_path), "users")[1]

    assert names_and_schools(teacher) == {("primary", "teacher", "S5")}
    assert teacher["roles"][0]["beginDate"] == "2026-08-01"


def test_class_has_its_references_and_lists(tmp_path: Path) -> None:
    [found] = shaped(pull_set(OLD, tmp_path), "classes")

    assert found["course"] == {"sourcedId": "C-812"}
    assert found["school"] == {"sourcedId": "S5"}
    assert found["terms"] == [{"sourcedId": "D100-3601"}]
    assert found["grades"] == ["09", "10"]
    assert found["periods"] == ["3"]


def test_other_files_have_references_as_objects(tmp_path: Path) -> None:
    pulled = pull_set(OLD, tmp_path)

    orgs, terms = shaped(pulled, "orgs"), shaped(pulled, "academicSessions")
    [course] = shaped(pulled, "courses")
    enrollment = shaped(pulled, "enrollments")[1]
    [person] = shaped(pulled, "demographics")

    assert [org["parent"]["sourcedId"] for org in orgs] == [None, "D100"]
    assert terms[1]["parent"] == {"sourcedId": "D100-3600"}
    assert course["org"] == {"sourcedId": "D100"}
    assert course["schoolYear"] == {"sourcedId": "D100-3600"}
    assert course["subjectCodes"] == ["MAT"]
    assert enrollment["class"] == {"sourcedId": "51234"}
    assert enrollment["user"] == {"sourcedId": "T-77"}
    assert enrollment["primary"] == "true"
    assert person["birthDate"] == "2011-05-03"


def test_set_with_one_file_has_all_shapes(tmp_path: Path) -> None:
    files = set_of({}, enrollments=ENROLLMENTS, modes={"enrollments": "delta"})
    pulled = pull_set(files, tmp_path)

    assert {path.stem: shaped(pulled, path.stem) for path in QUERIES.glob("*.sql")} == {
        name: [] for name in pulled.pull.collections if name != "roles"
    }
