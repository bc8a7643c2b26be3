"""Targets that the roster feeds, through Dagster: what runs, what is shown, what stops."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
import pytest

from d118_pipelines.roster.model.tables import sis_providers
from d118_pipelines.state import database as db
from d118_pipelines_tests.support.in_process import (
    execute,
    failed_checks,
    failures,
    made,
    metadata,
)
from d118_pipelines_tests.support.roster_sync import RosterProject
from d118_pipelines_tests.support.small_sets import PROVIDER, put_set

STUDENTS = 30
LAYOUT = "mappings/layouts/oneroster_csv.yaml"
USERS = "exports/oneroster/users"
MAIN = USERS


class Sent(NamedTuple):
    """A first sync of a set of files, and a first run of the target after it."""

    project: RosterProject
    result: dg.ExecuteInProcessResult


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Sent:
    project = RosterProject(tmp_path_factory.mktemp("sent") / "project", PROVIDER)
    for path in (project.root / "mappings/targets").glob("*.yaml"):
        if path.stem != "oneroster":
            path.unlink()
    # The classes of the set stay current, whenever this runs.
    project.edit(LAYOUT, "tail_days: 0  ", "tail_days: 36500  ")
    put_set(project.root, STUDENTS)
    assert execute(project, "sync_files").success
    return Sent(project, execute(project, "oneroster"))


@pytest.fixture
def project(sent: Sent, tmp_path: Path) -> RosterProject:
    return sent.project.copied(tmp_path / "project")


def deliveries(project: RosterProject) -> list[Any]:
    return project.rows(db.deliveries)


@pytest.mark.long
def test_the_job_reads_the_roster_and_starts_no_sync(sent: Sent) -> None:
    assert sent.result.success
    layers = {name.split("/")[0] for name in made(sent.result)}
    assert layers == {"exports", "deliveries"}
    assert failed_checks(sent.result) == {}


@pytest.mark.long
def test_the_page_shows_people_and_schools_as_counts(sent: Sent) -> None:
    users, places = (
        metadata(sent.result, name) for name in (USERS, "exports/oneroster/enrollments")
    )

    assert users["dagster/row_count"].value == STUDENTS + 1
    assert users["people_student"].value == STUDENTS
    assert users["people_teacher"].value == 1
    assert "| S5 | 30 | 1 | \N{FULL BLOCK}" in places["by_school"].value
    events = "".join(map(str, sent.result.all_events))
    assert "Given7" in (sent.project.root / "incoming/users.csv").read_text("utf-8")
    assert not any(v in events for v in ("Given7", "Family7", "mail.example", "adoe"))


@pytest.mark.long
def test_the_same_roster_again_is_the_same_archive(project: RosterProject) -> None:
    before = project.outbox("oneroster")

    result = execute(project, "oneroster")

    assert result.success
    assert project.outbox("oneroster") == before
    main = metadata(result, MAIN)
    assert (main["added"].value, main["removed"].value) == (0, 0)


@pytest.mark.long
def test_everything_can_be_selected_and_comes_in_its_order(
    project: RosterProject,
) -> None:
    put_set(project.root, STUDENTS, renamed=1)

    result = execute(project)

    assert result.success
    assert metadata(result, USERS)["changed"].value == 1
    names = [e.step_key for e in result.all_events if e.is_step_success]
    assert names.index("roster__files__apply") < names.index("exports__oneroster")
    assert names[-1] == "reports__district__disclosures"


@pytest.mark.long
def test_many_who_are_gone_are_held_until_somebody_approves(
    project: RosterProject,
) -> None:
    project.edit(
        "config/district.yaml",
        "per_entity: 0.10, per_school: 0.20",
        "per_entity: 1.0, per_school: 1.0",
    )
    put_set(project.root, STUDENTS - 9)
    assert execute(project, "sync_files").success

    held = execute(project, "oneroster")

    assert not held.success
    assert "removed_within_limit" in failed_checks(held)
    assert len(deliveries(project)) == 1
    short = metadata(held, MAIN)["plan_hash"].value[:8]
    project.d118("approve", "oneroster", short, "--reason", "graduates")
    assert execute(project, "oneroster").success
    assert len(deliveries(project)) == 2


@pytest.mark.long
def test_an_old_roster_is_held(project: RosterProject) -> None:
    old = dt.datetime.now(dt.UTC) - dt.timedelta(hours=49)
    project.change_state(sis_providers.update().values(last_sync_at=old))

    result = execute(project, "oneroster")

    assert not result.success
    assert list(failed_checks(result)) == ["data_fresh"]
    assert len(deliveries(project)) == 1


def test_without_a_roster_nothing_is_exported(tmp_path: Path) -> None:
    project = RosterProject(tmp_path / "project", PROVIDER)

    result = execute(project, "oneroster")

    assert not result.success
    assert "The roster is empty" in str(
        failures(result)["exports__oneroster"].description
    )


@pytest.mark.long
def test_out_of_term_the_run_succeeds_and_nothing_is_sent(
    project: RosterProject,
) -> None:
    text = (project.root / LAYOUT).read_text("utf-8")
    start = text.index("in_term: >-")
    end = text.index("\n\n", start)
    (project.root / LAYOUT).write_text(
        text[:start] + "in_term: SELECT false" + text[end:], "utf-8"
    )
    before = project.outbox("oneroster")

    result = execute(project, "oneroster")
    answer = project.d118("run", "oneroster")
    status = project.d118("status", "--target", "oneroster", "--json").json()

    assert result.success
    assert made(result) == set()
    assert failed_checks(result) == {}
    assert (answer.code, "OUT OF TERM" in answer.err) == (0, True)
    assert status[0]["state"] == "out of term"
    assert project.outbox("oneroster") == before
    assert len(deliveries(project)) == 1


@pytest.mark.long
def test_nothing_of_the_roster_stays_beside_the_export(sent: Sent) -> None:
    left = [
        path
        for path in (sent.project.home / "exports").rglob("*")
        if path.name.startswith(".")
    ]

    assert left == []
