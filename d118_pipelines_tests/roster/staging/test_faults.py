"""Faults that must not come back, by their names, and the worked example row by row."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from d118_pipelines.errors import ConfigurationError, IncompleteExtractError
from d118_pipelines.roster.staging.staged import find_staged
from d118_pipelines.roster.staging.staging import PLAIN_CSV_CAP
from d118_pipelines_tests.roster.staging.roster import (
    RUN,
    Bench,
    enrollment,
    found,
    person,
    ref,
    rejected,
    rows,
    valid,
)


def roles(user: dict[str, str]) -> list[tuple[str, str]]:
    return [(r["school_external_id"], r["role"]) for r in json.loads(user["roles"])]


@pytest.mark.long
def test_d11_deletion_at_the_source_retires_and_text_false_is_false(
    tmp_path: Path,
) -> None:
    records = valid()
    records["users"][0]["enabledUser"] = "false"
    records["users"][1]["status"] = "tobedeleted"
    records["users"][3]["enabledUser"] = False

    users = rows(Bench(tmp_path).json(records), "users")
    assert {k: (u["status"], u["inactive_reason"]) for k, u in users.items()} == {
        "S1": ("inactive", "disabled"),
        "S2": ("inactive", "tobedeleted"),
        "A1": ("active", None),
        "P1": ("inactive", "disabled"),
    }


@pytest.mark.long
def test_d13_one_bad_row_blocks_no_other(tmp_path: Path) -> None:
    records = valid()
    records["users"].append(person("BAD", "pupil"))

    staged = Bench(tmp_path).json(records)
    assert rejected(staged) == {"BAD": "row.bad_enum"}
    assert set(rows(staged, "users")) == {"S1", "S2", "A1", "P1"}


def test_d14_a_second_role_and_a_second_date_range_are_rows_of_their_own(
    tmp_path: Path,
) -> None:
    mapping = tmp_path / "m.yaml"
    mapping.write_text(
        "connector_name: x\nendpoints:\n  enrollments:\n    field_mappings: {"
        "user_external_id: u, class_external_id: c, role: r, begin_date: b}\n",
        encoding="utf-8",
    )
    sent = [
        ("A1", "teacher", "2026-08-17"),
        ("A1", "aide", "2026-08-17"),
        ("A1", "aide", "2027-01-16"),
    ]
    rows_sent = [{"u": u, "c": "C1", "r": r, "b": b} for u, r, b in sent]

    first = rows(
        Bench(tmp_path / "1", mapping).json({"enrollments": rows_sent}), "enrollments"
    )
    again = rows(
        Bench(tmp_path / "2", mapping).json({"enrollments": rows_sent[::-1]}),
        "enrollments",
    )
    assert len(first) == 3
    assert set(first) == set(again)


@pytest.mark.long
def test_d15_second_schools_staff_ids_and_middle_names_are_kept(tmp_path: Path) -> None:
    records = valid()
    records["orgs"].append({"sourcedId": "S6", "name": "Other", "type": "school"})
    records["users"][2] |= {
        "middleName": "Lee Ann",
        "userIds": [{"type": "staffId", "identifier": "77"}],
        "roles": [
            {"roleType": "primary", "role": "teacher", "org": ref("S5")},
            {"roleType": "primary", "role": "teacher", "org": ref("S6")},
        ],
    }

    user = rows(Bench(tmp_path).json(records), "users")["A1"]
    assert (user["middle_name"], user["staff_id"]) == ("Lee Ann", "77")
    assert roles(user) == [("S5", "teacher"), ("S6", "teacher")]


@pytest.mark.long
def test_d16_students_need_no_email(tmp_path: Path) -> None:
    user = rows(Bench(tmp_path).json(valid()), "users")["S2"]

    assert (user["email"], user["status"]) == (None, "active")


@pytest.mark.long
def test_c1_unknown_roles_are_never_replaced_and_both_shapes_are_read(
    tmp_path: Path,
) -> None:
    records = valid()
    records["users"] += [
        {**person("OLD", "x"), "roles": None, "role": "teacher", "orgs": [ref("S5")]},
        {**person("OBJ", "x"), "roles": {"role": "teacher", "orgs": [ref("S5")]}},
        {**person("NEW", "teacher")},
        person("BAD", "ext:wizard"),
    ]
    del records["users"][-4]["roles"]
    records["users"][-3]["role"] = records["users"][-3].pop("roles")

    staged = Bench(tmp_path).json(records)
    users = rows(staged, "users")
    for key in ("OLD", "OBJ", "NEW"):
        assert roles(users[key]) == [("S5", "teacher")], key
    assert rejected(staged) == {"BAD": "row.bad_enum"}


@pytest.mark.long
def test_c1_extension_words_count_where_the_provider_maps_them(tmp_path: Path) -> None:
    records = valid()
    records["users"].append(person("LIB", "ext:librarian"))

    bench = Bench(tmp_path, options={"role_map": {"ext:librarian": "staff"}})
    [role] = json.loads(rows(bench.json(records), "users")["LIB"]["roles"])
    assert (role["role"], role["source_role"]) == ("staff", "ext:librarian")


@pytest.mark.long
def test_c2_administrator_follows_the_kind_of_its_org(tmp_path: Path) -> None:
    records = valid()
    records["users"] += [
        {
            **person("ADM", "x"),
            "role": "administrator",
            "orgs": [ref("S5"), ref("D100")],
        }
    ]
    del records["users"][-1]["roles"]

    user = rows(Bench(tmp_path).json(records), "users")["ADM"]
    assert roles(user) == [("D100", "district_admin"), ("S5", "admin")]
    assert [r["source_role"] for r in json.loads(user["roles"])] == [
        "districtAdministrator",
        "siteAdministrator",
    ]
    assert user["primary_school_external_id"] == "S5"


@pytest.mark.long
def test_c3_missing_primary_is_not_true_and_all_teachers_are_kept(
    tmp_path: Path,
) -> None:
    records = valid()
    records["users"].append(person("A2", "teacher"))
    records["enrollments"].append(enrollment("E4", "A2", "teacher"))

    staged = Bench(tmp_path).json(records)
    listed = rows(staged, "enrollments")
    assert {k: listed[k]["is_primary"] for k in ("E3", "E4")} == {
        "E3": True,
        "E4": None,
    }
    assert rows(staged, "classes")["C1"]["primary_teacher_external_id"] == "A1"


@pytest.mark.long
@pytest.mark.parametrize(
    ("order", "text", "expected"), [("mdy", "09/10/2026", 9), ("dmy", "09/10/2026", 10)]
)
def test_c8_slash_dates_follow_the_order_of_the_source_alone(
    tmp_path: Path, order: str, text: str, expected: int
) -> None:
    records = valid()
    records["enrollments"][0]["beginDate"] = text

    bench = Bench(tmp_path, options={"date_order": order})
    assert (
        rows(bench.json(records), "enrollments")["E1"]["begin_date"].month == expected
    )


@pytest.mark.long
def test_worked_example_row_by_row(tmp_path: Path) -> None:
    records = valid()
    records["enrollments"] = [
        enrollment("E-1", "S1"),
        enrollment("E-2", "A1", "Teacher", primary="TRUE"),
        enrollment("E-3", "S2", "pupil"),
        enrollment("E-4", "S-7777"),
        enrollment("E-5", ""),
        enrollment("E-6", "S2", beginDate="17/08/2026"),
        enrollment("E-8", "S2"),
        enrollment("E-8", "S2"),
        enrollment("E-9", "S1"),
        enrollment("E-9", "S2"),
        enrollment(
            "E:10", "A1", "proctor", beginDate="2026-12-01", endDate="2026-11-01"
        ),
    ]

    staged = Bench(tmp_path).csv(records)
    assert set(rows(staged, "enrollments")) == {"E-1", "E-2", "E-6", "E-8", "E:10"}
    assert rejected(staged) == {
        "E-3": "row.bad_enum",
        "E-4": "ref.orphan",
        "E-5": "row.missing_required",
        "E-9": "id.duplicate",
    }
    assert {code for _, code, severity in found(staged) if severity == "warn"} == {
        "row.enum_case",
        "row.bool_form",
        "row.bad_date",
        "id.duplicate_identical",
        "sem.duplicate_enrollment",
        "row.bad_guid",
        "sem.date_order",
    }


def test_too_many_rejects_refuse_a_bundle_and_hold_a_plain_file(tmp_path: Path) -> None:
    records = {"orgs": valid()["orgs"]}
    records["orgs"] += [{"sourcedId": f"X{i}", "name": "x"} for i in range(101)]

    with pytest.raises(IncompleteExtractError, match="too_many_rejects") as caught:
        Bench(tmp_path / "a").json(records)
    assert "101 of 103 rows of orgs" in str(caught.value)
    left = [path.name for path in (tmp_path / "a/staged").rglob("*.parquet")]
    assert left == ["refused.parquet"]  # its findings
    held = Bench(tmp_path / "b", options={"reject_cap": PLAIN_CSV_CAP}).json(records)
    assert held.held_reason is not None
    assert find_staged(tmp_path / "b/staged/source", RUN) == held


@pytest.mark.long
def test_rows_rejected_while_reading_count_as_present(tmp_path: Path) -> None:
    findings = pa.table(
        {
            "code": ["csv.ragged", "csv.nul", "csv.header_case"],
            "severity": ["reject", "reject", "warn"],
            "entity": ["", "", ""],
            "source_file": ["users.csv"] * 3,
            "source_line": pa.array([7, 8, 1], pa.int64()),
            "field": ["", "", "givenName"],
            "external_id": ["S7", None, None],
            "detail": ["", "", ""],
            "count": pa.array([1, 1, 1], pa.int64()),
        }
    )
    path = tmp_path / "findings.parquet"
    pq.write_table(findings, path)

    staged = Bench(tmp_path, findings=path).csv(valid())
    counts = staged.entities["users"]
    assert (counts.fetched, counts.staged, counts.rejected) == (6, 4, 2)
    assert counts.unreadable_keys == 1
    assert rejected(staged) == {"S7": "csv.ragged", None: "csv.nul"}
    assert ("users", "csv.header_case", "warn") in found(staged)


def test_references_of_a_delta_may_point_into_the_roster(tmp_path: Path) -> None:
    records = {"enrollments": valid()["enrollments"][:1]}
    known = {"users": ["S1"], "classes": ["C1"], "orgs": ["S5"]}

    staged = Bench(tmp_path / "a", known=known, is_delta=True).json(records)
    assert set(rows(staged, "enrollments")) == {"E1"}
    unknown = Bench(tmp_path / "b", known={**known, "users": ["S2"]}, is_delta=True)
    assert rejected(unknown.json(records)) == {"E1": "ref.orphan"}


def test_a_query_that_cannot_run_names_its_file(tmp_path: Path) -> None:
    (tmp_path / "q.sql").write_text(
        "SELECT nothing FROM raw.orgs WHERE $today", "utf-8"
    )
    mapping = tmp_path / "m.yaml"
    mapping.write_text(
        f"connector_name: x\nendpoints:\n  orgs:\n    query: {tmp_path}/q.sql\n"
        "    field_mappings: {external_id: a}\n",
        encoding="utf-8",
    )

    with pytest.raises(ConfigurationError, match=r"q\.sql cannot be run: \$today"):
        Bench(tmp_path, mapping).json({"orgs": valid()["orgs"]})
    bench = Bench(tmp_path, mapping, options={"parameters": {"today": True}})
    with pytest.raises(ConfigurationError, match=r"q\.sql cannot be run: Binder"):
        bench.json({"orgs": valid()["orgs"]})
