"""One transaction: all of a plan or nothing, whatever stops it, whoever else runs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from d118_pipelines.errors import FatalError
from d118_pipelines.roster.planning.plan import RosterPlan
from d118_pipelines.roster.store.runs import close_run, open_run
from d118_pipelines_tests.roster.planning.rosters import Roster, enrollment, person
from d118_pipelines_tests.roster.store.stores import ACTOR, EVERYTHING, Store
from d118_pipelines_tests.roster.store.test_apply import changed, roster, without
from d118_pipelines_tests.support.project import REPOSITORY

STEPS = ["users: loaded", "users: written", "enrollments: done", "closed"]


def next_day() -> Roster:
    found = changed("users", "2", last_name="Other")
    found["users"] = [*found["users"][1:], person("9")]
    found["enrollments"] = [enrollment("9", "B")]
    return found


class Stop(Exception):
    """What a test raises in the middle of an apply."""


def stopping_at(step: str) -> Callable[[str], None]:
    def on_step(name: str) -> None:
        if name == step:
            raise Stop

    return on_step


def process(store: Store, url: str, plan: RosterPlan, step: str) -> Any:
    module = "d118_pipelines_tests.roster.store.killed_apply"
    staged = store.folder / "staged" / f"{int(plan.run_id[:8])}-{store.district}"
    place = [str(store.database.path), url, str(plan.folder), str(staged)]
    return subprocess.Popen(
        [sys.executable, "-m", module, *place, step],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.long
def test_an_exception_leaves_the_database_as_it_was(store: Store) -> None:
    store.begin((roster(), "sis"))
    plan = store.plan(next_day())
    before = store.dump(*EVERYTHING)
    for step in STEPS:
        with pytest.raises(Stop):
            store.apply(plan, on_step=stopping_at(step))

        assert store.dump(*EVERYTHING) == before, step


@pytest.mark.long
@pytest.mark.real
def test_a_killed_apply_leaves_nothing_and_the_next_one_all(
    store: Store, url: str
) -> None:
    store.begin((roster(), "sis"))
    plan = store.plan(next_day())
    before = store.dump(*EVERYTHING)
    for step in STEPS:
        killed = process(store, url, plan, step)
        out, _ = killed.communicate(timeout=400)
        assert killed.returncode == -9
        assert out.splitlines()[-1] == step
        assert store.dump(*EVERYTHING) == before, step

    assert store.apply(plan).changed == plan.changes
    assert store.statuses("users") == {
        "1": "inactive",
        "2": "active",
        "3": "active",
        "4": "active",
        "9": "active",
    }


@pytest.mark.long
@pytest.mark.real
def test_of_two_processes_with_one_baseline_one_applies(store: Store, url: str) -> None:
    store.begin((roster(), "sis"))
    plans = [store.plan(without("users", "3")), store.plan(without("users", "1"))]

    both = [process(store, url, plan, "never") for plan in plans]
    said = [p.communicate(timeout=400)[1] for p in both]

    assert sorted(p.returncode for p in both) == [0, 1]
    assert "FAILED plan.overtaken" in "".join(said)
    assert sorted(store.statuses("users").values()).count("inactive") == 1


@pytest.mark.long
def test_a_plan_for_another_revision_is_refused(store: Store) -> None:
    store.begin((roster(), "sis"))
    plan = store.plan(next_day())
    store.sync(without("users", "3"))
    before = store.dump(*EVERYTHING)

    with pytest.raises(FatalError, match=r"FAILED plan\.overtaken"):
        store.apply(plan)

    assert store.dump(*EVERYTHING) == before


@pytest.mark.long
def test_a_cancelled_run_stays_cancelled(store: Store) -> None:
    plan = store.plan(roster())
    who = {"provider": "sis", "run_id": plan.run_id, "now": plan.made_at}
    with store.database.transaction() as connection:
        open_run(
            connection, district=store.district, actor=ACTOR, status="PENDING", **who
        )
        assert close_run(connection, status="CANCELLED", **who)
        assert not close_run(connection, status="SUCCESS", **who)

    with pytest.raises(FatalError, match="already ended as CANCELLED"):
        store.apply(plan)
    assert store.rows("SELECT status FROM sync_jobs") == [("cancelled",)]
    assert store.statuses("users") == {}


@pytest.mark.long
def test_the_number_of_statements_does_not_depend_on_the_rows(store: Store) -> None:
    found: list[int] = []

    def sync(rows: Roster) -> None:
        plan = store.plan(rows)
        count = 0

        def counted(*_: Any) -> None:
            nonlocal count
            count += 1

        engine = store.database._engine
        sa.event.listen(engine, "before_cursor_execute", counted)
        store.apply(plan)
        sa.event.remove(engine, "before_cursor_execute", counted)
        found.append(count)

    sync(roster())
    few, many = roster(), roster()
    few["users"] += [person("a")]
    many["users"] += [person("a")] + [person(f"n{n}") for n in range(200)]
    sync(few)
    sync(many)
    assert found[1] == found[2]
