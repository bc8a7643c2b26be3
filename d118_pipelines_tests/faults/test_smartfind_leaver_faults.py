"""People and schedules that disappear: faults S15 and S16 of the old SmartFind script.

Rules: docs/reference/smartfind_express.md, "Leavers". Old numbers of people who stay
are leavers too: `test_smartfind_identity_faults.py`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from d118_pipelines.errors import ConfigurationError
from d118_pipelines.state import database as db
from d118_pipelines.state.open import state_database
from d118_pipelines.targets.ledger import remove_entry
from d118_pipelines_tests.support.district import (
    ONBOARDING,
    SUBSTITUTES,
    TWO_SCHEDULES,
    Person,
)
from d118_pipelines_tests.support.smartfind import (
    P1,
    commands,
    details,
    keys,
    profile,
    substitute,
)
from d118_pipelines_tests.support.sync import Sync

STAYS = Person(4000)
GONE = Person(4001)
SUB = Person(9102, "Hal", "Utz", homeschoolid=SUBSTITUTES)
LEAVERS = {
    4002: {"email_addr": " "},
    4003: {"email_addr": None},
    4004: {"homeschoolid": ONBOARDING},
    4005: {"homeschoolid": None},
    4006: {"contractemp": "1"},
    4007: {"last_name": "Test"},
}
HELD = {
    4010: {"teachernumber": None},
    4011: {"teachernumber": "none"},
    4012: {"first_name": None},
    4013: {"has_home_row": False},
    4014: {"teachernumber": "4000"},
}
BEFORE = [STAYS, GONE, *(Person(dcid) for dcid in (*LEAVERS, *HELD)), SUB]
AFTER = [
    STAYS,
    *(replace(Person(dcid), **changes) for dcid, changes in LEAVERS.items()),  # type: ignore[arg-type]
    *(replace(Person(dcid), **changes) for dcid, changes in HELD.items()),  # type: ignore[arg-type]
]
REASONS = {
    "4001": "not in the extract",
    "4002": "blank_email",
    "4003": "not in the extract",
    "4004": "excluded_building",
    "4005": "no_home_school",
    "4006": "contract_employee",
    "4007": "bad_name",
    "9102": "not in the extract",
}
SUB_GONE = substitute(9102, "C", active="N", available="", name="Hal|Utz")


@pytest.fixture(scope="module")
def yesterday(tmp_path_factory: pytest.TempPathFactory) -> Sync:
    """Everybody was delivered yesterday."""
    sync = Sync(tmp_path_factory.mktemp("sf"), "smartfind", BEFORE)
    sync.change({"guard.max_drop_percent": 100})
    sync.seed(9000)
    sync.run()
    sync.next_day()
    return sync


@pytest.fixture(scope="module")
def deactivated(yesterday: Sync, tmp_path_factory: pytest.TempPathFactory) -> Sync:
    """Today they have left, and the policy sends deactivation records."""
    sync = yesterday.copied(tmp_path_factory.mktemp("sf"))
    sync.change({"options.deactivate_leavers": True})
    sync.run(AFTER)
    return sync


@pytest.mark.long
def test_s15_leavers_are_reported_with_the_reason_and_nothing_is_sent(
    yesterday: Sync, tmp_path: Path
) -> None:
    sync = yesterday.copied(tmp_path)

    sync.run(AFTER)

    assert sync.lines(P1) == [profile(4000)]
    assert details(sync, "left") == {
        key: f"access id {key}: {reason}" for key, reason in REASONS.items()
    }
    assert keys(sync, "email_blanked") == {"4002", "4003"}
    assert {row["state"] for row in sync.ledger()} == {"active"}

    sync.next_day()
    sync.run()

    assert keys(sync, "left") == set(REASONS)


def test_s15_held_people_are_reported_and_never_deactivated(deactivated: Sync) -> None:
    assert details(deactivated, "held_while_active") == {
        "4010": "access_id_missing",
        "4011": "access_id_invalid",
        "4012": "missing_name",
        "4013": "home_school_row_missing",
        "4014": "access_id_duplicate",
    }
    assert not {f"P {dcid}" for dcid in HELD} & set(commands(deactivated))


def test_s15_deactivation_records_follow_the_others_in_dcid_order(
    deactivated: Sync,
) -> None:
    assert deactivated.lines(P1) == [
        profile(4000),
        *(profile(dcid, active="N") for dcid in (4001, *LEAVERS)),
        SUB_GONE,
    ]
    assert set(commands(deactivated, of="9102")) == {"P 9102"}
    assert keys(deactivated, "left") == set(REASONS)


@pytest.mark.long
def test_s15_deactivation_is_repeated_on_the_same_day_and_not_on_the_next(
    deactivated: Sync, tmp_path: Path
) -> None:
    sync = deactivated.copied(tmp_path)
    sent = sync.files()

    sync.run()
    assert sync.files() == sent

    sync.next_day()
    sync.run()
    assert sync.lines(P1) == [profile(4000)]
    assert keys(sync, "left") == set()


def test_s15_person_who_returns_is_a_change_and_active_again(
    deactivated: Sync, tmp_path: Path
) -> None:
    sync = deactivated.copied(tmp_path)
    sync.next_day()

    still_held = AFTER[-len(HELD) :]
    sync.run([STAYS, GONE, SUB, *still_held])

    assert sync.lines(P1) == [
        profile(4000),
        profile(4001),
        substitute(9102, "C", active="Y", available="", name="Hal|Utz"),
    ]
    assert set(commands(sync).values()) == {"C"}
    states = {(r["record_type"], r["key"]): r["state"] for r in sync.ledger()}
    assert states["P", "4001"] == "active"
    assert states["P", "4002"] == "deactivated"


def test_s15_last_line_past_its_retention_is_built_anew_from_present_data(
    yesterday: Sync, tmp_path: Path
) -> None:
    sync = yesterday.copied(tmp_path)
    sync.change({"options.deactivate_leavers": True})
    with state_database(sync.project).transaction() as connection:
        connection.execute(db.delivery_ledger.update().values(last_line=sa.null()))

    sync.run([*BEFORE[:1], replace(Person(4006), contractemp="1"), *BEFORE[8:]])

    contract = profile(4006, active="N")
    assert sync.lines(P1)[-1] == contract
    assert set(details(sync, "deactivation_impossible")) == set(REASONS) - {
        "4006",
        "9102",
    }


def test_s15_access_id_that_somebody_exported_uses_is_not_deactivated(
    yesterday: Sync, tmp_path: Path
) -> None:
    sync = yesterday.copied(tmp_path)
    sync.change({"options.deactivate_leavers": True})

    sync.run([*BEFORE[:1], Person(9500, teachernumber="4001"), *BEFORE[2:]])

    [line] = [x for x in sync.lines(P1) if "|4001|" in x]
    assert line == profile(4001, email="p9500@d118.example")


def test_delete_is_never_sent(deactivated: Sync, yesterday: Sync) -> None:
    for sync in (deactivated, yesterday):
        assert set(commands(sync).values()) <= {"A", "C"}


@pytest.mark.long
def test_s16_schedule_that_disappears_is_reported_until_it_is_removed(
    tmp_path: Path,
) -> None:
    both, one = Person(4011, **TWO_SCHEDULES), Person(4012)
    keeps = replace(both, dcid=4013)
    sync = Sync(tmp_path, "smartfind", [both, one, keeps])
    sync.seed(9000)
    sync.run()
    after = [replace(both, end_time_2=None), replace(one, sfe_position=None), keeps]
    expected = {
        "4011": "access id 4011, order 2",
        "4012": "access id 4012, order 1",
    }
    sync.next_day()
    sync.run(after)
    assert details(sync, "stale_schedule") == expected
    sync.next_day()
    sync.set_people([replace(after[0], days_2=""), *after[1:]])
    sync.export()
    assert details(sync, "stale_schedule") == expected

    remove(sync, "E", "4011/2")
    sync.export_again()

    assert set(details(sync, "stale_schedule")) == {"4012"}

    sync.run([both, one, keeps])

    assert keys(sync, "stale_schedule") == set()
    assert commands(sync, of="4011")["E 4011/2"] == "A"
    assert commands(sync, of="4012")["E 4012/1"] == "C"


def test_s16_schedules_of_a_leaver_are_not_reported_separately(
    deactivated: Sync,
) -> None:
    assert keys(deactivated, "stale_schedule") == set()


def test_removing_what_the_ledger_does_not_have_is_refused(yesterday: Sync) -> None:
    with pytest.raises(ConfigurationError, match="no record E 4001/2"):
        remove(yesterday, "E", "4001/2")


def test_removing_leaves_an_audit_row_and_every_other_entry(
    yesterday: Sync, tmp_path: Path
) -> None:
    sync = yesterday.copied(tmp_path)
    before = len(sync.ledger())

    remove(sync, "P", "4001")

    kinds = [row["record_type"] for row in sync.ledger() if row["key"] == "4001"]
    assert kinds == ["W"]
    assert len(sync.ledger()) == before - 1
    row = sync.rows(db.audit_log)[-1]
    assert (row["actor"], row["action"]) == ("tester", "ledger remove")
    assert row["detail"] == "P 4001 4001"


def test_removing_one_of_several_numbers_needs_the_number(
    yesterday: Sync, tmp_path: Path
) -> None:
    sync = yesterday.copied(tmp_path)
    sync.run([replace(GONE, teachernumber="2001"), STAYS])

    with pytest.raises(ConfigurationError, match="--identity 2001"):
        remove(sync, "P", "4001")
    remove(sync, "P", "4001", identity="4001")

    left = [r["identity"] for r in sync.ledger() if r["record_type"] == "P"]
    assert "2001" in left
    assert "4001" not in left


def remove(sync: Sync, record_type: str, key: str, identity: str | None = None) -> None:
    with state_database(sync.project).transaction() as connection:
        remove_entry(
            connection,
            target="smartfind",
            destination="outbox",
            record_type=record_type,
            key=key,
            identity=identity,
            now=sync.now,
            account="tester",
        )
