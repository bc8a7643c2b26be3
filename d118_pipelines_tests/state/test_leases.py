"""Two runs of one target: the second is told who is busy (exit code 4)."""

from __future__ import annotations

import datetime as dt
import os
import signal
import time

import pytest
import sqlalchemy as sa

from d118_pipelines.errors import BusyError
from d118_pipelines.state import database as db
from d118_pipelines.state.leases import Leases, ask_to_stop, lease
from d118_pipelines.state.open import state_database
from d118_pipelines_tests.support.lease_holder import HOLDER, lease_held
from d118_pipelines_tests.support.project import ProjectFolder

LONG_AGO = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def leases(project: ProjectFolder) -> list[tuple[str, str]]:
    return [(row.name, row.holder) for row in project.rows(db.sync_leases)]


@pytest.mark.long
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


@pytest.mark.long
@pytest.mark.real
def test_the_lease_of_a_killed_process_is_taken_over(project: ProjectFolder) -> None:
    with lease_held(project, "hr_records") as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert leases(project) == [("hr_records", HOLDER)]

        answer = project.d118("resend", "hr_records")

    assert answer.code == 0
    assert leases(project) == []


@pytest.mark.long
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


def slot(
    project: ProjectFolder, held: Leases, run: str, *, waits: bool = False
) -> None:
    """Take a slot of two, and the lease of a target of the same name as the run."""
    database = state_database(project.project)
    held.hold(database, f"target_{run}", run)
    held.take_slot(database, "d118", run, most=2, waits=waits)


def test_a_third_run_is_told_who_holds_the_two_slots(project: ProjectFolder) -> None:
    with Leases() as first, Leases() as second, Leases() as third:
        slot(project, first, "a")
        slot(project, second, "b")
        slot(project, second, "b")  # however many feeds it has

        with pytest.raises(BusyError) as caught:
            slot(project, third, "c")

        told = str(caught.value)
        assert "BUSY  2 runs are at work" in told
        assert "target_a (run a on " in told and "target_b (run b on " in told
        first.close()
        slot(project, third, "c")
    assert leases(project) == []


def test_a_queued_run_waits_for_a_slot(project: ProjectFolder) -> None:
    told: list[str] = []
    with Leases() as first, Leases() as second, Leases() as third:
        slot(project, first, "a")
        slot(project, second, "b")

        def free(text: str) -> None:
            told.append(text)
            first.close()

        third.take_slot(
            state_database(project.project), "d118", "c", most=2, waits=True, warn=free
        )

        names = {name for name, holder in leases(project) if holder == "c"}
        assert names == {"slot/d118/1"}
    assert ["target_a" in text for text in told] == [True]


def test_districts_have_their_own_slots_and_dead_ones_are_free(
    project: ProjectFolder,
) -> None:
    for number in (1, 2):
        lend(project, name=f"slot/d118/{number}", renewed_at=LONG_AGO)
    lend(project, name="slot/other/1")

    with Leases() as mine:
        slot(project, mine, "a")

        assert ("slot/d118/1", "a") in leases(project)


@pytest.mark.long
def test_a_shell_run_without_a_free_slot_is_4(project: ProjectFolder) -> None:
    before = project.outbox("hr_records")
    for number in (1, 2):
        lend(project, name=f"slot/district_118/{number}", holder=f"run-{number}")

    busy = project.d118("run", "hr_records")
    project.environment["MAX_CONCURRENT_SYNCS"] = "3"
    again = project.d118("run", "hr_records")

    assert busy.code == 4, busy.err
    assert "run run-1 on other.example" in busy.err
    assert "MAX_CONCURRENT_SYNCS allows 2 at a time." in busy.err
    assert again.code == 0, again.err
    assert project.outbox("hr_records").keys() == before.keys()
    assert {holder for _, holder in leases(project)} == {"run-1", "run-2"}


@pytest.mark.long
@pytest.mark.real
def test_a_holder_stops_when_it_finds_the_request_in_its_lease(
    project: ProjectFolder,
) -> None:
    database = state_database(project.project)
    with lease_held(project, "hr_records") as process:
        with database.transaction() as connection:
            assert ask_to_stop(connection, HOLDER, "tester")
        assert process.wait() != 0

    assert leases(project) == []
    with database.transaction() as connection:
        assert not ask_to_stop(connection, HOLDER, "tester")


@pytest.mark.long
@pytest.mark.real
def test_a_holder_that_stood_still_loses_its_lease_and_stops(
    project: ProjectFolder,
) -> None:
    short = {"SYNC_LOCK_TIMEOUT": "3000"}
    with lease_held(project, "hr_records", **short) as process:
        process.send_signal(signal.SIGSTOP)
        with project.entered(**short), taken_after(project):
            process.send_signal(signal.SIGCONT)

            assert process.wait() != 0
            assert leases(project) == [("hr_records", "next")]


def taken_after(project: ProjectFolder) -> Leases:
    """Take the lease as soon as it is free."""
    database = state_database(project.project)
    while True:
        try:
            kept = Leases()
            kept.hold(database, "hr_records", "next")
        except BusyError:
            time.sleep(0.2)
        else:
            return kept
