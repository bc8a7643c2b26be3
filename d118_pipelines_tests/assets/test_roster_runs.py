"""Whole syncs through Dagster: what runs, what is recorded, how a run ends."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
import pytest

from d118_pipelines.definitions import build_definitions
from d118_pipelines.roster.model.tables import sis_sync_runs
from d118_pipelines_tests.support.in_process import (
    execute,
    failed_checks,
    failures,
    made,
    metadata,
)
from d118_pipelines_tests.support.oneroster_data import district
from d118_pipelines_tests.support.oneroster_server import (
    OneRosterServer,
    Quirks,
    TokenGate,
)
from d118_pipelines_tests.support.roster_sync import (
    PEOPLE_ONLY,
    RosterProject,
    oneroster,
)
from d118_pipelines_tests.support.small_sets import PROVIDER, put_set, student

STUDENTS = 30
APPLY = "roster/files/apply"
PLAN = "roster/files/plan"
PEOPLE = {**PROVIDER, "sync": PEOPLE_ONLY}


class Synced(NamedTuple):
    """A first sync of a set of files."""

    project: RosterProject
    result: dg.ExecuteInProcessResult


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Synced:
    project = RosterProject(tmp_path_factory.mktemp("synced") / "project", PROVIDER)
    put_set(project.root, STUDENTS)
    return Synced(project, execute(project, "sync_files"))


@pytest.fixture
def project(synced: Synced, tmp_path: Path) -> RosterProject:
    return synced.project.copied(tmp_path / "project")


@pytest.fixture
def people(project: RosterProject) -> RosterProject:
    """The same, whose next runs read schools and people alone."""
    project.set_providers(PEOPLE)
    return project


def rows(project: RosterProject) -> list[Any]:
    return sorted(project.rows(sis_sync_runs), key=lambda row: row.started_at)


@pytest.mark.long
def test_a_sync_runs_from_raw_to_roster(synced: Synced) -> None:
    assert synced.result.success
    assert failed_checks(synced.result) == {}
    assert {name.split("/")[0] for name in made(synced.result)} == {
        "raw",
        "staged",
        "roster",
    }
    assert len(synced.project.statuses("users")) == STUDENTS + 1
    [row] = rows(synced.project)
    assert (row.status, row.kind, row.error_message) == ("SUCCESS", "sync", None)
    assert row.run_id == synced.result.run_id
    assert row.completed_at is not None


@pytest.mark.long
def test_the_numbers_of_the_ui_are_those_of_the_tables(synced: Synced) -> None:
    [row] = rows(synced.project)
    stats = json.loads(row.stats_json)
    shown = metadata(synced.result, APPLY)
    planned = metadata(synced.result, PLAN)

    assert shown["statistics"].value == stats
    assert shown["records_changed"].value == row.changed == planned["changes"].value
    assert planned["plan_hash"].value == row.plan_hash
    for entity in ("users", "classes", "enrollments"):
        count = len(synced.project.statuses(entity))
        staged = metadata(synced.result, f"staged/files/{entity}")
        raw = metadata(synced.result, f"raw/files/{entity}")
        assert shown[f"created {entity}"].value == count
        assert planned[f"created {entity}"].value == count
        assert stats[entity]["created"] == count
        assert staged["dagster/row_count"].value == count
        assert raw["dagster/row_count"].value == count
        assert f"| {entity} | 0 | {count} | {count} | 0 |" in planned["plan"].value
    assert (
        f"| 5 | users/students | 0 | {STUDENTS} | 0 | 0 |" in planned["schools"].value
    )


def test_no_value_of_a_person_is_in_the_event_log(synced: Synced) -> None:
    events = "".join(map(str, synced.result.all_events))

    assert "Given7" in (synced.project.root / "incoming/users.csv").read_text("utf-8")
    for value in ("Given7", "Family7", "mail.example", "adoe"):
        assert value not in events


@pytest.mark.long
def test_the_same_files_again_change_nothing(project: RosterProject) -> None:
    before = project.dump()

    result = execute(project, "sync_files")

    assert result.success
    assert metadata(result, APPLY)["records_changed"].value == 0
    assert project.dump() == before
    assert [row.status for row in rows(project)] == ["SUCCESS", "SUCCESS"]


@pytest.mark.long
def test_rows_set_aside_make_it_partial(project: RosterProject) -> None:
    put_set(project.root, STUDENTS, more_users=student(99).replace("true", "perhaps"))
    orphan = "E-x,,,51234,S5,S-nobody,student,,2026-08-17,2027-01-16\n"
    with (project.root / "incoming/enrollments.csv").open("a") as file:
        file.write(orphan)

    answer = project.d118("run", "files")

    assert answer.code == 0, answer.err
    assert "files: applied." in answer.out
    assert "d118 findings files" in answer.err
    [_, row] = rows(project)
    assert row.status == "PARTIAL"
    assert json.loads(row.stats_json)["enrollments"]["errors"] == 1


@pytest.mark.long
def test_debug_lines_have_times_and_no_value(people: RosterProject) -> None:
    people.environment["LOG_LEVEL"] = "debug"

    answer = people.d118("run", "files")
    del people.environment["LOG_LEVEL"]
    quiet = people.d118("status")
    people.environment["LOG_LEVEL"] = "loud"
    wrong = people.d118("status")

    assert answer.code == 0, answer.err
    assert re.search(r"debug  SQL INSERT \w+: -?\d+ rows in 0\.\d+ s", answer.err)
    for value in ("Given7", "Family7", "mail.example", "adoe"):
        assert value not in answer.err
    assert "debug" not in quiet.err
    assert (wrong.code, "LOG_LEVEL is loud" in wrong.err) == (2, True)


@pytest.mark.long
def test_a_blackout_lets_the_run_end_well_and_the_plan_wait(
    people: RosterProject,
) -> None:
    before = people.dump()
    put_set(people.root, STUDENTS + 1)
    blackout = {"from": dt.date(2020, 1, 1), "to": dt.date(2090, 1, 1)}
    guard = {"blackouts": [{**blackout, "reason": "summer"}]}
    people.set_providers({**PEOPLE, "guard": guard})
    text = "waiting: summer until 2090-01-01"

    with dg.DagsterInstance.ephemeral() as instance:
        result = execute(people, "sync_files", instance=instance)
        run = instance.get_run_by_id(result.run_id)

    assert result.success
    assert PLAN in made(result) and APPLY not in made(result)
    [check] = [c for c in result.get_asset_check_evaluations() if not c.passed]
    assert (check.check_name, check.severity) == (
        "blackout",
        dg.AssetCheckSeverity.WARN,
    )
    assert run is not None and run.tags["sis/verdict"] == text
    assert people.dump() == before
    [_, row] = rows(people)
    assert (row.status, row.error_message) == ("WAITING", text)
    [state] = [people.d118("status", "--provider", "files", "--json").json()]
    assert (state["state"], state["last_error"]) == ("waiting", text)
    assert (
        people.d118("runs", "--limit", "1", "--json").json()["runs"][0]["reason"]
        == text
    )
    short = people.d118("plan", "files", "--json").json()["plan_hash"]
    told = people.d118("approve", "files", short, "--reason", "July", "--run")
    assert told.code == 0, told.err
    assert len(people.statuses("users")) == STUDENTS + 2


@pytest.mark.long
def test_a_held_plan_waits_for_its_approval(people: RosterProject) -> None:
    before = people.dump()
    put_set(people.root, 10)

    held = people.d118("run", "files")

    assert held.code == 3
    assert held.out == ""
    assert "HELD guard.deactivated.per_entity  files" in held.err
    assert people.dump() == before
    row = rows(people)[-1]
    assert row.status == "HELD"
    assert row.completed_at is not None
    assert row.error_message.startswith("HELD guard.deactivated.per_entity")
    short = row.plan_hash[:8]

    approved = people.d118("approve", "files", short, "--reason", "classes moved")
    result = execute(people, "sync_files")

    assert approved.code == 0, approved.err
    assert result.success
    assert metadata(result, PLAN)["verdict"].value == "approved"
    assert rows(people)[-1].status == "SUCCESS"
    active = [s for s in people.statuses("users").values() if s == "active"]
    assert len(active) == 11


@pytest.mark.long
def test_a_held_plan_fails_its_checks_and_blocks_the_apply(
    people: RosterProject,
) -> None:
    put_set(people.root, 10)

    result = execute(people, "sync_files")
    alone = execute(people, select=[APPLY])

    assert set(failed_checks(result)) == {
        "deactivated_per_entity",
        "deactivated_per_school",
    }
    assert PLAN in made(result)
    assert APPLY not in made(result)
    [failure] = failures(alone).values()
    assert failure.metadata["exit_code"].value == 3
    assert [row.status for row in rows(people)] == ["SUCCESS", "HELD", "HELD"]


@pytest.mark.long
def test_a_source_that_fails_leaves_the_roster_and_says_why(
    project: RosterProject,
) -> None:
    before = project.dump()
    (project.root / "incoming/manifest.csv").unlink()

    answer = project.d118("run", "files")

    assert answer.code == 1
    assert "bundle.manifest_missing" in answer.err
    assert project.dump() == before
    row = rows(project)[-1]
    assert row.status == "FAILURE"
    assert "bundle.manifest_missing" in row.error_message


def test_a_disabled_provider_has_no_job_and_says_so_before_it_asks_anybody(
    tmp_path: Path,
) -> None:
    with OneRosterServer(district(3), gate=TokenGate()) as server:
        entry = oneroster(server, enabled=False)
        project = RosterProject(tmp_path / "project", entry)
        answer = project.d118("run", "sis")

        assert server.requests == []
    assert "Provider disabled" in answer.err
    assert "config/providers.yaml:2, key providers[0].id" in answer.err
    jobs = [job.name for job in build_definitions(project.project).jobs or []]
    assert "sync_sis" not in jobs, "no job in the list that can only fail"
    assert answer.code == 2
    assert rows(project) == []


@pytest.fixture
def server() -> Iterator[OneRosterServer]:
    with OneRosterServer(district(5), gate=TokenGate()) as running:
        yield running


@pytest.mark.long
def test_what_is_switched_off_is_neither_read_nor_touched(
    server: OneRosterServer, tmp_path: Path
) -> None:
    entry = oneroster(server, sync={"sync_enrollments": False, "sync_classes": False})
    project = RosterProject(tmp_path / "project", entry)

    result = execute(project, "sync_sis")

    assert made(result) == {
        "raw/sis/orgs",
        "raw/sis/users",
        "staged/sis/orgs",
        "staged/sis/users",
        "roster/sis/plan",
        "roster/sis/apply",
    }
    assert server.asked("enrollments") == server.asked("classes") == []
    assert project.statuses("enrollments") == {}


def test_a_server_that_breaks_off_leaves_nothing_behind(
    server: OneRosterServer, tmp_path: Path
) -> None:
    server.quirks = Quirks(statuses={"enrollments": 404})
    project = RosterProject(tmp_path / "project", oneroster(server))

    result = execute(project, "sync_sis")

    assert made(result) == set()
    [failure] = failures(result).values()
    assert "FAILED rest." in (failure.description or "")
    assert "canary" not in "".join(map(str, result.all_events))
    assert [f for f in (project.home / "raw/sis").iterdir() if f.name[0] != "."] == []
    assert [status for status, _ in project.runs("sis")] == ["FAILURE"]
    assert project.statuses("users") == {}


POWERSCHOOL = {
    "id": "powerschool",
    "type": "POWERSCHOOL",
    "name": "PowerSchool",
    "config": {"term_window": {"lead_days": -9999}},
}


@pytest.fixture(scope="module")
def out_of_term(tmp_path_factory: pytest.TempPathFactory) -> RosterProject:
    """A school year that is never current."""
    return RosterProject(tmp_path_factory.mktemp("term") / "project", POWERSCHOOL)


@pytest.mark.long
def test_out_of_term_nothing_is_due_and_that_is_no_failure(
    out_of_term: RosterProject,
) -> None:
    answer = out_of_term.d118("run", "powerschool")

    assert answer.code == 0, answer.err
    assert "no school is in term: there is nothing to do" in answer.err
    assert "Nothing to do" in answer.out
    [row] = rows(out_of_term)
    assert (row.status, row.changed) == ("SUCCESS", 0)
    assert list((out_of_term.home / "staged").rglob("manifest.json")) == []
    assert out_of_term.statuses("users") == {}


@pytest.mark.long
def test_a_powerschool_that_cannot_be_read_ends_the_run_s_row(tmp_path: Path) -> None:
    project = RosterProject(tmp_path / "project", POWERSCHOOL)
    (project.root / "tables").mkdir()
    tables = str(project.root / "tables")

    answer = project.d118("run", "powerschool", POWERSCHOOL_CSV_DIR=tables)

    assert answer.code == 2
    [(status, error)] = project.runs("powerschool")
    assert status == "FAILURE"
    assert error


def test_a_schedule_ticks_in_its_own_zone_else_the_district_s(tmp_path: Path) -> None:
    first = {**PROVIDER, "schedule": "daily"}
    second = {**PROVIDER, "id": "far", "schedule": "daily", "timezone": "Asia/Tokyo"}
    project = RosterProject(tmp_path / "project", first, second)

    defs = build_definitions(project.project)

    zones = {
        name: defs.resolve_schedule_def(f"sync_{name}_schedule").execution_timezone
        for name in ("files", "far")
    }
    assert zones == {"files": "America/Chicago", "far": "Asia/Tokyo"}
    found = project.d118("providers", "list", "--json").json()
    hours = {one["provider"]: one["next_run"][11:16] for one in found}
    assert hours["files"] == "02:00"
    assert [one["schedule"] for one in found] == ["0 2 * * *"] * 2
