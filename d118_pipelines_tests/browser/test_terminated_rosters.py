"""Syncs that a person cancels in the UI: nothing is changed, the run's row says so, and
the next run proceeds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from bench.roster_district import Size, write_district
from d118_pipelines.state import database as db
from d118_pipelines_tests.support.dagster_ui import DagsterUi, running_dagster
from d118_pipelines_tests.support.oneroster_data import district
from d118_pipelines_tests.support.oneroster_server import (
    OneRosterServer,
    Quirks,
    TokenGate,
)
from d118_pipelines_tests.support.roster_sync import RosterProject, oneroster
from d118_pipelines_tests.support.scripted_http import Reply
from d118_pipelines_tests.support.small_sets import FOLDER, PROVIDER

pytestmark = pytest.mark.real

# So large that its apply takes some seconds.
SIZE = Size("T", 30_000, 240_000)
_TERMINATE = """mutation($id: String!) { terminateRun(runId: $id) { __typename
  ... on TerminateRunFailure { message } } }"""


class Running(NamedTuple):
    """The UI over a project with a large set of files and a service."""

    ui: DagsterUi
    project: RosterProject
    server: OneRosterServer


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with OneRosterServer(district(5), gate=TokenGate()) as server:
        root = tmp_path_factory.mktemp("cancelled") / "project"
        project = RosterProject(root, PROVIDER, oneroster(server))
        write_district(root / FOLDER, SIZE)
        with running_dagster(project) as ui:
            yield Running(ui, project, server)


def cancel(ui: DagsterUi, run_id: str) -> str:
    """What the button Terminate does; how the run ended."""
    answer: dict[str, Any] = ui.graphql(_TERMINATE, id=run_id)["terminateRun"]
    assert answer["__typename"] == "TerminateRunSuccess", answer
    return ui.wait_for_run(run_id)


def cancel_at(ui: DagsterUi, job: str, text: str) -> str:
    """Launch the job, cancel its run once its log has the text; how the run ended."""
    run_id = ui.launch(job)
    end = time.monotonic() + 400
    while not any(text in str(e.get("message")) for e in ui.events(run_id)):
        assert time.monotonic() < end, f"{text} did not come"
        time.sleep(0.1)
    return cancel(ui, run_id)


def test_a_sync_cancelled_in_its_apply_leaves_the_roster(running: Running) -> None:
    ui, project, _ = running

    ended = cancel_at(ui, "sync_files", "users: done")

    assert ended == "CANCELED"
    assert project.runs("files") == [("CANCELLED", "The run was ended from outside.")]
    assert project.rows(db.sync_leases) == []
    for table in ("orgs", "users", "enrollments", "external_ids", "roster_revision"):
        assert project.sql(f"SELECT count(*) FROM {table}") == [(0,)], table
    assert ui.wait_for_run(ui.launch("sync_files")) == "SUCCESS"
    assert project.runs("files")[-1][0] == "SUCCESS"
    [(count,)] = project.sql("SELECT count(*) FROM enrollments")
    assert count == SIZE.enrollments


def test_a_sync_cancelled_in_its_pull_leaves_nothing(running: Running) -> None:
    ui, project, server = running
    server.quirks = Quirks(replies={3: Reply(200, delay=10)})
    run_id = ui.launch("sync_sis")
    end = time.monotonic() + 400
    while len([r for r in server.requests if r.method == "GET"]) < 4:
        assert time.monotonic() < end, "the fourth request did not come"
        time.sleep(0.1)

    ended = cancel(ui, run_id)

    server.quirks = Quirks()
    assert ended == "CANCELED"
    assert [status for status, _ in project.runs("sis")] == ["CANCELLED"]
    assert project.rows(db.sync_leases) == []
    assert list((project.home / "raw/sis").glob("[0-9]*")) == []
    assert project.links("sis") == {}
    assert ui.wait_for_run(ui.launch("sync_sis")) == "SUCCESS"
    assert len(project.links("sis")) == 6
