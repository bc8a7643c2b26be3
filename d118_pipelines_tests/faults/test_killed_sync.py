"""A run that is killed anywhere: the next one ends as if it had never been.

A child process ends itself with SIGKILL at a named point of the second day's run.
"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from d118_pipelines.state import database as db
from d118_pipelines.workflows.providers.powerschool_source import find_extract
from d118_pipelines_tests.faults.child_sync import run_until_killed
from d118_pipelines_tests.faults.days import THIRD_DAY, Days, Vendor
from d118_pipelines_tests.support.examples import some
from d118_pipelines_tests.support.server_sync import ServerSync

pytestmark = pytest.mark.real

BEFORE_DELIVERY = ("in the extract", "after the extract", "after the export")
RENAMED = {
    "put 3": 0,
    "sha256 3": 0,
    "replace 1": 1,
    "replace 2": 2,
    "replace 3": 3,
    "in the commit": 3,
}
"""Killed after this call to the server, so many files are new."""


def pulled(sync: ServerSync) -> list[str]:
    """The run of the newest complete extract of all that the target reads."""
    found = [find_extract(sync.project, *p[1:]) for p in sync.target.reads]
    return [extract.run_id for extract in found if extract]


def check_next_run(sync: ServerSync, days: Days) -> None:
    """Run again on the same day, then on the third; the vendor imports every night."""
    vendor = Vendor()
    vendor.imports(days.right_files["new"])
    sync.now = sync.now.replace(minute=30)
    sync.run()
    expected = {name: data for name, (data, _) in days.right_files["morning"].items()}
    assert {n: data for n, (data, _) in sync.on_server().items()} == expected
    assert sync.ledger_facts() == days.right_ledger["morning"]
    assert sync.rows(db.sync_leases) == []
    vendor.imports(sync.on_server())
    sync.next_day()
    sync.run(THIRD_DAY.values())
    vendor.imports(sync.on_server())
    assert vendor.faults == []
    assert {n for kind, n in vendor.known if kind == "P"} >= {str(d) for d in THIRD_DAY}


@pytest.mark.long
@pytest.mark.parametrize("point", some(BEFORE_DELIVERY, "after the extract"))
def test_run_that_is_killed_before_its_delivery_leaves_nothing(
    smartfind_days: Days, tmp_path: Path, point: str
) -> None:
    days = smartfind_days
    sync = days.begin(tmp_path / "sync", "morning")
    kept, old, extracts = sync.kept(), sync.on_server(), pulled(sync)

    assert run_until_killed(sync, point) == -signal.SIGKILL

    assert (pulled(sync) == extracts) == (point == "in the extract")
    assert (sync.kept(), sync.on_server()) == (kept, old)
    assert len(sync.deliveries()) == 1
    check_next_run(sync, days)


@pytest.mark.long
@pytest.mark.parametrize("point", some(RENAMED, "replace 1", "in the commit"))
def test_delivery_that_is_killed_is_interrupted_and_the_next_run_finishes_the_set(
    smartfind_days: Days, tmp_path: Path, point: str
) -> None:
    days = smartfind_days
    sync = days.begin(tmp_path / "sync", "exported")
    kept, old = sync.kept(), sync.on_server()

    assert run_until_killed(sync, point, sync.run_id) == -signal.SIGKILL

    count = RENAMED[point]
    new = days.right_files["exported"]
    assert {name: data for name, (data, _) in sync.final_on_server().items()} == {
        name: (new if place < count else old)[name][0]
        for place, name in enumerate(sync.names)
    }
    assert sync.kept() == kept
    assert [row["status"] for row in sync.deliveries()] == ["verified", "started"]
    assert [row["name"] for row in sync.rows(db.sync_leases)] == ["smartfind"]
    check_next_run(sync, days)
    statuses = [row["status"] for row in sync.deliveries()]
    assert statuses == ["verified", "interrupted", "verified", "verified"]
