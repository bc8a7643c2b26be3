"""Records of OneRoster CSV sets: titles, keys, references, one person twice.

Each folder beside this file is one fault; a test is named after its number.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from d118_pipelines_tests.cases.case import Case, findings, keys
from d118_pipelines_tests.support.roster_sync import (
    rejected_rows,
    staged_rows,
)


@pytest.mark.long
def test_case_12_rows_of_one_class_per_term_are_merged(tmp_path: Path) -> None:
    case = Case(tmp_path, "12")
    # The same fault with people: one row for each school.
    case.add("users", "T2,,,true,5,teacher,t2,,Tia,Moss,,T2,t2@d118.example,,,,,")

    found = case.stage()

    assert set(keys(found, "id.merged")) == {"K1", "T2"}
    assert rejected_rows(found) == []
    assert staged_rows(found, "classes")["K1"]["term_external_ids"] == '["F27","S27"]'
    assert set(staged_rows(found, "enrollments")) == {"E1", "E2", "E3", "E4"}
    roles = json.loads(staged_rows(found, "users")["T2"]["roles"])
    assert [role["school_external_id"] for role in roles] == ["105", "5"]


@pytest.mark.long
def test_case_12_rows_that_differ_elsewhere_are_still_rejected(tmp_path: Path) -> None:
    case = Case(tmp_path, "12")
    case.change(
        "classes",
        {
            "K1,,,Algebra 1 - 1,09,C1,ALG1.1,scheduled,R1,5,S27": (
                "K1,,,Algebra 1 - 2,09,C1,ALG1.1,scheduled,R1,5,S27"
            )
        },
    )

    found = case.stage()

    assert keys(found, "id.duplicate") == ["K1", "K1"]


@pytest.mark.long
def test_case_01_a_class_without_title_has_that_of_its_course(tmp_path: Path) -> None:
    case = Case(tmp_path, "01")
    case.add("classes", "K3,,,NULL,,C2,HR.3B,scheduled,,105,F27,,,")

    found = case.stage()

    classes = staged_rows(found, "classes")
    assert (classes["K2"]["name"], classes["K3"]["name"]) == ("Homeroom", "Homeroom")
    assert keys(found, "row.defaulted") == ["K2", "K3"]
    assert set(staged_rows(found, "enrollments")) == {"E1", "E2", "E3", "E4"}


def test_case_01_a_class_without_any_title_has_its_code(tmp_path: Path) -> None:
    case = Case(tmp_path, "01")
    case.add("classes", "K3,,,,,C2,,scheduled,,105,F27,,,")

    # Without courses, as in a delta set that sends none.
    found = case.stage(entities=frozenset({"orgs", "terms", "classes"}))

    assert staged_rows(found, "classes")["K2"]["name"] == "HR.3A"
    assert rejected_rows(found) == [("classes", "K3", "row.missing_required")]


@pytest.mark.long
def test_case_41_a_person_first_seen_disabled_is_no_conflict(tmp_path: Path) -> None:
    project = Case(tmp_path, "41").project()

    for _ in range(2):
        project.sync("sis")

    assert [status for status, _ in project.runs("sis")] == ["SUCCESS", "SUCCESS"]
    assert project.conflicts() == []
    assert set(project.statuses("enrollments")) == {"e1", "e2"}


@pytest.mark.long
def test_case_11_an_orphan_says_that_only_its_case_differs(tmp_path: Path) -> None:
    case = Case(tmp_path, "11")
    case.change("classes", {",F27,,,1": ",f27,,,1"})

    found = case.stage()

    [orphan] = findings(found, "ref.orphan")
    key = "A1B2C3D4-0000-4000-8000-00000000ABCD"
    assert orphan["detail"] == f"differs in case only: {key}"
    [element] = findings(found, "ref.orphan_element")
    assert element["detail"] == "differs in case only: F27"


@pytest.mark.long
def test_case_05_one_person_in_two_rows_names_both(tmp_path: Path) -> None:
    found = Case(tmp_path, "05").stage()

    told = {f["external_id"]: f["detail"] for f in findings(found, "id.same_person")}
    assert told == {
        "A7": "the same person as T7",
        "T7": "the same person as A7",
    }


def test_case_05_an_address_that_many_share_names_nobody(tmp_path: Path) -> None:
    case = Case(tmp_path, "05")
    # Father and son at the family's address, which is their user name too, and a sister.
    family = "{0},,,true,5,student,{1},,{2},Moss,,{0},{1},,,,09,"
    names = {"F1": "Jo", "F2": "Jo", "F3": "Ida"}
    one = "moss@family.example"
    case.add("users", *(family.format(k, one, n) for k, n in names.items()))
    # A teacher whose user name is the own address, in two rows.
    own = "{0},,,true,5,{1},kay@d118.example,,Kay,Ott,,,kay@d118.example,,,,,"
    case.add("users", own.format("T8", "teacher"), own.format("A8", "administrator"))

    found = case.stage()

    assert set(keys(found, "id.same_person")) == {"A7", "T7", "A8", "T8"}


@pytest.mark.long
def test_case_05_a_provider_may_ask_for_one_person_with_two_roles(
    tmp_path: Path,
) -> None:
    case = Case(tmp_path, "05")
    case.add("enrollments", "E7,,,K1,5,T7,teacher,false,,")
    case.change(
        "users",
        {
            "S1,,,true,5,student,s1,,Ana,Ruiz,,S1,s1@d118.example,,,,": (
                "S1,,,true,5,student,s1,,Ana,Ruiz,,S1,s1@d118.example,,,T7,"
            )
        },
    )

    found = case.stage(merge_same_person=True)

    users = staged_rows(found, "users")
    assert "T7" not in users and rejected_rows(found) == []
    roles = json.loads(users["A7"]["roles"])
    assert [r["role"] for r in roles] == ["admin", "teacher"]
    assert users["S1"]["agent_external_ids"] == '["A7"]'
    assert staged_rows(found, "enrollments")["E7"]["user_external_id"] == "A7"
    [line] = findings(found, "id.merged_person")
    assert (line["external_id"], line["detail"]) == ("T7", "into A7")
    assert keys(found, "id.same_person") == []
