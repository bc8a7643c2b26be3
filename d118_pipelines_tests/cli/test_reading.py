"""`d118 plan`, `findings` and `runs`: what the newest export says."""

from __future__ import annotations

import contextlib
import csv
import io
from pathlib import Path

import duckdb
import pytest

from d118_pipelines.instance import dagster_instance
from d118_pipelines.state import database as db
from d118_pipelines.targets.build import PLAN_FILE
from d118_pipelines.targets.show import school_rows
from d118_pipelines_tests.conftest import LEFT, NO_PERSON, PEOPLE
from d118_pipelines_tests.support.district import Person
from d118_pipelines_tests.support.project import ProjectFolder


def test_a_plan_shows_counts_rules_and_changes(delivered: ProjectFolder) -> None:
    answer = delivered.d118("plan", "hr_records")

    assert answer.code == 0
    assert "of hr_records, made " in answer.out
    assert "against delivery " in answer.out
    assert "guard.drop_within_limit" in answer.out
    assert "19 records against 20 delivered last time (-5.0 %, limit -10 %)" in (
        answer.out
    )
    assert "removed" in answer.out


def test_a_plan_begins_with_what_matters(held: ProjectFolder) -> None:
    text = held.d118("plan", "hr_records").out

    parts = [
        "hr_records: HELD. 18 changes.",
        "HELD guard.drop_within_limit",
        "d118 approve hr_records ",
        "Files",
        "Changes",
        "Guard: rules that are kept",
    ]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert text.count(" removed ") == 1 + 18  # the heading, and each once


def test_changes_are_counted_per_school_and_file(
    delivered: ProjectFolder, tmp_path: Path
) -> None:
    rows = {"now": "('1', '5'), ('2', '5'), ('3', '7')", "before": "('4', '7')"}
    for name, values in rows.items():
        (tmp_path / name).mkdir()
        duckdb.sql(
            "SELECT _key, _key AS _identity, _school "
            f"FROM (VALUES {values}) t(_key, _school)"
        ).write_parquet(str(tmp_path / name / "staff_data.parquet"))
    duckdb.sql(
        "SELECT 'staff_data' AS file, action, key, key AS identity FROM (VALUES "
        "('add', '1'), ('change', '2'), ('change', '3'), ('remove', '4')) t(action, key)"
    ).write_parquet(str(tmp_path / "now" / PLAN_FILE))
    file = delivered.target("hr_records").main_file.model_copy(update={"school": "x"})

    counted = school_rows(tmp_path / "now", tmp_path / "before", [file])

    name = {"file": "StaffData.txt"}
    assert counted == [
        {"school": "5", **name, "added": 1, "changed": 1, "removed": 0},
        {"school": "7", **name, "added": 0, "changed": 1, "removed": 1},
    ]


def test_a_preview_shows_what_an_edit_would_change_and_keeps_nothing(
    project: ProjectFolder,
) -> None:
    project.edit(
        "mappings/targets/hr_records.yaml",
        "bad_name_allow: []",
        f"bad_name_allow: [{NO_PERSON}]",
    )
    before = stored(project)

    answer = project.d118("preview", "hr_records")

    assert answer.code == 0, answer.err
    assert answer.out.startswith("hr_records: would be READY. 2 changes.")
    assert "Nothing was stored or sent." in answer.out
    assert "Of mappings/targets/hr_records.yaml and its SQL" in answer.out
    assert answer.out.count(str(NO_PERSON)) == 2
    assert stored(project) == before
    assert (
        project.d118("plan", "hr_records", "--json").json()["counts"]["files"][
            "staff_data"
        ]["added"]
        == 0
    )


def test_a_preview_says_what_the_guard_would_hold(project: ProjectFolder) -> None:
    path = project.root / "sql/exports/hr_records/people.sql"
    text = path.read_text(encoding="utf-8").rstrip().rstrip(";")
    path.write_text(f"SELECT * FROM (\n{text}\n) WHERE users_dcid < 4005", "utf-8")

    found = project.d118("preview", "hr_records", "--json").json()

    assert found["verdict"] == "held"
    assert {change["action"] for change in found["changes"]} == {"remove"}


def test_a_preview_of_a_broken_edit_is_2_and_names_the_file(
    project: ProjectFolder,
) -> None:
    path = project.root / "sql/exports/hr_records/people.sql"
    path.write_text("SELECT nothing FROM raw.powerschool.hr_records_staff", "utf-8")

    answer = project.d118("preview", "hr_records")

    assert answer.code == 2
    assert "sql/exports/hr_records/people.sql cannot be run" in answer.err


def stored(project: ProjectFolder) -> tuple[list[Path], list[int]]:
    """The files below D118_HOME, and the rows of what the database keeps."""
    tables = (db.plans, db.deliveries, db.delivery_ledger, db.findings, db.audit_log)
    files = sorted(
        path
        for path in project.home.rglob("*")
        if path.is_file() and "sqlite" not in path.name
    )
    return files, [len(project.rows(table)) for table in tables]


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

    assert answer.out.startswith("hr_records: READY. 38 changes.")
    assert "against nothing (first)" in answer.out
    assert "Every record is new: there is no delivery yet." in answer.out
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
    assert everything.count(" added ") == 61  # and the heading of the counts


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
    answer = delivered.d118("findings", "hr_records", COLUMNS="80")

    assert answer.code == 0
    assert max(map(len, answer.out.splitlines())) <= 80
    assert "Findings of hr_records" in answer.out
    assert "bad_name" in answer.out
    assert str(NO_PERSON) in answer.out
    rows = delivered.d118("findings", "hr_records", "--json").json()
    assert [(row["code"], row["key"]) for row in rows] == [
        ("left_file", str(LEFT)),
        ("bad_name", str(NO_PERSON)),
    ]


def test_findings_without_a_name_are_counted_for_all(delivered: ProjectFolder) -> None:
    rows = delivered.d118("findings", "--json").json()

    assert {row["name"] for row in rows} == {"hr_records", "smartfind"}
    assert {"name": "hr_records", "code": "bad_name", "records": 1} in rows
    assert "d118 findings NAME" in delivered.d118("findings").out


def test_findings_can_be_asked_for_by_code(delivered: ProjectFolder) -> None:
    chosen = delivered.d118("findings", "hr_records", "--code", "bad_name", "--json")
    none = delivered.d118("findings", "hr_records", "--code", "duplicate_email")

    assert [row["code"] for row in chosen.json()] == ["bad_name"]
    assert none.code == 0
    assert "No finding." in none.out


@pytest.mark.long
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
