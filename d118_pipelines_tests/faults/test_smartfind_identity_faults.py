"""Changed numbers and changed roles: faults S18 and S20 of the old SmartFind script.

Rules: docs/reference/smartfind_express.md, "Add or change" and "Leavers". The people of
the examples have the numbers that the page gives them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from d118_pipelines_tests.support.district import SUBSTITUTES, Person
from d118_pipelines_tests.support.smartfind import (
    E1,
    P1,
    W2,
    commands,
    details,
    keys,
    profile,
    substitute,
)
from d118_pipelines_tests.support.sync import Sync

ANA = Person(4001, teachernumber="1001", email_addr="ana.ruiz@d118.example")
BO = Person(4002, "Bo", "Lind", teachernumber="1002")
EMAIL = "ana.ruiz@d118.example"
BO_LINE = profile(1002, name="Bo|Lind", email="p4002@d118.example")
NO_LIMIT = {"guard.max_drop_percent": 100}


def started(folder: Path, *people: Person) -> Sync:
    """A sync that delivered the people yesterday; everybody counts as known."""
    sync = Sync(folder, "smartfind", people, changes=NO_LIMIT)
    sync.seed(9000)
    sync.run()
    sync.next_day()
    return sync


@pytest.fixture(scope="module")
def yesterday(tmp_path_factory: pytest.TempPathFactory) -> Sync:
    return started(tmp_path_factory.mktemp("sf"), ANA, BO)


@pytest.fixture
def delivered(yesterday: Sync, tmp_path: Path) -> Sync:
    """A sync that delivered Ana and Bo yesterday."""
    return yesterday.copied(tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("deactivates", [False, True])
def test_s20_y18_changed_number_is_added_and_the_old_one_is_a_leaver(
    delivered: Sync, deactivates: bool
) -> None:
    sync = delivered
    sync.change({"options.deactivate_leavers": deactivates})
    changed = replace(ANA, teachernumber="2001")

    sync.run([changed, BO])

    deactivation = profile(1001, email=EMAIL, active="N")
    assert sync.lines(P1) == [
        profile(2001, "A", email=EMAIL),
        BO_LINE,
        *([deactivation] if deactivates else []),
    ]
    assert sync.lines(W2)[0] == f"W|A|2|1|2001|{EMAIL}|"
    assert [x[:13] for x in sync.lines(E1)] == ["E|A|1|2001|1|", "E|C|1|1002|1|"]
    assert details(sync, "access_id_changed") == {"4001": "1001 to 2001"}
    assert details(sync, "left") == {"4001": "access id 1001: access_id_changed"}
    assert keys(sync, "stale_schedule") == set()

    sync.next_day()
    sync.run()

    assert sync.lines(P1) == [profile(2001, email=EMAIL), BO_LINE]
    assert keys(sync, "access_id_changed") == set()
    assert keys(sync, "left") == (set() if deactivates else {"4001"})


@pytest.mark.long
def test_s20_number_changed_on_the_day_of_the_first_delivery_is_added(
    tmp_path: Path,
) -> None:
    sync = Sync(tmp_path, "smartfind", [ANA])
    sync.seed(9000)
    sync.run()
    assert set(commands(sync).values()) == {"C"}

    for _ in range(2):
        sync.run([replace(ANA, teachernumber="2001")])
        assert set(commands(sync, of="2001").values()) == {"A"}
    sync.run([ANA])

    assert set(commands(sync, of="1001").values()) == {"C"}


@pytest.mark.long
def test_number_that_moves_is_a_change_and_is_deactivated_once_with_its_last_line(
    delivered: Sync,
) -> None:
    sync = delivered
    sync.change({"options.deactivate_leavers": True})
    newcomer = Person(9100, "Di", "Poe", teachernumber="1001")
    email = "p9100@d118.example"

    sync.run([newcomer, BO])

    assert sync.lines(P1) == [BO_LINE, profile(1001, name="Di|Poe", email=email)]
    assert set(commands(sync).values()) == {"C"}
    assert details(sync, "access_id_taken_over") == {"9100": "access id 1001"}
    assert keys(sync, "left") == set()

    # Now nobody has it, and two people were sent under it.
    sync.next_day()
    sync.run([BO])

    gone = profile(1001, name="Di|Poe", email=email, active="N")
    assert sync.lines(P1) == [BO_LINE, gone]
    assert details(sync, "left") == {"9100": "access id 1001: not in the extract"}

    sync.next_day()
    sync.run()

    assert sync.lines(P1) == [BO_LINE]
    assert keys(sync, "left") == set()


def test_two_people_who_swap_numbers_are_changes(delivered: Sync) -> None:
    swapped = [replace(ANA, teachernumber="1002"), replace(BO, teachernumber="1001")]

    delivered.run(swapped)

    assert set(commands(delivered).values()) == {"C"}
    assert details(delivered, "access_id_changed") == {
        "4001": "1001 to 1002",
        "4002": "1002 to 1001",
    }
    assert keys(delivered, "left") == set()


@pytest.mark.long
def test_s18_staff_who_become_substitutes_and_back_are_reported(tmp_path: Path) -> None:
    stays = Person(4003, status=2)
    people = [Person(4001), Person(4002, homeschoolid=SUBSTITUTES), stays]
    sync = started(tmp_path, *people)
    moved = [Person(4001, homeschoolid=SUBSTITUTES), Person(4002), stays]

    sync.run(moved)

    assert sync.lines(P1) == [
        substitute(4001, "C", active="Y", available=""),
        profile(4002),
        profile(4003, active="N"),
    ]
    assert details(sync, "role_changed") == {
        "4001": "staff to substitute",
        "4002": "substitute to staff",
    }
    assert commands(sync, of="4002")["E 4002/1"] == "A"
    assert keys(sync, "stale_schedule") == {"4001"}

    sync.next_day()
    sync.run()

    assert keys(sync, "role_changed") == set()


def test_s18_role_of_a_new_profile_is_no_change_of_role(delivered: Sync) -> None:
    moved = replace(ANA, teachernumber="2001", homeschoolid=SUBSTITUTES)

    delivered.run([moved, BO])

    assert keys(delivered, "role_changed") == set()
