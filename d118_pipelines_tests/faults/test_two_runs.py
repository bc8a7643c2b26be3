"""Two runs of one target at once: one delivers, the other says who is at it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from d118_pipelines.state import database as db
from d118_pipelines_tests.faults.child_sync import LIMIT_SECONDS, start
from d118_pipelines_tests.faults.days import FIRST_DAY, SEED, Days
from d118_pipelines_tests.support.project import ProjectFolder
from d118_pipelines_tests.support.relay import Relay
from d118_pipelines_tests.support.server_sync import use_server
from d118_pipelines_tests.support.sshd import Sshd

pytestmark = pytest.mark.real


@pytest.mark.long
def test_of_two_deliveries_started_together_one_sends_and_one_gives_way(
    smartfind_days: Days, tmp_path: Path
) -> None:
    days = smartfind_days
    sync = days.begin(tmp_path / "sync", "exported")
    runs = [sync.run_id]
    sync.export()
    runs.append(sync.run_id)
    processes = [start(sync, run_id=run_id) for run_id in runs]
    for process in processes:
        assert process.stdout and process.stdout.readline() == "ready\n"

    # The barrier: both are ready and wait for their line.
    for process in processes:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=LIMIT_SECONDS)[0] for process in processes]

    winner = said.index("delivered\n")
    other = said[1 - winner]
    # The second may begin when the first has ended; then its plan is out of date.
    assert (
        other.startswith("BusyError\n") and f"run {runs[winner]} on " in other
    ) or other.startswith("ExportError\nFAILED plan.overtaken")
    assert {n: data for n, (data, _) in sync.on_server().items()} == {
        n: data for n, (data, _) in days.right_files["exported"].items()
    }
    assert sync.ledger_facts() == days.right_ledger["exported"]
    assert [r["status"] for r in sync.deliveries()] == ["verified", "verified"]
    assert sync.rows(db.sync_leases) == []


@pytest.mark.long
def test_second_d118_run_exits_4_and_names_the_first_which_then_delivers(
    tmp_path: Path, server: Sshd, smartfind_days: Days
) -> None:
    project = ProjectFolder(tmp_path / "project", FIRST_DAY.values())
    with Relay(server.port) as relay:
        use_server(project, server, relay.port)
        project.d118("ledger", "seed", "smartfind", "--newest-dcid", str(SEED))
        os.kill(server.process.pid, signal.SIGSTOP)
        try:
            first = project.start_d118("run", "smartfind")
            end = time.monotonic() + LIMIT_SECONDS
            while not relay.connections and time.monotonic() < end:
                time.sleep(0.01)
            first.send_signal(signal.SIGSTOP)  # it delivers, and takes its time
        finally:
            os.kill(server.process.pid, signal.SIGCONT)
        second = project.run_d118("run", "smartfind")
        first.send_signal(signal.SIGCONT)
        answer = project.finished(first)

    assert second.code == 4, second.err
    assert answer.code == 0, answer.err
    [delivery] = project.rows(db.deliveries)
    assert delivery.status == "verified"
    assert f"run {delivery.run_id} on " in second.err
    assert {
        path.name: path.read_bytes()
        for path in server.folder.iterdir()
        if path.is_file()
    } == {n: data for n, (data, _) in smartfind_days.right_files["new"].items()}
    assert len(project.rows(db.delivery_ledger)) == len(
        smartfind_days.right_ledger["new"]
    )
