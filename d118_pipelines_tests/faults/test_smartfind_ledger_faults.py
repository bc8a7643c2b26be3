"""Add or change: faults S1, S2, S3 and S17 of the old SmartFind script, and the seed.

Rules: docs/reference/smartfind_express.md, "Add or change". Changed numbers and roles
stand in `test_smartfind_identity_faults.py`.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest

from d118_pipelines.errors import DestinationError
from d118_pipelines_tests.support.district import (
    ONBOARDING,
    SUBSTITUTES,
    TWO_SCHEDULES,
    Person,
)
from d118_pipelines_tests.support.smartfind import P1, commands, keys
from d118_pipelines_tests.support.sync import Sync

KIM, DI, HAL, LOU = "4011", "9100", "9102", "9050"
DAY_1 = [
    Person(4011),
    Person(9100, start_time=None),
    Person(9102, homeschoolid=SUBSTITUTES),
    Person(9050, teachernumber=None, sfe_position=None),
]
DAY_2 = [
    Person(4011),
    Person(9100),
    Person(9102, homeschoolid=SUBSTITUTES),
    Person(9050, sfe_position=None),
]
DAY_3 = [
    Person(4011, **TWO_SCHEDULES),
    *DAY_2[1:],
]


def smartfind(folder: Path, *people: Person, **changes: object) -> Sync:
    sync = Sync(folder, "smartfind", people, changes=changes)
    sync.seed(9000)
    return sync


def records(person: str, *, p: str, e1: str = "", e2: str = "") -> dict[str, str]:
    """The commands of one person: profile and identity, and the schedules there are."""
    schedules = {f"E {person}/1": e1, f"E {person}/2": e2}
    return {f"P {person}": p, f"W {person}": p} | {
        k: v for k, v in schedules.items() if v
    }


FIRST_DAY = records(KIM, p="C", e1="C") | records(DI, p="A") | records(HAL, p="A")
SECOND_DAY = (
    records(KIM, p="C", e1="C")
    | records(DI, p="C", e1="A")
    | records(HAL, p="C")
    | records(LOU, p="A")
)
THIRD_DAY = (
    records(KIM, p="C", e1="C", e2="A")
    | records(DI, p="C", e1="C")
    | records(HAL, p="C")
    | records(LOU, p="C")
)


@pytest.mark.long
def test_s01_s02_s17_commands_follow_the_page_day_by_day(tmp_path: Path) -> None:
    sync = smartfind(tmp_path, *DAY_1)
    sync.break_outbox()
    with pytest.raises(DestinationError):
        sync.run()
    sync.mend_outbox()
    assert sync.ledger() == []

    sync.next_day()
    sync.run()
    assert commands(sync) == FIRST_DAY

    sync.next_day()
    sync.run(DAY_2)
    assert commands(sync) == SECOND_DAY
    second_day = sync.files()

    sync.run()
    assert sync.files() == second_day

    sync.next_day()
    sync.run(DAY_3)
    assert commands(sync) == THIRD_DAY


@pytest.mark.long
def test_s01_failed_delivery_after_a_verified_one_changes_no_command(
    tmp_path: Path,
) -> None:
    sync = smartfind(tmp_path, *DAY_1)
    sync.run()
    ledger = sync.ledger()
    sync.next_day()
    sync.break_outbox()
    with pytest.raises(DestinationError):
        sync.run(DAY_2)
    sync.mend_outbox()
    assert sync.ledger() == ledger

    sync.next_day()
    sync.run()

    assert commands(sync) == SECOND_DAY


@pytest.mark.long
def test_s02_everybody_who_was_left_out_earlier_is_added_once_exportable(
    tmp_path: Path,
) -> None:
    reasons = [
        Person(9001, homeschoolid=ONBOARDING),
        Person(9002, email_addr=None),
        Person(9003, email_addr=" "),
        Person(9004, teachernumber=None),
        Person(9005, teachernumber="none"),
        Person(9006, contractemp="1"),
        Person(9007, last_name="Test"),
        Person(9008, first_name=None),
        Person(9009, has_home_row=False),
        Person(9010, homeschoolid=None),
        Person(9011, teachernumber="9999"),
    ]
    last = Person(9999, teachernumber="9999", status=1)
    rival = replace(reasons[-1], status=2)
    sync = smartfind(tmp_path, *reasons[:-1], rival, last)
    sync.run()
    assert commands(sync) == records("9999", p="A", e1="A")

    sync.next_day()
    sync.run([Person(person.dcid) for person in [*reasons, last]])

    found = commands(sync)
    assert {key for key, command in found.items() if command == "C"} == set(
        records("9999", p="C", e1="C")
    )
    assert {key for key in found if key.startswith("P ")} == {
        f"P {dcid}" for dcid in [*range(9001, 9012), 9999]
    }


@pytest.mark.long
def test_s03_known_people_stay_known_when_the_newest_one_leaves(tmp_path: Path) -> None:
    old, new, newest = Person(4001), Person(9100), Person(9200)
    sync = smartfind(tmp_path, old, new, newest, **{"guard.max_drop_percent": 100})
    sync.run()
    assert commands(sync, of="9200") == records("9200", p="A", e1="A")

    sync.next_day()
    sync.run([old])
    sync.next_day()
    sync.run([old, new, newest])

    assert set(commands(sync).values()) == {"C"}


@pytest.mark.long
def test_s17_first_schedule_of_a_known_person_is_an_add(tmp_path: Path) -> None:
    sync = smartfind(tmp_path, Person(4001, sfe_position=None), Person(9100))
    sync.run()

    sync.next_day()
    sync.run([Person(4001, **TWO_SCHEDULES), Person(9100)])

    assert commands(sync, of="4001") == records("4001", p="C", e1="A", e2="A")
    assert commands(sync, of="9100") == records("9100", p="C", e1="C")


@pytest.mark.long
def test_seed_counts_for_schedules_until_the_first_verified_delivery(
    tmp_path: Path,
) -> None:
    sync = smartfind(tmp_path, Person(4001, sfe_position=None), Person(4002))
    sync.break_outbox()
    with pytest.raises(DestinationError):
        sync.run()
    sync.mend_outbox()

    sync.next_day()
    sync.run([Person(4001), Person(4002, sfe_position=None)])
    assert commands(sync) == records("4001", p="C", e1="C") | records("4002", p="C")
    # A repeat on the same day still belongs to the first import.
    sync.run([Person(4001), Person(4002)])
    assert commands(sync, of="4002") == records("4002", p="C", e1="C")

    sync.next_day()
    sync.run([Person(4001, **TWO_SCHEDULES), Person(4002)])
    assert commands(sync, of="4001") == records("4001", p="C", e1="C", e2="A")


def test_seed_covers_the_person_with_its_number_and_nobody_above(
    tmp_path: Path,
) -> None:
    sync = smartfind(tmp_path, Person(9000), Person(9001), Person(10000))

    sync.run()

    assert {k: v for k, v in commands(sync).items() if k[0] == "P"} == {
        "P 9000": "C",
        "P 9001": "A",
        "P 10000": "A",
    }


def test_seed_except_takes_a_person_out_of_the_seed_and_of_its_report(
    tmp_path: Path,
) -> None:
    people = [Person(4001), Person(4002), Person(4003, teachernumber=None),
              Person(4004, teachernumber=None)]  # fmt: skip
    sync = smartfind(tmp_path, *people, **{"ledger.seed_except": [4002, 4004]})

    sync.run()

    assert commands(sync, of="4001") == records("4001", p="C", e1="C")
    assert commands(sync, of="4002") == records("4002", p="A", e1="A")
    assert keys(sync, "seed_covers_unsent") == {"4003"}


@pytest.mark.long
def test_seed_report_is_that_of_the_first_run_only(tmp_path: Path) -> None:
    held = Person(4003, teachernumber=None)
    sync = smartfind(tmp_path, Person(4001), held)
    sync.run()
    assert keys(sync, "seed_covers_unsent") == {"4003"}

    sync.next_day()
    sync.run()

    assert keys(sync, "seed_covers_unsent") == set()


@pytest.mark.long
def test_calendar_and_availability_follow_the_profile_command(tmp_path: Path) -> None:
    people = [Person(9100, calendar=None), Person(9101, homeschoolid=SUBSTITUTES)]
    sync = smartfind(tmp_path, *people)
    sync.run()
    first = [line.split("|") for line in sync.lines(P1)]

    sync.next_day()
    sync.run()

    second = [line.split("|") for line in sync.lines(P1)]
    assert [(row[1], row[20], row[25]) for row in first] == [
        ("A", "100", ""),
        ("A", "", "Y"),
    ]
    assert [(row[1], row[20], row[25]) for row in second] == [
        ("C", "", ""),
        ("C", "", ""),
    ]


@pytest.mark.long
def test_cycle_run_calls_a_repeat_on_the_same_day_a_change(tmp_path: Path) -> None:
    sync = smartfind(tmp_path, Person(9100), **{"ledger.cycle": "run"})
    sync.run()
    assert set(commands(sync).values()) == {"A"}

    sync.run()

    assert set(commands(sync).values()) == {"C"}


@pytest.mark.long
def test_cycle_day_ends_at_midnight_of_the_district(tmp_path: Path) -> None:
    sync = smartfind(tmp_path, Person(9100))
    # 23:56 in Chicago, which is the next day in UTC; a run takes two minutes.
    sync.now = dt.datetime(2026, 11, 4, 5, 56, tzinfo=dt.UTC)
    sync.run()

    sync.run()
    assert set(commands(sync).values()) == {"A"}
    sync.run()

    assert set(commands(sync).values()) == {"C"}


@pytest.mark.long
def test_ledger_of_another_destination_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = smartfind(tmp_path, Person(9100))
    sync.run()
    sync.next_day()
    monkeypatch.setenv("D118_TESTS_OTHER_ADDRESS", "127.0.0.1:9")
    monkeypatch.setenv("SFE_SFTP_USERNAME", "nobody")
    sync.change({"destination.address_env": "D118_TESTS_OTHER_ADDRESS"})

    made = sync.export()

    assert [r.code for r in made.plan.rules if not r.passed] == ["guard.ledger_seeded"]
    assert made.plan.baseline is None
