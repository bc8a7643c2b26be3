"""Every code once: one defect in a valid roster gives exactly that finding."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from d118_pipelines.roster.model.entities import ENTITIES
from d118_pipelines_tests.roster.staging.roster import (
    Bench,
    Records,
    enrollment,
    found,
    person,
    ref,
    rejected,
    rows,
    valid,
)

Change = Callable[[Records], Any]


def put(collection: str, number: int, **values: Any) -> Change:
    """Change fields of one record; None removes the field."""

    def change(records: Records) -> None:
        record = records[collection][number]
        record.update(values)
        for key in [k for k, v in values.items() if v is None]:
            del record[key]

    return change


def add(collection: str, record: dict[str, Any]) -> Change:
    return lambda records: records[collection].append(record)


_ORDER = dict(zip(ENTITIES, valid(), strict=True))


def up_to(entity: str, records: Records) -> Records:
    """The collections up to the entity's: nothing after it can change its findings."""
    names = list(ENTITIES)
    kept = names[: names.index(entity) + 1]
    return {_ORDER[name]: records[_ORDER[name]] for name in kept}


ROLE = {"roleType": "primary", "role": "student", "org": ref("S5")}
WARNINGS: list[tuple[Change, str, str]] = [
    (put("orgs", 1, name=" High School"), "orgs", "row.whitespace"),
    (put("orgs", 1, name="x" * 300), "orgs", "row.too_long"),
    (put("orgs", 1, type="School"), "orgs", "row.enum_case"),
    (put("demographics", 0, status="inactive"), "demographics", "row.bad_status"),
    (put("orgs", 1, dateLastModified="x"), "orgs", "row.bad_datetime"),
    (put("orgs", 1, dateLastModified="2026-01-01"), "orgs", "row.datetime_form"),
    (put("orgs", 1, parent=ref("NONE")), "orgs", "ref.orphan_optional"),
    (put("orgs", 0, parent=ref("D100")), "orgs", "ref.cycle"),
    (put("academicSessions", 0, schoolYear="2026-27"), "terms", "row.bad_year"),
    (put("academicSessions", 0, schoolYear=None), "terms", "row.defaulted"),
    (put("academicSessions", 0, schoolYear="2026"), "terms", "sem.school_year"),
    (put("academicSessions", 0, endDate="20270605"), "terms", "row.date_form"),
    (put("courses", 0, grades=["9"]), "courses", "row.grade_alias"),
    (put("courses", 0, grades=["X9"]), "courses", "row.bad_grade"),
    (put("classes", 0, periods=["3", "3"]), "classes", "row.list_form"),
    (put("courses", 0, subjects=["A", "B"]), "courses", "sem.subject_lengths"),
    (put("courses", 0, schoolYear=ref("T1")), "courses", "ref.wrong_type"),
    (put("classes", 0, classType=None), "classes", "row.defaulted"),
    (put("classes", 0, classType="club"), "classes", "row.bad_enum"),
    (put("users", 1, enabledUser=None), "users", "row.defaulted"),
    (put("users", 1, enabledUser="TRUE"), "users", "row.bool_form"),
    (put("users", 1, username=None), "users", "row.defaulted"),
    (put("users", 1, familyName=None), "users", "row.defaulted"),
    (put("users", 1, agents=[ref("NONE")]), "users", "ref.orphan_element"),
    (put("users", 1, userIds=[{"type": "x"}]), "users", "row.bad_user_id"),
    (put("users", 1, roles=[{**ROLE, "role": "Student"}]), "users", "row.enum_case"),
    (put("users", 1, roles=[{**ROLE, "roleType": "x"}]), "users", "row.bad_enum"),
    (put("users", 1, roles=[ROLE, ROLE]), "users", "rest.role_merged"),
    (put("users", 1, roles=[{**ROLE, "beginDate": "x"}]), "users", "row.bad_date"),
    (
        put("users", 1, roles=[ROLE, {**ROLE, "role": "aide"}]),
        "users",
        "sem.multiple_primary_role",
    ),
    (
        put("users", 1, roles=[ROLE, {**ROLE, "org": ref("NONE")}]),
        "users",
        "ref.orphan_element",
    ),
    (
        put("users", 1, primaryOrg=ref("D100")),
        "users",
        "sem.primary_org_without_role",
    ),
    (
        put(
            "users",
            1,
            roles=[{**ROLE, "beginDate": "2026-02-01", "endDate": "2026-01-01"}],
        ),
        "users",
        "sem.date_order",
    ),
    (put("enrollments", 0, role="Student"), "enrollments", "row.enum_case"),
    (put("enrollments", 0, beginDate="x"), "enrollments", "row.bad_date"),
    (put("enrollments", 0, primary="maybe"), "enrollments", "row.bad_bool"),
    (put("enrollments", 0, primary="true"), "enrollments", "sem.primary_not_teacher"),
    (put("enrollments", 0, school=None), "enrollments", "row.defaulted"),
    (put("enrollments", 0, beginDate="2026-08-01"), "enrollments", "sem.outside_term"),
    (put("enrollments", 0, endDate="2026-08-17"), "enrollments", "sem.date_order"),
    (put("enrollments", 0, sourcedId="E:1"), "enrollments", "row.bad_guid"),
    (
        add("enrollments", enrollment("e1", "P1", "aide")),
        "enrollments",
        "id.case_collision",
    ),
    (
        add("enrollments", enrollment("E9", "P1", "teacher")),
        "enrollments",
        "sem.role_mismatch",
    ),
    (
        add("enrollments", enrollment("E9", "S1")),
        "enrollments",
        "sem.duplicate_enrollment",
    ),
    (put("demographics", 0, sex="unknown"), "demographics", "row.bad_enum"),
]
REJECTS: list[tuple[Change, str, str, str | None]] = [
    (
        put("orgs", 1, dateLastModified="2026-01-01T00:00:00.000Z", status="gone"),
        "orgs",
        "row.bad_status",
        "S5",
    ),
    (
        add("orgs", {"sourcedId": "S9", "type": "school"}),
        "orgs",
        "row.missing_required",
        "S9",
    ),
    (
        add("orgs", {"sourcedId": "S9", "name": "x", "type": "warehouse"}),
        "orgs",
        "row.bad_enum",
        "S9",
    ),
    (
        add("orgs", {"name": "x", "type": "school"}),
        "orgs",
        "row.missing_required",
        None,
    ),
    (
        add("orgs", {"sourcedId": "x" * 256, "name": "x", "type": "school"}),
        "orgs",
        "row.bad_guid",
        "x" * 256,
    ),
    (
        add(
            "academicSessions",
            {
                "sourcedId": "T9",
                "title": "x",
                "type": "term",
                "startDate": "2026-02-30",
                "endDate": "2027-01-01",
            },
        ),
        "terms",
        "row.bad_date",
        "T9",
    ),
    (
        add(
            "academicSessions",
            {
                "sourcedId": "T9",
                "title": "x",
                "type": "term",
                "schoolYear": "2027",
                "startDate": "2027-02-01",
                "endDate": "2027-01-01",
            },
        ),
        "terms",
        "sem.date_order",
        "T9",
    ),
    (
        add(
            "classes",
            {
                "sourcedId": "C9",
                "title": "x",
                "classType": "scheduled",
                "school": ref("NONE"),
                "course": ref("M1"),
            },
        ),
        "classes",
        "ref.orphan",
        "C9",
    ),
    (put("classes", 0, course=ref("NONE")), "classes", "ref.orphan", "C1"),
    (add("users", person("U9", "pupil")), "users", "row.bad_enum", "U9"),
    (add("users", person("U9", "student", "NONE")), "users", "ref.orphan", "U9"),
    (
        add("users", person("U9", "student", givenName="", familyName="")),
        "users",
        "row.missing_required",
        "U9",
    ),
    (
        add("users", person("U9", "student", roles=[])),
        "users",
        "row.missing_required",
        "U9",
    ),
    (
        add("users", person("U9", "student", givenName="x" * 70_000)),
        "users",
        "row.too_long",
        "U9",
    ),
    (add("enrollments", enrollment("E9", "NONE")), "enrollments", "ref.orphan", "E9"),
    (
        add("enrollments", enrollment("E9", "S1", "pupil")),
        "enrollments",
        "row.bad_enum",
        "E9",
    ),
    (
        add("enrollments", enrollment("E9", "")),
        "enrollments",
        "row.missing_required",
        "E9",
    ),
]


