"""Work schedules: faults S7 to S10 of the old SmartFind script, and the order S22.

The numbers are those of docs/reference/smartfind_express.md. Not here: schedules that
appear and disappear between days (`test_smartfind_ledger.py`, `..._leavers.py`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from d118_pipelines.errors import DestinationError
from d118_pipelines_tests.support.district import SUBSTITUTES, TWO_SCHEDULES, Person
from d118_pipelines_tests.support.state import state_of
from d118_pipelines_tests.support.sync import Sync

P1, W2, E1 = "P1ProfileBasic.csv", "W2SSO.csv", "E1PlusEmployeeWorkSchedule.csv"
BOTH = Person(4011, **TWO_SCHEDULES)
PEOPLE = [
    Person(4001),
    Person(4010, days_1="MWF", custom_times="0"),
    BOTH,
    replace(BOTH, dcid=4012, am_time=None, pm_time=None),
    replace(BOTH, dcid=4013, am_time_2=None, pm_time_2=None),
    replace(BOTH, dcid=4014, start_time_2=None, end_time_2=None),
    replace(BOTH, dcid=4015, days_2="MTH"),
    replace(BOTH, dcid=4016, days_1=""),
    replace(BOTH, dcid=4017, end_time_2=None),
    replace(BOTH, dcid=4018, start_time_2="  "),
    Person(4020, start_time=None),
    Person(4021, sfe_position="  "),
    Person(4022, end_time=None, status=2),
    Person(4023, homeschoolid=SUBSTITUTES),
    Person(4024, days_1=""),
    Person(4025, am_time=None, pm_time=None, status=2, homeschoolid=0),
]


@pytest.fixture(scope="module")
def schedules(tmp_path_factory: pytest.TempPathFactory) -> Sync:
    sync = Sync(tmp_path_factory.mktemp("sf"), "smartfind", PEOPLE)
    sync.seed(9000)
    sync.run()
    return sync


def lines(sync: Sync, dcid: int) -> list[str]:
    """What follows the access id in the person's schedule records."""
    start = f"E|C|1|{dcid}|"
    return [x.removeprefix(start) for x in sync.lines(E1) if x.startswith(start)]


def keys(sync: Sync, code: str) -> set[str]:
    return {key for found, key in sync.codes() if found == code}


FIRST = "1|5|1|TCH|08:00 AM|03:00 PM|N|NYNYNYN|10:00 AM|10:30 AM|N|"
SECOND = "2|5|1|TCH|12:00 PM|03:00 PM|N|NNYNYNN|01:00 PM|01:30 PM|N|"


def test_s07_half_days_of_each_schedule_come_from_its_own_columns(
    schedules: Sync,
) -> None:
    assert lines(schedules, 4011) == [FIRST, SECOND]
    assert lines(schedules, 4012) == [
        FIRST.replace("10:00 AM|10:30 AM", "|"),
        SECOND,
    ]
    assert lines(schedules, 4013) == [
        FIRST,
        SECOND.replace("01:00 PM|01:30 PM", "|"),
    ]
    assert b"None" not in schedules.files()[E1]


@pytest.mark.parametrize("dcid", [4014, 4017, 4018])
def test_s08_second_schedule_without_times_is_left_out_and_reported(
    schedules: Sync, dcid: int
) -> None:
    assert lines(schedules, dcid) == [FIRST]
    assert ("schedule2_incomplete", str(dcid)) in schedules.codes()


def test_s08_complete_schedules_are_not_reported(schedules: Sync) -> None:
    assert keys(schedules, "schedule2_incomplete") == {"4014", "4017", "4018"}


@pytest.mark.parametrize(
    ("dcid", "custom_times"), [(4010, "N"), (4001, "Y"), (4024, "Y")]
)
def test_s09_single_schedule_is_the_whole_week_whatever_the_boxes_say(
    schedules: Sync, dcid: int, custom_times: str
) -> None:
    assert lines(schedules, dcid) == [
        f"1|5|1|TCH|08:00 AM|03:00 PM|N|NYYYYYN|11:30 AM|11:45 AM|{custom_times}|"
    ]


def test_s10_day_in_both_schedules_is_exported_and_reported(schedules: Sync) -> None:
    assert lines(schedules, 4015) == [FIRST, SECOND.replace("NNYNYNN", "NYYNYNN")]
    assert keys(schedules, "days_overlap") == {"4015"}


def test_s10_first_schedule_without_days_is_exported_and_reported(
    schedules: Sync,
) -> None:
    assert lines(schedules, 4016) == [FIRST.replace("NYNYNYN", "NNNNNNN"), SECOND]
    assert keys(schedules, "days_empty") == {"4016"}


def test_person_without_position_or_times_has_no_record_and_is_reported_if_active(
    schedules: Sync,
) -> None:
    assert [lines(schedules, dcid) for dcid in (4020, 4021, 4022, 4023)] == [[]] * 4
    assert keys(schedules, "no_work_schedule") == {"4020", "4021"}


def test_inactive_employee_of_the_district_office_keeps_the_schedule(
    schedules: Sync,
) -> None:
    assert lines(schedules, 4025) == [
        "1|0|1|TCH|08:00 AM|03:00 PM|N|NYYYYYN|||Y|",
    ]


def test_s22_files_arrive_in_the_order_p1_w2_e1_with_times_in_the_past(
    schedules: Sync,
) -> None:
    times = {name: (schedules.outbox / name).stat().st_mtime for name in (P1, W2, E1)}

    sent = schedules.deliveries()[-1]["finished_at"].timestamp()
    assert [sent - times[name] for name in (P1, W2, E1)] == [180, 120, 60]
    assert schedules.deliveries()[-1]["read_back"] == ["size", "hash", "mtime"]


@pytest.mark.parametrize("name", [P1, W2, E1])
def test_s22_set_with_a_file_that_cannot_be_written_replaces_none(
    schedules: Sync, tmp_path: Path, name: str
) -> None:
    sync = schedules.copied(tmp_path)
    before = state_of(sync)
    obstacle = sync.outbox / f"{name}.part"
    obstacle.mkdir()
    sync.next_day()

    with pytest.raises(DestinationError):
        sync.run(PEOPLE[:-1])
    obstacle.rmdir()
    for left_over in sync.outbox.glob("*.part"):
        left_over.unlink()

    after = state_of(sync)
    assert [row["status"] for row in after.pop("deliveries")] == ["verified", "failed"]
    del before["deliveries"]
    assert after == before
