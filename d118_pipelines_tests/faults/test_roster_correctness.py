"""Faults that give wrong rosters or cost too much: roles, primaries, hashes, statements.

One district with a case of each, synced once; what a test needs beyond that, it
changes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from d118_pipelines_tests.sources.clever.district import (
    DISTRICT,
    clever_id,
    section,
    small_district,
)
from d118_pipelines_tests.support.clever_server import CleverServer
from d118_pipelines_tests.support.oneroster_data import district, person
from d118_pipelines_tests.support.roster_sync import (
    PEOPLE_ONLY,
    Entry,
    RosterProject,
    SyncedDistrict,
    changed,
    counts,
    entry,
)

TEACHERS = ["U9000000", "U9000001", "U9000002"]


def rich_district() -> dict[str, list[Entry]]:
    """Three teachers of one class, two administrators, and roles that nobody knows."""
    data = district(12)
    [row] = [e for e in data["enrollments"] if e["role"] == "teacher"]
    for number in (1, 2):
        data["users"].append(person(9_000_000 + number, role="teacher"))
        user = {"sourcedId": TEACHERS[number]}
        data["enrollments"].append({**row, "sourcedId": f"E{number}", "user": user})
    del row["primary"]
    boss, head = (person(8_000_000 + n, role="administrator") for n in (0, 1))
    boss["orgs"] = [{"sourcedId": "D1"}]
    unknown = person(7_000_000, role="wizard")
    missing = person(7_000_001)
    del missing["role"]
    data["users"] += [boss, head, unknown, missing]
    return data


@pytest.fixture(scope="module")
def sis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SyncedDistrict]:
    with SyncedDistrict(tmp_path_factory.mktemp("sis"), rich_district()) as synced:
        yield synced


def roles(project: RosterProject) -> dict[str, str]:
    """External id -> role, of users with one role."""
    return dict(
        project.sql(
            "SELECT u.external_id, r.role FROM users u "
            "JOIN user_roles r ON r.user_id = u.id"
        )
    )


@pytest.mark.long
def test_c1_unknown_or_missing_role_rejects_the_row_and_is_never_a_student(
    sis: SyncedDistrict,
) -> None:
    found = roles(sis.project)

    assert {"U7000000", "U7000001"}.isdisjoint(found)
    assert sum(role == "student" for role in found.values()) == 12
    assert sis.first.status == "PARTIAL"
    assert sis.first.stats["users"]["errors"] == 2


def test_c2_administrator_is_of_the_district_only_where_the_org_is_one(
    sis: SyncedDistrict,
) -> None:
    found = roles(sis.project)

    assert found["U8000000"] == "district_admin"
    assert found["U8000001"] == "admin"


def test_c3_all_teachers_of_a_class_are_kept_and_none_is_primary_by_default(
    sis: SyncedDistrict,
) -> None:
    rows = sis.project.sql(
        "SELECT u.external_id, e.is_primary FROM enrollments e "
        "JOIN users u ON u.id = e.user_id WHERE e.role = 'teacher' ORDER BY 1"
    )
    lead = sis.project.sql("SELECT primary_teacher_id FROM classes")

    assert [row[0] for row in rows] == TEACHERS
    assert not any(is_primary for _, is_primary in rows)
    assert rows[0][1] is None
    assert lead == [(None,)]


def test_c4_terms_and_courses_are_records_that_classes_refer_to(
    sis: SyncedDistrict,
) -> None:
    found = sis.project.sql(
        "SELECT c.external_id, t.external_id, o.external_id FROM classes c "
        "JOIN class_terms ct ON ct.class_id = c.id JOIN terms t ON t.id = ct.term_id "
        "JOIN courses o ON o.id = c.course_id"
    )
    assert found == [("K1", "T1", "C1")]


@pytest.mark.long
@pytest.mark.parametrize(
    ("table", "fields", "column"),
    [
        ("classes", {"periods": ["3", "4"]}, "periods"),
        ("users", {"userIds": [{"type": "sis", "identifier": "x"}]}, "user_ids"),
    ],
)
def test_c5_change_of_a_nested_value_is_an_update_of_that_column(
    sis: SyncedDistrict,
    tmp_path: Path,
    table: str,
    fields: dict[str, Any],
    column: str,
) -> None:
    project = sis.begin(tmp_path)
    key = "K1" if table == "classes" else "U0000001"
    sis.serve(**{table: changed(sis.data[table], key, **fields)})

    result = project.sync("sis")

    assert counts(result, table) == {"updated": 1}
    assert result.changed == 1
    names = "SELECT fields FROM roster_history WHERE action = 'update'"
    [(found,)] = project.sql(names)
    assert column in json.loads(found)


@contextmanager
def counted_statements() -> Iterator[list[str]]:
    """Every statement that SQLAlchemy hands to a driver while the block runs."""
    seen: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        seen.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)


@pytest.mark.long
def test_p1_statements_of_an_apply_do_not_grow_with_the_rows(
    sis: SyncedDistrict, tmp_path: Path
) -> None:
    seen = []
    for number, rows in enumerate((1, 400)):
        users = changed(sis.data["users"], "U0000001", givenName=f"New {rows}")
        project = sis.begin(tmp_path / str(number), sync=PEOPLE_ONLY)
        sis.serve(users=[*users, *(person(n) for n in range(100, 100 + rows))])
        project.plan("sis")
        with counted_statements() as statements:
            result = project.apply("sis")
        assert counts(result) == {"created": rows, "updated": 1}
        seen.append(len(statements))

    assert seen[0] == seen[1]
    assert seen[0] < 150


def test_p2_p3_requests_of_clever_do_not_grow_with_classes_and_students(
    tmp_path: Path,
) -> None:
    asked = []
    for students, classes in ((2, 1), (40, 15)):
        data = small_district(students, 2)
        pupils = [clever_id("student", n + 1) for n in range(students)]
        data["sections"] = [section(n + 1, students=pupils) for n in range(classes)]
        with CleverServer(data, district=DISTRICT) as server:
            project = RosterProject(
                tmp_path / str(students),
                entry(
                    "clever",
                    "CLEVER",
                    {
                        "districtId": DISTRICT,
                        "accessToken": "${CLEVER_TOKEN}",
                        "baseUrl": server.host,
                    },
                    secrets={"CLEVER_TOKEN": server.token},
                ),
            )
            project.pull("clever")
            asked.append(len(server.requests))

    assert asked[0] == asked[1]