@pytest.mark.long
@pytest.mark.parametrize(("change", "entity", "code"), WARNINGS)
def test_a_warning_loses_no_row(
    tmp_path: Path, change: Change, entity: str, code: str
) -> None:
    records = valid()
    change(records)

    staged = Bench(tmp_path).json(up_to(entity, records))
    codes = {(e, c) for e, c, severity in found(staged)}
    assert (entity, code) in codes
    assert all(severity == "warn" for *_, severity in found(staged))
    assert len(codes) == 1
    assert rejected(staged) == {}
    for counts in staged.entities.values():
        assert counts.fetched == counts.staged


@pytest.mark.parametrize(("change", "entity", "code", "key"), REJECTS)
def test_a_reject_is_listed_with_its_code(
    tmp_path: Path, change: Change, entity: str, code: str, key: str | None
) -> None:
    records = valid()
    change(records)

    staged = Bench(tmp_path).json(up_to(entity, records))
    assert (entity, code, "reject") in found(staged)
    assert rejected(staged)[key] == code  # type: ignore[index]
    is_unreadable = key is None or code == "row.bad_guid"
    assert staged.entities[entity].unreadable_keys == is_unreadable
    assert key not in rows(staged, entity)


@pytest.mark.long
def test_without_defects_there_is_no_finding(tmp_path: Path) -> None:
    staged = Bench(tmp_path).json(valid())

    assert found(staged) == set()
    assert staged.findings == {}
    assert rejected(staged) == {}


