"""Two runs of one target: the second is told who is busy (exit code 4)."""

from __future__ import annotations

import datetime as dt
import os
import signal

import pytest
import sqlalchemy as sa

from d118_pipelines.errors import BusyError
from d118_pipelines.state import database as db
from d118_pipelines.state.leases import lease
from d118_pipelines.state.open import state_database
from d118_pipelines_tests.support.lease_holder import HOLDER, lease_held
from d118_pipelines_tests.support.project import ProjectFolder


def leases(project: ProjectFolder) -> list[tuple[str, str]]:
    return [(row.name, row.holder) for row in project.rows(db.sync_leases)]


@pytest.mark.real
def test_a_target_that_is_being_sent_is_4(project: ProjectFolder) -> None:
    before = project.outbox("hr_records")

    with lease_held(project, "hr_records"):
        answer = project.d118("run", "hr_records")
        resent = project.d118("resend", "hr_records")
        other = project.d118("resend", "smartfind")

    assert answer.code == 4
    assert "BUSY  hr_records: another run is active." in answer.err
    assert f"run {HOLDER} on " in answer.err
    assert "Nothing was sent or changed by this run." in answer.err
    assert resent.code == 4
    assert other.code == 0
    assert project.outbox("hr_records") == before
    assert leases(project) == []


@pytest.mark.real
def test_the_lease_of_a_killed_process_is_taken_over(project: ProjectFolder) -> None:
    with lease_held(project, "hr_records") as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert leases(project) == [("hr_records", HOLDER)]

        answer = project.d118("resend", "hr_records")

    assert answer.code == 0
    assert leases(project) == []


@pytest.mark.real
def test_of_two_runs_at_once_none_is_half_done(project: ProjectFolder) -> None:
    first, second = (project.start_d118("run", "hr_records") for _ in range(2))

    answers = [project.finished(first), project.finished(second)]

    done = [answer for answer in answers if answer.code == 0]
    assert done, [answer.err for answer in answers]
    for answer in answers:
        if answer.code == 0:
            continue
        assert answer.code == 4, answer.err
        assert "BUSY  hr_records" in answer.err
    deliveries = project.d118("ledger", "deliveries", "--json").json()
    of_target = [row for row in deliveries if row["target"] == "hr_records"]
    assert len(of_target) == 2 + len(done)
    assert {row["status"] for row in of_target} == {"verified"}
    assert leases(project) == []


def take(project: ProjectFolder) -> None:
    with lease(state_database(project.project), "hr_records", "mine"):
        pass


def lend(project: ProjectFolder, **values: object) -> None:
    """Enter the lease of another holder."""
    now = dt.datetime.now(dt.UTC)
    row = {
        "name": "hr_records",
        "holder": "theirs",
        "host": "other.example",
        "process": "1/1",
        "acquired_at": now,
        "renewed_at": now,
    }
    project.change_state(sa.insert(db.sync_leases).values(row | values))


def test_a_renewed_lease_of_another_host_counts(project: ProjectFolder) -> None:
    lend(project)

    with pytest.raises(BusyError) as caught:
        take(project)

    assert "run theirs on other.example" in str(caught.value)


def test_a_lease_of_another_host_ends_when_it_is_not_renewed(
    project: ProjectFolder,
) -> None:
    lend(project, renewed_at=dt.datetime.now(dt.UTC) - dt.timedelta(minutes=31))

    take(project)

    assert leases(project) == []


def test_the_time_limit_of_other_hosts_can_be_set(project: ProjectFolder) -> None:
    lend(project, renewed_at=dt.datetime.now(dt.UTC) - dt.timedelta(seconds=30))

    with project.entered(SYNC_LOCK_TIMEOUT="20000"):
        take(project)

    assert leases(project) == []


def test_a_process_number_in_use_again_is_not_the_holder(
    project: ProjectFolder,
) -> None:
    lend(project, host=os.uname().nodename, process=f"{os.getpid()}/1")

    take(project)

    assert leases(project) == []


def test_a_lease_ends_with_its_block_whatever_happens(project: ProjectFolder) -> None:
    block = lease(state_database(project.project), "hr_records", "mine")

    with pytest.raises(KeyError), block:
        assert leases(project) == [("hr_records", "mine")]
        raise KeyError

    assert leases(project) == []


def test_a_lease_of_another_host_s_wrong_clock_does_not_last_for_weeks(
    project: ProjectFolder,
) -> None:
    lend(project, renewed_at=dt.datetime.now(dt.UTC) + dt.timedelta(weeks=6))

    take(project)

    assert leases(project) == []
