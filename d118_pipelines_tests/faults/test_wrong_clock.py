"""One run with a wrong clock: newest is what came last, and the clock is named."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from d118_pipelines.state import database as db
from d118_pipelines_tests.support.project import ProjectFolder

WEEKS = dt.timedelta(weeks=6)
TARGET = "hr_records"


def make_ahead(project: ProjectFolder, is_made_ahead: sa.ColumnElement[bool]) -> None:
    """Give plans the time of a clock that was weeks ahead."""
    ahead = dt.datetime.now(dt.UTC) + WEEKS
    project.change_state(
        sa.update(db.plans).where(is_made_ahead).values(created_at=ahead)
    )


def test_a_plan_of_a_wrong_clock_does_not_block_approvals(held: ProjectFolder) -> None:
    make_ahead(held, db.plans.c.verdict != "held")

    shown = held.d118("plan", TARGET, "--json").json()
    answer = held.d118("approve", TARGET, shown["plan_hash"], "--reason", "checked")

    assert shown["verdict"] == "held"
    assert answer.code == 0, answer.err


def test_the_last_delivery_is_the_baseline_whatever_its_time(
    project: ProjectFolder,
) -> None:
    d = db.deliveries.c
    first, *_, last = (r for r in project.rows(db.deliveries) if r.target == TARGET)
    ahead = dt.datetime.now(dt.UTC) + WEEKS
    project.change_state(
        sa.update(db.deliveries)
        .where(d.id == first.id)
        .values(started_at=ahead, finished_at=ahead)
    )

    assert project.export(TARGET).plan.baseline == last.id


def test_people_who_were_sent_by_a_clock_that_was_ahead_are_known(
    project: ProjectFolder,
) -> None:
    entry = db.delivery_ledger.c
    ahead = dt.datetime.now(dt.UTC) + WEEKS
    project.change_state(
        sa.update(db.delivery_ledger)
        .where(entry.target == "smartfind")
        .values(first_delivered_at=ahead, last_delivered_at=ahead, state_at=ahead)
    )

    counts = project.export("smartfind").export.plan.counts

    assert {name for count in counts.values() for name in count.commands} == {"C"}


@pytest.mark.long
def test_the_run_and_doctor_name_a_clock_that_is_behind(held: ProjectFolder) -> None:
    make_ahead(held, db.plans.c.verdict == "held")

    checks = {c["check"]: c for c in held.d118("doctor", "--json").json()}
    run = held.d118("run", TARGET)

    assert checks["clock"]["result"] == "wrong"
    assert "The clock is behind: it says " in checks["clock"]["found"]
    assert "The clock is behind: it says " in run.err
    # The row of this run is the newest now, and it has this clock's time.
    assert "The clock is behind" not in held.d118("run", TARGET).err
