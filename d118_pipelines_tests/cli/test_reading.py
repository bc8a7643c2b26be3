"""`d118 plan`, `findings`, `explain` and `runs`: what the newest export says."""

from __future__ import annotations

import contextlib
import csv
import io
from pathlib import Path

import pytest

from d118_pipelines.instance import dagster_instance
from d118_pipelines_tests.conftest import LEFT, NO_PERSON, PEOPLE, STAFF
from d118_pipelines_tests.support.district import Person
from d118_pipelines_tests.support.project import ProjectFolder

CANARY = "Zzyzxcanary"


def test_a_plan_shows_counts_rules_and_changes(delivered: ProjectFolder) -> None:
    answer = delivered.d118("plan", "hr_records")

    assert answer.code == 0
    assert "of hr_records, made " in answer.out
    assert "against delivery " in answer.out
    assert "guard.drop_within_limit" in answer.out
    assert "19 records against 20 delivered last time (-5.0 %, limit -10 %)" in (
        answer.out
    )
    assert "remove" in answer.out


def test_a_plan_as_json_has_keys_and_no_values(delivered: ProjectFolder) -> None:
    plan = delivered.d118("plan", "hr_records", "--json").json()

    assert plan["verdict"] == "ready"
    assert plan["approval"] is None
    assert plan["counts"]["files"]["staff_data"]["removed"] == 1
    assert {c["key"] for c in plan["changes"]} == {str(LEFT)}
    assert {rule["passed"] for rule in plan["rules"]} == {True}
    assert len(plan["plan_hash"]) == 64


def test_a_plan_as_csv_lists_the_changes(delivered: ProjectFolder) -> None:
    answer = delivered.d118("plan", "hr_records", "--csv")

    changes = list(csv.DictReader(io.StringIO(answer.out)))
    assert [(c["file"], c["action"], c["key"]) for c in changes] == [
        ("job_types", "remove", str(LEFT)),
        ("staff_data", "remove", str(LEFT)),
    ]


def test_a_first_plan_has_no_changes_to_list(tmp_path: Path) -> None:
    project = ProjectFolder(tmp_path / "project", PEOPLE)
    project.export("hr_records")

    answer = project.d118("plan", "hr_records")

    assert "against nothing (first): ready" in answer.out
    assert project.d118("plan", "hr_records", "--json").json()["changes"] == []


def test_a_long_plan_is_cut_unless_all_is_asked_for(project: ProjectFolder) -> None:
    added = [Person(dcid) for dcid in range(5000, 5030)]
    project.set_people([*PEOPLE, *added])
    project.export("hr_records")

    assert (
        "20 more: d118 plan hr_records --all" in project.d118("plan", "hr_records").out
    )
    everything = project.d118("plan", "hr_records", "--all").out
    assert "more: d118" not in everything
    assert everything.count(" add ") == 60


@pytest.mark.parametrize("command", ["plan", "findings", "explain"])
def test_a_target_without_an_export_is_2(tmp_path: Path, command: str) -> None:
    project = ProjectFolder(tmp_path / "project", PEOPLE)
    key = ["4000"] if command == "explain" else []

    answer = project.d118(command, "hr_records", *key)

    assert answer.code == 2
    assert "hr_records has no plan yet." in answer.err
    assert "d118 run hr_records" in answer.err


