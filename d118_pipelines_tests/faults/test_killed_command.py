"""The command that people and schedulers start, killed while it delivers."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from d118_pipelines.state import database as db
from d118_pipelines_tests.faults.days import FIRST_DAY, SEED, Days
from d118_pipelines_tests.support.project import ProjectFolder
from d118_pipelines_tests.support.relay import Relay
from d118_pipelines_tests.support.server_sync import use_server
from d118_pipelines_tests.support.sshd import Sshd

pytestmark = pytest.mark.real

COMMAND = ["asset", "materialize", "-m", "d118_pipelines.definitions"]
COMMAND += ["--select", "+group:smartfind"]
IN_THE_LAST_UPLOAD = 7000
"""Bytes from the client, of about 11,500."""
LIMIT_SECONDS = 400


def start_and_kill(project: ProjectFolder, relay: Relay) -> int:
    """Start the command, wait until the line is frozen, and kill it."""
    dagster = str(Path(sys.executable).with_name("dagster"))
    process = subprocess.Popen(
        [dagster, *COMMAND],
        cwd=project.root,
        env=project.variables({}),
        stderr=subprocess.DEVNULL,
    )
    end = time.monotonic() + LIMIT_SECONDS
    while relay.bytes_from_client < IN_THE_LAST_UPLOAD and process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    return process.wait()


@pytest.mark.long
def test_command_that_is_killed_while_it_delivers_is_finished_by_the_next(
    tmp_path: Path, server: Sshd, smartfind_days: Days
) -> None:
    project = ProjectFolder(tmp_path / "project", FIRST_DAY.values())
    with Relay(server.port, [IN_THE_LAST_UPLOAD], freeze=True) as relay:
        use_server(project, server, relay.port)
        project.d118("ledger", "seed", "smartfind", "--newest-dcid", str(SEED))

        assert start_and_kill(project, relay) == -signal.SIGKILL

        names = set(smartfind_days.right_files["new"])
        assert {path.name for path in server.folder.iterdir()}.isdisjoint(names)
        assert list(server.folder.glob("*.part"))
        assert [row.status for row in project.rows(db.deliveries)] == ["started"]
        assert project.rows(db.delivery_ledger) == []

        answer = project.run_dagster(*COMMAND)

    assert answer.code == 0, answer.err
    right = {n: data for n, (data, _) in smartfind_days.right_files["new"].items()}
    found = {p.name: p.read_bytes() for p in server.folder.iterdir() if p.is_file()}
    assert found == right
    statuses = [row.status for row in project.rows(db.deliveries)]
    assert statuses == ["interrupted", "verified"]
    assert project.rows(db.sync_leases) == []
    right_ledger = smartfind_days.right_ledger["new"]
    assert {
        (row.record_type, row.key, row.command)
        for row in project.rows(db.delivery_ledger)
    } == {(row["record_type"], row["key"], row["command"]) for row in right_ledger}
