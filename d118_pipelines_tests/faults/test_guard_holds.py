"""Sets that the guard holds: nothing leaves, and an approval releases exactly one plan.

Rules: docs/reference/delivery.md. The limits themselves, just below and above:
`targets/test_guard.py`.
"""

from __future__ import annotations

import datetime as dt
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from d118_pipelines.errors import ConfigurationError, ExportError, HeldError
from d118_pipelines.state import database as db
from d118_pipelines_tests.support.district import SUBSTITUTES, Person
from d118_pipelines_tests.support.smartfind import commands
from d118_pipelines_tests.support.state import state_of
from d118_pipelines_tests.support.sync import Sync

PEOPLE = [Person(dcid) for dcid in range(4001, 4011)]
FEWER = PEOPLE[:8]
DAY = dt.timedelta(days=1)


@pytest.fixture(scope="module")
def yesterday(tmp_path_factory: pytest.TempPathFactory) -> Sync:
    sync = Sync(tmp_path_factory.mktemp("hr"), "hr_records", PEOPLE)
    sync.run()
    sync.next_day()
    return sync


@pytest.fixture
def delivered(yesterday: Sync, tmp_path: Path) -> Sync:
    """A sync that delivered ten people yesterday."""
    return yesterday.copied(tmp_path)


@pytest.fixture(scope="module")
def two_gone(yesterday: Sync, tmp_path_factory: pytest.TempPathFactory) -> Sync:
    """Two of ten people are gone today; the plan is held and not sent."""
    sync = yesterday.copied(tmp_path_factory.mktemp("hr"))
    with pytest.raises(HeldError):
        sync.run(FEWER)
    return sync


@pytest.fixture
def held(two_gone: Sync, tmp_path: Path) -> Sync:
    return two_gone.copied(tmp_path)


def broken_codes(sync: Sync) -> set[str]:
    made = sync.export_again()
    return {rule.code for rule in made.plan.rules if not rule.passed}


@pytest.mark.long
def test_held_plan_sends_nothing_and_says_what_to_do(
    yesterday: Sync, held: Sync
) -> None:
    assert state_of(held) == state_of(yesterday)

    with pytest.raises(HeldError) as caught:
        held.deliver()

    text = str(caught.value)
    assert "HELD guard.drop_within_limit  hr_records: 8 records against 10" in text
    [plan] = [p for p in held.rows(db.plans) if p["verdict"] == "held"]
    assert f"d118 approve hr_records {plan['plan_hash'][:8]}" in text
    assert state_of(held) == state_of(yesterday)


def test_approval_releases_the_held_plan_once(held: Sync) -> None:
    approval = held.approve(reason="two retired")
    held.deliver()

    assert len(held.lines("StaffData.txt")) == 1 + len(FEWER)
    [row] = held.rows(db.plan_approvals)
    assert (row["id"], row["reason"]) == (approval.id, "two retired")
    assert row["used_at"] is not None
    actions = [entry["action"] for entry in held.rows(db.audit_log)]
    assert actions == ["delivered", "approve", "approval used", "delivered"]

    with pytest.raises(ExportError, match=r"plan\.overtaken"):
        held.deliver()
    assert [row["status"] for row in held.deliveries()] == ["verified"] * 2


def test_fresh_extract_with_the_same_changes_keeps_the_approval(held: Sync) -> None:
    held.approve()

    held.run(list(reversed(FEWER)))

    assert len(held.lines("StaffData.txt")) == 1 + len(FEWER)


def test_any_other_change_needs_an_approval_of_its_own(held: Sync) -> None:
    held.approve()
    before = state_of(held)

    with pytest.raises(HeldError):
        held.run([*FEWER[:-1], replace(FEWER[-1], home_phone=None)])

    assert state_of(held) == before


def test_approval_ends_with_the_definition_it_was_given_for(held: Sync) -> None:
    held.approve()
    held.change({"options.exclude_users": [1]})

    with pytest.raises(HeldError):
        held.run()


def test_approval_expires_after_its_hours(held: Sync) -> None:
    approval = held.approve()
    assert approval.expires_at == held.now + DAY

    held.now = approval.expires_at
    with pytest.raises(HeldError):
        held.deliver()


def test_approval_counts_until_it_expires(held: Sync) -> None:
    approval = held.approve()

    held.now = approval.expires_at - dt.timedelta(seconds=1)
    held.deliver()

    assert held.deliveries()[-1]["status"] == "verified"


@pytest.mark.long
def test_approval_does_not_survive_another_delivery(held: Sync) -> None:
    held.approve()
    held.run(PEOPLE)

    with pytest.raises(HeldError):
        held.run(FEWER)