@pytest.mark.parametrize(
    "command",
    [
        ["plan", "nobody"],
        ["findings", "nobody"],
        ["explain", "nobody", "4000"],
        ["run", "nobody"],
        ["resend", "nobody"],
        ["approve", "nobody", "0" * 64, "--reason", "x"],
        ["compare", "nobody", "--with", "."],
        ["status", "--target", "nobody"],
        ["runs", "--target", "nobody"],
        ["ledger", "deliveries", "--target", "nobody"],
        ["ledger", "seed", "nobody", "--newest-dcid", "0"],
        ["ledger", "remove", "nobody", "P", "4000"],
        ["test-connection", "nobody"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_an_unknown_target_is_2_and_lists_the_names(
    delivered: ProjectFolder, command: list[str]
) -> None:
    answer = delivered.d118(*command)

    assert answer.code == 2
    assert answer.err.startswith("There is no target ")
    assert " nobody.\n" in answer.err
    assert "The targets are: hr_records, smartfind." in answer.err


def test_findings_are_counted_by_code_and_listed(delivered: ProjectFolder) -> None:
    answer = delivered.d118("findings", "hr_records")

    assert answer.code == 0
    assert "Findings of hr_records" in answer.out
    assert "bad_name" in answer.out
    assert str(NO_PERSON) in answer.out
    rows = delivered.d118("findings", "hr_records", "--json").json()
    assert [(row["code"], row["key"]) for row in rows] == [
        ("left_file", str(LEFT)),
        ("bad_name", str(NO_PERSON)),
    ]


def test_findings_can_be_asked_for_by_code(delivered: ProjectFolder) -> None:
    chosen = delivered.d118("findings", "hr_records", "--code", "bad_name", "--json")
    none = delivered.d118("findings", "hr_records", "--code", "duplicate_email")

    assert [row["code"] for row in chosen.json()] == ["bad_name"]
    assert none.code == 0
    assert "No finding." in none.out


def test_findings_as_csv_are_safe_in_a_spreadsheet(project: ProjectFolder) -> None:
    project.edit(
        "mappings/targets/hr_records.yaml",
        'todo: "Not a person by its name. If it is one, add the DCID to bad_name_allow."',
        'todo: "=HYPERLINK(1)"',
    )
    project.export("hr_records")

    answer = project.d118("findings", "hr_records", "--csv")

    rows = list(csv.DictReader(io.StringIO(answer.out)))
    assert [row["code"] for row in rows] == ["bad_name"]
    assert rows[0]["todo"] == "'=HYPERLINK(1)"


def test_explain_follows_an_exported_person(delivered: ProjectFolder) -> None:
    answer = delivered.d118("explain", "smartfind", "4003", "--json").json()

    assert answer["outcome"] == {"code": "exported", "text": "4003 is exported."}
    assert [(line["file"], line["command"]) for line in answer["lines"]] == [
        ("P1ProfileBasic.csv", "A"),
        ("W2SSO.csv", "A"),
        ("E1PlusEmployeeWorkSchedule.csv", "A"),
    ]
    assert {line["line"] for line in answer["lines"]} == {4}
    assert [sent["record"] for sent in answer["sent"]] == [
        "E 4003/1",
        "P 4003",
        "W 4003",
    ]
    assert {sent["sent as"] for sent in answer["sent"]} == {"4003", "4003/1"}
    assert [e["extract"] for e in answer["extracts"]] == [
        "raw/powerschool/smartfind_staff"
    ]


def test_the_line_that_explain_names_is_the_persons(delivered: ProjectFolder) -> None:
    lines = delivered.d118("explain", "hr_records", "4003", "--json").json()["lines"]

    for line in lines:
        sent = delivered.outbox("hr_records")[line["file"]].decode().split("\n")
        assert "4003" in sent[line["line"] - 1]
    assert len(lines) == 2


def test_explain_names_the_rule_that_stopped_a_person(delivered: ProjectFolder) -> None:
    answer = delivered.d118("explain", "hr_records", str(NO_PERSON))

    assert answer.code == 0
    assert f"{NO_PERSON} is skipped by the rule bad_name." in answer.out
    assert "add the DCID to bad_name_allow" in answer.out
    assert "In no file." in answer.out


def test_explain_says_that_nobody_has_a_key(delivered: ProjectFolder) -> None:
    answer = delivered.d118("explain", "hr_records", "999999").out

    assert "999999 is not in the extract: no such person, or no e-mail." in answer
    assert "Never." in answer


def test_explain_knows_who_left_from_the_ledger(delivered: ProjectFolder) -> None:
    answer = delivered.d118("explain", "hr_records", str(LEFT), "--json").json()

    assert answer["outcome"]["code"] == "not_in_extract"
    assert answer["lines"] == []
    assert [sent["record"] for sent in answer["sent"]] == [
        f"job {LEFT}",
        f"staff {LEFT}",
    ]
    assert {change["change"] for change in answer["change"]} == {"remove"}
    assert [finding["code"] for finding in answer["findings"]] == ["left_file"]


def test_explain_shows_values_only_when_asked(project: ProjectFolder) -> None:
    project.set_people([*STAFF, Person(4300, last_name=f"{CANARY} [Ruiz]")])
    project.export("hr_records")

    silent = project.d118("explain", "hr_records", "4300")
    shown = project.d118("explain", "hr_records", "4300", "--show-values")

    assert CANARY not in silent.out
    assert f"{CANARY} [Ruiz]" in shown.out


def test_explain_says_that_an_export_is_gone(project: ProjectFolder) -> None:
    (project.home / "exports").rename(project.home / "moved")

    answer = project.d118("explain", "hr_records", "4003")

    assert answer.code == 2
    assert "The export behind plan " in answer.err


def test_runs_are_listed_newest_first_and_by_page(delivered: ProjectFolder) -> None:
    page = delivered.d118("runs", "--limit", "1", "--offset", "1", "--json").json()

    assert (page["total"], page["limit"], page["offset"]) == (4, 1, 1)
    [first] = page["runs"]
    assert (first["name"], first["outcome"], first["trigger"]) == (
        "hr_records",
        "delivered",
        "manual",
    )
    text = delivered.d118("runs").out
    assert text.index("smartfind") < text.index("hr_records")


def test_runs_can_be_asked_for_by_target(delivered: ProjectFolder) -> None:
    runs = delivered.d118("runs", "--target", "smartfind", "--json").json()

    assert [run["name"] for run in runs["runs"]] == ["smartfind"] * 2


def test_the_history_is_the_project_s_wherever_one_is(
    delivered: ProjectFolder, tmp_path: Path
) -> None:
    with (
        delivered.entered(),
        contextlib.chdir(tmp_path),
        dagster_instance(delivered.project) as instance,
    ):
        assert len(instance.get_runs()) == 2

    assert list(tmp_path.iterdir()) == []


def test_there_may_be_no_run_yet(tmp_path: Path) -> None:
    project = ProjectFolder(tmp_path / "project")

    assert "No run yet." in project.d118("runs").out