@pytest.mark.long
def test_a_reference_to_a_deleted_record_is_a_warning(tmp_path: Path) -> None:
    records = valid()
    records["users"][1]["status"] = "tobedeleted"

    staged = Bench(tmp_path).json(records)
    assert found(staged) == {("enrollments", "ref.deleted_target", "warn")}


@pytest.mark.long
def test_a_row_that_points_at_a_rejected_row_is_rejected_with_the_cause(
    tmp_path: Path,
) -> None:
    records = valid()
    records["users"][1]["roles"][0]["role"] = "pupil"

    staged = Bench(tmp_path).json(records)
    assert rejected(staged) == {"S2": "row.bad_enum", "E2": "ref.orphan"}
    import pyarrow.parquet as pq

    details = {
        f["code"]: f["detail"] for f in pq.read_table(staged.findings_file).to_pylist()
    }
    assert details["ref.orphan"] == "the record that it points at was rejected"
    assert details["row.bad_enum"] in ("", "the word is pupil")


@pytest.mark.long
@pytest.mark.parametrize(
    ("second", "kept", "code"),
    [
        ({"title": "Algebra - 3"}, True, "id.duplicate_identical"),
        ({"title": "Another"}, False, "id.duplicate"),
    ],
)
def test_duplicates_of_a_file(
    tmp_path: Path, second: dict[str, str], kept: bool, code: str
) -> None:
    records = valid()
    del records["enrollments"]
    records["classes"].append({**records["classes"][0], **second})

    staged = Bench(tmp_path).csv(records)
    counts = staged.entities["classes"]
    assert {c for _, c, _ in found(staged)} == {code}
    assert set(rows(staged, "classes")) == ({"C1"} if kept else set())
    assert (counts.fetched, counts.rejected, counts.duplicates) == (
        (2, 0, 1) if kept else (2, 2, 0)
    )


@pytest.mark.long
def test_of_a_record_that_an_api_sends_twice_the_later_one_counts(
    tmp_path: Path,
) -> None:
    records = valid()
    records["classes"].append({**records["classes"][0], "title": "Later"})

    staged = Bench(tmp_path).json(records)
    assert found(staged) == {("classes", "rest.duplicate_row", "warn")}
    assert rows(staged, "classes")["C1"]["name"] == "Later"


def test_several_primary_teachers_are_kept_and_none_is_the_one(tmp_path: Path) -> None:
    records = valid()
    records["users"].append(person("A2", "teacher"))
    records["enrollments"].append(enrollment("E4", "A2", "teacher", primary="true"))

    staged = Bench(tmp_path).json(records)
    assert found(staged) == {("enrollments", "sem.multiple_primary_teacher", "warn")}
    assert {"E3", "E4"} <= set(rows(staged, "enrollments"))
    assert rows(staged, "classes")["C1"]["primary_teacher_external_id"] is None
