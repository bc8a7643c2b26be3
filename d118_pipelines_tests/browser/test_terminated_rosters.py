"""Syncs that a person cancels in the UI: nothing is changed, the run's row says so, and
the next run proceeds."""

from __future__ import annotations

import time
from typing import Any

import pytest

from bench.roster_district import Size, write_district
from d118_pipelines.state import database as db
from d118_pipelines_tests.browser.conftest import Running
from d118_pipelines_tests.support.dagster_ui import DagsterUi
from d118_pipelines_tests.support.oneroster_server import Quirks
from d118_pipelines_tests.support.scripted_http import Reply
from d118_pipelines_tests.support.small_sets import FOLDER

pytestmark = [pytest.mark.real, pytest.mark.long]

# So large that its apply takes some seconds, and what is left of it for the next run.
SIZE, SMALL = Size("T", 30_000, 240_000), Size("T", 1_400, 11_200)
TABLES = ("orgs", "users", "enrollments", "external_ids", "roster_revision")
_TERMINATE = """mutation($id: String!) { terminateRun(runId: $id) { __typename
  ... on TerminateRunFailure { message } } }"""


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
    write_district(project.root / FOLDER, SIZE)
    before = project.dump(*TABLES)

    ended = cancel_at(ui, "sync_files", "users: done")

    assert ended == "CANCELED"
    assert project.runs("files") == [("CANCELLED", "The run was ended from outside.")]
    assert project.rows(db.sync_leases) == []
    assert project.dump(*TABLES) == before
    write_district(project.root / FOLDER, SMALL)
    assert ui.wait_for_run(ui.launch("sync_files")) == "SUCCESS"
    assert project.runs("files")[-1][0] == "SUCCESS"
    own = "SELECT count(*) FROM enrollments WHERE provider_id = 'files'"
    assert project.sql(own) == [(SMALL.enrollments,)]


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
