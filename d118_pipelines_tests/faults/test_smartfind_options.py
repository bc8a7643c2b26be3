"""Every option of the SmartFind target changes what its page says.

Two exports of the same people are compared: one with the defaults, one with every
option changed. Rules: docs/reference/smartfind_express.md. Elsewhere:
deactivate_leavers (`..._leaver_faults.py`), seed_except and cycle
(`..._ledger_faults.py`), newline and the days of a single schedule (golden tests).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from d118_pipelines_tests.support.district import ONBOARDING, SUBSTITUTES, Person
from d118_pipelines_tests.support.smartfind import (
    E1,
    P1,
    commands,
    keys,
    profile,
    substitute,
)
from d118_pipelines_tests.support.sync import Sync

NEW_BUILDING = 600
PEOPLE = [
    Person(4001, status=2, elsewhere={2001: 1}),
    Person(4002, homeschoolid=SUBSTITUTES),
    Person(4003, homeschoolid=NEW_BUILDING),
    Person(4004, homeschoolid=ONBOARDING),
    Person(4005, "Nurse", "Hill"),
    Person(4006, "Jo", "Test"),
    Person(4007, "Robot", "One"),
    Person(4008, days_1=""),
    Person(4009, days_1="MF"),
    Person(9100, calendar=None),
    Person(9101, calendar=None, status=2),
    Person(4011, "Zoë", "Łuk"),
]
CHANGES: dict[str, Any] = {
    "options.active_rule": "any",
    "options.sub_building": NEW_BUILDING,
    "options.exclude_buildings": [],
    "options.bad_names": ["robot", "test"],
    "options.bad_name_allow": [4006],
    "options.default_calendar": "077",
    "options.single_schedule_days": "from_boxes",
    "format.encoding": "cp1252",
}


def exported(folder: Path, changes: dict[str, Any]) -> Sync:
    sync = Sync(folder, "smartfind", PEOPLE, changes=changes)
    sync.seed(9000)
    sync.run()
    return sync


@pytest.fixture(scope="module")
def default(tmp_path_factory: pytest.TempPathFactory) -> Sync:
    return exported(tmp_path_factory.mktemp("default"), {})


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Sync:
    return exported(tmp_path_factory.mktemp("changed"), CHANGES)


def line(sync: Sync, number: int, file: str = P1) -> str:
    text = sync.files()[file].decode(sync.target.model.format.encoding)
    [found] = [x for x in text.splitlines() if x.split("|")[3] == str(number)]
    return found


def test_active_rule_any_keeps_a_person_active_who_is_active_elsewhere(
    default: Sync, changed: Sync
) -> None:
    assert line(default, 4001) == profile(4001, active="N")
    assert line(changed, 4001) == profile(4001, active="Y")
    assert keys(default, "active_elsewhere") == {"4001"}


def test_sub_building_says_whose_profile_is_a_substitute(
    default: Sync, changed: Sync
) -> None:
    assert line(default, 4002) == substitute(4002, "C", active="Y", available="")
    assert line(default, 4003) == profile(4003)
    assert line(changed, 4002) == profile(4002)
    assert line(changed, 4003) == substitute(4003, "C", active="Y", available="")
    assert "E 4003/1" in commands(default)
    assert "E 4002/1" not in commands(default)


def test_exclude_buildings_leaves_out_onboarding_without_a_report(
    default: Sync, changed: Sync
) -> None:
    assert "P 4004" not in commands(default)
    assert line(changed, 4004) == profile(4004)
    assert {code for code, key in default.codes() if key == "4004"} == {
        "seed_covers_unsent"
    }


def test_bad_names_are_those_of_the_list_but_for_the_allowed_people(
    default: Sync, changed: Sync
) -> None:
    assert keys(default, "bad_name") == {"4005", "4006"}
    assert keys(changed, "bad_name") == {"4007"}
    sent = commands_of(changed)
    assert {"P 4005", "P 4006"} <= sent
    assert "P 4007" not in sent


def test_default_calendar_is_what_new_or_inactive_employees_without_one_get(
    default: Sync, changed: Sync
) -> None:
    assert line(default, 9100) == profile(9100, "A", calendar="100")
    assert line(changed, 9100) == profile(9100, "A", calendar="077")
    assert line(changed, 9101) == profile(9101, "A", calendar="077", active="N")


def test_single_schedule_days_from_boxes_needs_at_least_one_box(
    default: Sync, changed: Sync
) -> None:
    days = {number: line(changed, number, E1).split("|")[11] for number in (4008, 4009)}
    assert days == {4008: "NYYYYYN", 4009: "NYNNNYN"}
    assert line(default, 4009, E1).split("|")[11] == "NYYYYYN"


def test_encoding_cp1252_replaces_what_it_lacks_and_reports_it(
    default: Sync, changed: Sync
) -> None:
    assert "Zoë|Łuk".encode() in default.files()[P1]
    assert "Zoë|?uk".encode("cp1252") in changed.files()[P1]
    assert keys(changed, "unencodable_character") == {"4011"}


def commands_of(sync: Sync) -> set[str]:
    """Record names of P1, whatever the encoding."""
    text = sync.files()[P1].decode(sync.target.model.format.encoding)
    return {f"P {row.split('|')[3]}" for row in text.splitlines()}
