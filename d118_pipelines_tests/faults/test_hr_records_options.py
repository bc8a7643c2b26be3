"""Every option of the HR Records target changes what its page says, and people who leave.

Two exports of the same people are compared: one with the defaults, one with every
option changed. Rules: docs/reference/hr_records.md. Encoding: golden tests.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from d118_pipelines_tests.support.district import ONBOARDING, Person
from d118_pipelines_tests.support.sync import Sync

STAFF, JOBS = "StaffData.txt", "Job Types.txt"
PEOPLE = [
    Person(4001, email_addr="Mixed.CASE@D118.example"),
    Person(4002, status=2, elsewhere={2001: 1}),
    Person(4003, teachernumber=None),
    Person(4004, homeschoolid=ONBOARDING),
    Person(4005, "Ghost"),
    Person(4006, "Nurse", "Hill"),
    Person(4007, "Jo", "Test"),
    Person(4008, "Robot", "One"),
    Person(4009, teachernumber=" "),
]
CHANGES = {
    "options.email_case": "lower",
    "options.active_rule": "any",
    "options.missing_employee_id": "blank",
    "options.exclude_buildings": [ONBOARDING],
    "options.exclude_users": [4005],
    "options.bad_names": ["robot", "test"],
    "options.bad_name_allow": [4007],
    "format.newline": "crlf",
}


def exported(folder: Path, changes: dict[str, object]) -> Sync:
    sync = Sync(folder, "hr_records", PEOPLE, changes=changes)
    sync.run()
    return sync


@pytest.fixture(scope="module")
def default(tmp_path_factory: pytest.TempPathFactory) -> Sync:
    return exported(tmp_path_factory.mktemp("default"), {})


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Sync:
    return exported(tmp_path_factory.mktemp("changed"), dict(CHANGES))


def staff(sync: Sync) -> dict[str, list[str]]:
    rows = [line.split("\t") for line in sync.lines(STAFF)[1:]]
    return {row[-1]: row for row in rows}


def test_email_case_lower_writes_all_three_addresses_in_lower_case(
    default: Sync, changed: Sync
) -> None:
    places = (0, 4, 9)
    assert {staff(default)["4001"][p] for p in places} == {"Mixed.CASE@D118.example"}
    assert {staff(changed)["4001"][p] for p in places} == {"mixed.case@d118.example"}


def test_active_rule_any_keeps_a_person_active_who_is_active_elsewhere(
    default: Sync, changed: Sync
) -> None:
    assert staff(default)["4002"][16:18] == ["2", "True"]
    assert staff(changed)["4002"][16:18] == ["1", "False"]


def test_missing_employee_id_blank_sends_an_empty_number_in_both_files(
    default: Sync, changed: Sync
) -> None:
    assert not {"4003", "4009"} & set(staff(default))
    assert staff(changed)["4003"][1] == staff(changed)["4009"][1] == ""
    assert changed.lines(JOBS).count("\tTeacher\t5\tAna\tRuiz") == 2
    assert not {key for code, key in changed.codes() if "employee_id" in code}


def test_exclude_buildings_leaves_out_their_people_without_a_report(
    default: Sync, changed: Sync
) -> None:
    assert "4004" in staff(default)
    assert "4004" not in staff(changed)
    assert not {code for code, key in changed.codes() if key == "4004"}


def test_exclude_users_leaves_out_a_ghost_without_a_report(
    default: Sync, changed: Sync
) -> None:
    assert "4005" in staff(default)
    assert "4005" not in staff(changed)
    assert not {code for code, key in changed.codes() if key == "4005"}


def test_bad_names_are_those_of_the_list(default: Sync, changed: Sync) -> None:
    assert ("bad_name", "4006") in default.codes()
    assert "4008" in staff(default)
    assert "4006" in staff(changed)
    assert ("bad_name", "4008") in changed.codes()
    assert "4008" not in staff(changed)


def test_bad_name_allow_exports_a_real_person_with_such_a_name(
    default: Sync, changed: Sync
) -> None:
    assert ("bad_name", "4007") in default.codes()
    assert "4007" in staff(changed)


def test_newline_crlf_ends_header_and_rows_of_both_files(
    default: Sync, changed: Sync
) -> None:
    for name in (STAFF, JOBS):
        assert b"\r" not in default.files()[name]
        data = changed.files()[name]
        assert data.count(b"\r\n") == data.count(b"\n") == data.count(b"\r")
        assert data.endswith(b"\r\n")


def test_person_who_leaves_is_reported_with_the_reason(
    default: Sync, tmp_path: Path
) -> None:
    sync = default.copied(tmp_path)
    sync.change({"guard.max_drop_percent": 100})
    kept = [p for p in PEOPLE if p.dcid not in (4001, 4002, 4004)]
    left = [
        replace(PEOPLE[1], teachernumber=None),
        replace(PEOPLE[3], email_addr="  "),
    ]

    sync.run([*kept, *left])

    details = {f.key: f.detail for f in sync.findings() if f.code == "left_file"}
    assert details == {
        "4001": "not in the extract",
        "4002": "missing_employee_id",
        "4004": "blank_email",
    }


def test_cleared_emails_of_current_staff_are_a_finding_of_their_own(
    default: Sync, tmp_path: Path
) -> None:
    sync = default.copied(tmp_path)
    sync.change({"guard.max_drop_percent": 100})
    blanked = {4001: None, 4004: "  "}
    sync.run(
        [
            *(p for p in PEOPLE if p.dcid not in blanked),
            *(
                replace(p, email_addr=blanked[p.dcid])
                for p in PEOPLE
                if p.dcid in blanked
            ),
            Person(4900, email_addr=None),
        ]
    )

    found = {key for code, key in sync.codes() if code == "email_blanked"}
    assert found == {"4001", "4004"}, "4900 was never sent"


@pytest.mark.long
def test_person_who_left_is_reported_once(default: Sync, tmp_path: Path) -> None:
    sync = default.copied(tmp_path)
    sync.change({"guard.max_drop_percent": 100})
    sync.run(PEOPLE[1:])
    assert ("left_file", "4001") in sync.codes()

    sync.next_day()
    sync.run()

    assert not {key for code, key in sync.codes() if code == "left_file"}