@pytest.mark.parametrize(
    ("plan_hash", "reason", "said"),
    [
        ("0" * 64, "ok", "The newest plan is"),
        ("x", "ok", "The newest plan is"),
        (None, "  ", "needs a reason"),
    ],
)
def test_approval_needs_the_hash_of_the_plan_and_a_reason(
    held: Sync, plan_hash: str | None, reason: str, said: str
) -> None:
    hashes = [p["plan_hash"] for p in held.rows(db.plans) if p["verdict"] == "held"]

    with pytest.raises(ConfigurationError, match=said):
        held.approve(plan_hash or hashes[0], reason)
    with pytest.raises(ConfigurationError, match="The newest plan is"):
        held.approve(hashes[0][:7])

    assert held.rows(db.plan_approvals) == []
    assert held.approve(hashes[0][:8]).plan_hash == hashes[0]


def test_failure_cannot_be_approved(delivered: Sync) -> None:
    delivered.change({"guard.min_rows": 11})
    with pytest.raises(ExportError):
        delivered.run()

    with pytest.raises(ConfigurationError, match="a failure cannot be approved"):
        delivered.approve()


def test_plan_that_is_not_held_needs_no_approval(delivered: Sync) -> None:
    delivered.export()

    with pytest.raises(ConfigurationError, match="needs no approval"):
        delivered.approve()


@pytest.mark.long
def test_start_from_nothing_is_held_for_one_approval(tmp_path: Path) -> None:
    people = [Person(9001), Person(9002, homeschoolid=SUBSTITUTES)]
    sync = Sync(tmp_path, "smartfind", people, changes={"guard.max_adds": 1})
    sync.seed(0)
    with pytest.raises(HeldError, match=r"guard\.adds_within_limit"):
        sync.run()
    assert sync.files() == {}

    sync.approve()
    sync.run()
    assert set(commands(sync).values()) == {"A"}

    sync.next_day()
    sync.run()
    assert set(commands(sync).values()) == {"C"}


def test_people_who_turn_inactive_or_leave_are_counted_in_hr_records(
    delivered: Sync,
) -> None:
    delivered.change({"guard.max_deactivations": 2, "guard.max_drop_percent": 100})
    two = [replace(PEOPLE[0], status=2), *PEOPLE[2:]]
    delivered.set_people(two)
    assert broken_codes_of_run(delivered) == set()

    delivered.set_people([*two[:-1], replace(two[-1], status=None)])

    assert broken_codes_of_run(delivered) == {"guard.deactivations_within_limit"}


@pytest.mark.long
def test_people_who_turn_inactive_are_counted_in_smartfind(tmp_path: Path) -> None:
    people = [
        *PEOPLE[:3],
        Person(4500, homeschoolid=SUBSTITUTES),
        Person(4501, status=2),
    ]
    sync = Sync(
        tmp_path,
        "smartfind",
        people,
        changes={"guard.max_deactivations": 2, "guard.max_drop_percent": 100},
    )
    sync.seed(9000)
    sync.run()
    sync.next_day()
    two = [*PEOPLE[:2], *(replace(p, status=2) for p in people[2:])]
    sync.set_people(two)
    assert broken_codes_of_run(sync) == set()

    # Somebody who leaves counts as soon as a deactivation record is sent.
    sync.set_people(two[1:])
    assert broken_codes_of_run(sync) == set()
    sync.change({"options.deactivate_leavers": True})

    assert broken_codes(sync) == {"guard.deactivations_within_limit"}


def broken_codes_of_run(sync: Sync) -> set[str]:
    made = sync.export()
    return {rule.code for rule in made.plan.rules if not rule.passed}


def test_extract_that_is_too_old_is_held(delivered: Sync) -> None:
    delivered.pull()
    delivered.now += 2 * DAY
    assert broken_codes(delivered) == set()

    delivered.now += dt.timedelta(minutes=1)
    assert broken_codes(delivered) == {"guard.data_fresh"}
    with pytest.raises(HeldError, match=r"guard\.data_fresh"):
        delivered.deliver()

    delivered.approve()
    delivered.deliver()


@pytest.mark.long
def test_plan_that_grew_too_old_is_held_and_must_be_made_anew(delivered: Sync) -> None:
    delivered.export()
    delivered.now += 3 * DAY

    with pytest.raises(HeldError, match="Make a new one: d118 run hr_records"):
        delivered.deliver()

    delivered.run()


def test_baseline_whose_files_are_gone_holds_the_set(delivered: Sync) -> None:
    shutil.rmtree(delivered.project.home / "exports")

    with pytest.raises(HeldError, match=r"The files of the last .*, no longer exist"):
        delivered.run()
