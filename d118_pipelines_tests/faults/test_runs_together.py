"""Runs of one provider that are started together: one proceeds, the other is busy at its
first step and leaves nothing. However a run ends, its lease ends with it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from d118_pipelines.errors import BusyError, FatalError
from d118_pipelines.roster.model.tables import sis_sync_runs
from d118_pipelines.state import database as db
from d118_pipelines.workflows.providers import sync
from d118_pipelines.workflows.providers.sync_runs import KILLED
from d118_pipelines.workflows.runs.run import Run
from d118_pipelines_tests.support.in_process import execute
from d118_pipelines_tests.support.oneroster_data import district
from d118_pipelines_tests.support.oneroster_server import OneRosterServer, TokenGate
from d118_pipelines_tests.support.roster_sync import ACTOR, RosterProject, oneroster
from d118_pipelines_tests.support.scripted_http import Request
from d118_pipelines_tests.support.small_sets import PROVIDER, put_set

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

PAIRS = range(2)
"""How often two runs are started together where nothing says which is first."""
LIMIT_SECONDS = 120
POWERSCHOOL = {"id": "powerschool", "type": "POWERSCHOOL", "name": "PowerSchool"}


class HeldGate(TokenGate):
    """Lets requests wait until `go` is set; `asked` once there is one."""

    def __init__(self) -> None:
        super().__init__()
        self.go, self.asked = threading.Event(), threading.Event()

    def admits(self, request: Request, url: str) -> bool:
        self.asked.set()
        assert self.go.wait(LIMIT_SECONDS)
        return super().admits(request, url)


@pytest.fixture(scope="module")
def synced(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[RosterProject, HeldGate]]:
    """A project that was synced once: Dagster makes its own databases in its first run."""
    gate = HeldGate()
    root = tmp_path_factory.mktemp("synced") / "project"
    with OneRosterServer(district(3), gate=gate) as server:
        project = RosterProject(root, oneroster(server))
        gate.go.set()
        assert project.d118("run", "sis").code == 0
        yield project, gate
        gate.go.set()


@pytest.fixture
def gate(synced: tuple[RosterProject, HeldGate]) -> HeldGate:
    gate = synced[1]
    gate.go.clear()
    gate.asked.clear()
    return gate


@pytest.fixture
def project(
    synced: tuple[RosterProject, HeldGate], gate: HeldGate, tmp_path: Path
) -> RosterProject:
    return synced[0].copied(tmp_path / "project")


def start(project: RosterProject, provider: str = "sis") -> subprocess.Popen[str]:
    """Begin `d118 run`, with a Ctrl-C that works wherever the tests were started."""
    return subprocess.Popen(
        [str(Path(sys.executable).with_name("d118")), "run", provider],
        cwd=project.root,
        env=project.variables({}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def first_to_end(*processes: subprocess.Popen[str]) -> subprocess.Popen[str]:
    end = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < end:
        for process in processes:
            if process.poll() is not None:
                return process
        time.sleep(0.01)
    raise AssertionError("none has ended")


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, err = process.communicate(timeout=LIMIT_SECONDS)
    return process.returncode, err


@pytest.mark.long
def test_of_two_commands_at_once_one_proceeds_and_one_is_busy(
    project: RosterProject, gate: HeldGate
) -> None:
    runs = {start(project), start(project)}

    loser = first_to_end(*runs)  # the other one waits for the server
    [winner] = runs - {loser}
    code, said = ended(loser)
    now = [status for status, _ in project.runs("sis")]
    gate.go.set()

    assert (code, "BUSY  sis: another run is active." in said) == (4, True), said
    assert now == ["SUCCESS", "IN_PROGRESS"]
    assert ended(winner)[0] == 0
    assert project.runs("sis") == [("SUCCESS", None)] * 2
    assert project.rows(db.sync_leases) == []


@pytest.fixture(scope="module")
def powerschool(tmp_path_factory: pytest.TempPathFactory) -> RosterProject:
    """The demonstration district, synced once."""
    root = tmp_path_factory.mktemp("powerschool") / "project"
    project = RosterProject(root, POWERSCHOOL)
    assert project.d118("run", "powerschool").code == 0
    return project


@pytest.mark.long
@pytest.mark.parametrize("pair", PAIRS)
def test_of_two_syncs_of_powerschool_at_once_never_both_fail(
    powerschool: RosterProject, pair: int
) -> None:
    before = len(powerschool.runs("powerschool"))
    together = [start(powerschool, "powerschool") for _ in range(2)]

    answers = [ended(process) for process in together]

    codes = sorted(code for code, _ in answers)
    assert codes in ([0, 4], [0, 0]), answers
    rows = powerschool.sql(
        "SELECT status, started_at, completed_at FROM sis_sync_runs ORDER BY started_at"
    )[before:]
    assert [status for status, *_ in rows] == ["PARTIAL"] * codes.count(0)
    # Both succeed only if the second begins when the first has ended.
    assert all(one[2] <= other[1] for one, other in pairwise(rows))
    assert powerschool.rows(db.sync_leases) == []


JOB_KEYS = [
    "job_id",
    "status",
    "progress_percent",
    "current_step",
    "started_at",
    "completed_at",
    "duration_seconds",
    "total_processed",
    "total_created",
    "total_updated",
    "total_failed",
    "error",
]


@pytest.mark.long
def test_a_run_says_how_far_it_is_to_another_process(
    project: RosterProject, gate: HeldGate
) -> None:
    process = start(project)
    assert gate.asked.wait(LIMIT_SECONDS)
    run = project.d118("runs", "--limit", "1", "--json").json()["runs"][0]["run"]

    during = project.d118("status", "--job", run[:8], "--json").json()
    gate.go.set()
    assert ended(process)[0] == 0
    after = project.d118("status", "--job", run, "--json").json()

    assert list(during) == JOB_KEYS
    assert (during["job_id"], during["status"]) == (run, "running")
    assert (during["progress_percent"], during["current_step"]) == (
        10,
        "Testing connection",
    )
    assert (during["completed_at"], during["error"]) == (None, None)
    assert (after["status"], after["progress_percent"]) == ("completed", 100)
    stats = json.loads(project.rows(sis_sync_runs)[-1].stats_json).values()
    assert after["total_processed"] == sum(one["fetched"] for one in stats) > 0
    assert after["completed_at"] is not None and after["current_step"] == "Done"
    [seen] = project.d118("status", "--job", run).out.splitlines()[:1]
    assert seen == "sis: completed, 100 %. Done"


@pytest.mark.long
def test_a_run_that_takes_too_long_stops_itself_and_changes_nothing(
    project: RosterProject, gate: HeldGate
) -> None:
    before = project.dump()
    path = project.root / "config/providers.yaml"
    entries = yaml.safe_load(path.read_text("utf-8"))["providers"]
    project.set_providers({**entries[0], "limits": {"soft_seconds": 5}})

    code, said = ended(start(project))

    assert code == 1, said
    assert "FAILED run.time_limit  The run took longer than its limit of 5 s." in said
    assert [status for status, _ in project.runs("sis")] == ["SUCCESS", "FAILURE"]
    assert project.dump() == before
    assert project.rows(db.sync_leases) == []
    gate.go.set()


@pytest.mark.long
def test_a_killed_command_holds_up_nobody(
    project: RosterProject, gate: HeldGate
) -> None:
    killed = start(project)
    assert gate.asked.wait(LIMIT_SECONDS)
    killed.kill()
    ended(killed)
    gate.go.set()

    code, said = ended(start(project))

    assert code == 0, said
    assert project.runs("sis")[1:] == [("FAILURE", KILLED), ("SUCCESS", None)]
    assert project.rows(db.sync_leases) == []


@pytest.mark.long
def test_ctrl_c_gives_the_lease_back_at_once(
    project: RosterProject, gate: HeldGate
) -> None:
    stopped = start(project)
    assert gate.asked.wait(LIMIT_SECONDS)
    stopped.send_signal(signal.SIGINT)
    code, said = ended(stopped)
    left = project.rows(db.sync_leases)
    gate.go.set()

    assert (code, said.splitlines()[-1]) == (130, "Interrupted; nothing was sent.")
    assert "Traceback" not in said and "FAILED" not in said
    assert left == []
    assert [status for status, _ in project.runs("sis")] == ["SUCCESS", "CANCELLED"]
    assert ended(start(project))[0] == 0


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> RosterProject:
    project = RosterProject(tmp_path_factory.mktemp("morning") / "project", PROVIDER)
    put_set(project.root, 30)
    project.sync("files")
    return project


@pytest.fixture
def files(morning: RosterProject, tmp_path: Path) -> RosterProject:
    return morning.copied(tmp_path / "project")


@pytest.mark.long
def test_success_hold_and_failure_give_the_lease_back(files: RosterProject) -> None:
    assert execute(files, "sync_files").success
    assert files.rows(db.sync_leases) == []
    put_set(files.root, 10)
    assert not execute(files, "sync_files").success
    assert files.rows(db.sync_leases) == []
    (files.root / "incoming/manifest.csv").unlink()
    assert not execute(files, "sync_files").success
    assert files.rows(db.sync_leases) == []

    assert [s for s, _ in files.runs("files")] == ["SUCCESS"] * 2 + ["HELD", "FAILURE"]


@pytest.mark.long
def test_a_run_holds_its_lease_between_its_steps_and_what_is_refused_stays_refused(
    files: RosterProject,
) -> None:
    provider = files.provider("files")
    first, second = (Run(files.project, uuid.uuid4().hex, ACTOR) for _ in range(2))

    with files.entered(), second.leases:
        with first.leases:
            sync.pull_provider(first, provider, lambda *_: None)
            with pytest.raises(BusyError, match=f"run {first.run_id} on"):
                sync.pull_provider(second, provider, lambda *_: None)
            sync.stage_provider(first, provider)
        with pytest.raises(BusyError):
            sync.stage_provider(second, provider)

    assert len(files.runs("files")) == 2
    assert files.rows(db.sync_leases) == []


@pytest.mark.long
def test_where_each_step_is_a_process_of_its_own_the_later_run_proceeds(
    files: RosterProject,
) -> None:
    files.pull("files")
    earlier = files.run_id
    files.plan("files")
    later, files.run_id = files.run_id, earlier

    with pytest.raises(FatalError, match="has already ended as FAILURE"):
        files.apply("files")
    files.run_id = later
    result = files.apply("files")

    assert result.status == "SUCCESS"
    assert [s for s, _ in files.runs("files")] == ["SUCCESS", "FAILURE", "SUCCESS"]
