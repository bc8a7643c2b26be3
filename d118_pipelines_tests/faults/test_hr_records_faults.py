"""The numbered faults of the old HR Records script, H1 to H14, and that they stay gone.

The numbers are those of docs/reference/hr_records.md. One export shows what a record's
fault does; runs of their own show what a failure leaves behind. Not here: options
(`test_hr_records_options.py`), real servers (delivery tests).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from d118_pipelines.errors import (
    ConfigurationError,
    DestinationError,
    ExportError,
    HeldError,
    IncompleteExtractError,
    QueryError,
)
from d118_pipelines_tests.support.district import Person
from d118_pipelines_tests.support.state import state_of
from d118_pipelines_tests.support.sync import Sync

STAFF, JOBS = "StaffData.txt", "Job Types.txt"
CLEAN = [Person(4001), Person(4002, "Bo", "Lind")]
FAULTY = [
    *CLEAN,
    Person(4010, teachernumber=None),
    Person(4011, teachernumber="   "),
    Person(4020, street="1 Main\tApt 2"),
    Person(4021, street="1 Main\r\nApt 2", city="\x1cWau\u2028conda\x85"),
    Person(4030, homeschoolid=None),
    Person(4031, homeschoolid=None, elsewhere={5: 1}),
    Person(4040, has_home_row=False, elsewhere={2001: 1}),
    Person(4041, has_home_row=False),
    Person(4050, "Łukasz", "Nowak"),
    Person(355, email_addr="pat@d118.example", status=2),
    Person(8120, email_addr=" PAT@d118.example"),
    Person(8121, email_addr="pat@d118.example"),
    Person(4060, email_addr="sam@d118.example", status=2),
    Person(4061, email_addr="sam@d118.example", status=None),
    Person(4070, teachernumber="7070"),
    Person(4071, teachernumber="7070"),
    Person(4080, email_addr="Mixed.CASE@D118.example"),
    Person(4090, status=2, elsewhere={2001: 1}),
    Person(4091, status=2, elsewhere={2001: 2}),
]


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Sync:
    """A delivered export over every fault that a record can have."""
    sync = Sync(tmp_path_factory.mktemp("hr"), "hr_records", FAULTY)
    sync.run()
    return sync


def keys(sync: Sync, code: str) -> set[str]:
    return {key for found, key in sync.codes() if found == code}


def staff(sync: Sync) -> dict[str, list[str]]:
    """The rows of StaffData.txt by DCID."""
    rows = [line.split("\t") for line in sync.lines(STAFF)[1:]]
    return {row[-1]: row for row in rows}


@pytest.fixture(scope="module")
def yesterday(tmp_path_factory: pytest.TempPathFactory) -> Sync:
    sync = Sync(tmp_path_factory.mktemp("hr"), "hr_records", CLEAN)
    sync.run()
    sync.next_day()
    return sync


@pytest.fixture
def delivered(yesterday: Sync, tmp_path: Path) -> Sync:
    """A sync that delivered two clean people yesterday."""
    return yesterday.copied(tmp_path)


def test_h01_failed_extract_leaves_outbox_ledger_and_deliveries_untouched(
    delivered: Sync,
) -> None:
    before = state_of(delivered)
    users = delivered.tables / "users.csv"
    good = users.read_bytes()

    users.write_bytes(good.replace(b"4002", b"not a number"))
    with pytest.raises(QueryError):
        delivered.run()
    users.unlink()
    with pytest.raises(ConfigurationError, match=r"lacks users\.csv"):
        delivered.run()

    assert state_of(delivered) == before


def test_h01_extract_that_breaks_off_leaves_nothing_that_a_run_could_take(
    delivered: Sync,
) -> None:
    extracts = delivered.project.home / "raw/powerschool/hr_records_staff"
    before = sorted(path.name for path in extracts.iterdir())
    table = delivered.tables / "schoolstaff.csv"

    table.write_bytes(table.read_bytes() + b"7,7,broken,5,1,1\n")
    with pytest.raises(QueryError):
        delivered.pull()

    assert sorted(path.name for path in extracts.iterdir()) == before


def test_h02_query_without_rows_fails_before_anything_is_built(delivered: Sync) -> None:
    before = state_of(delivered)

    with pytest.raises(IncompleteExtractError, match=r"extract\.zero_rows"):
        delivered.run([Person(4001, email_addr=None)])

    assert state_of(delivered) == before


def test_h02_header_only_file_is_never_sent(delivered: Sync) -> None:
    before = state_of(delivered)

    with pytest.raises(ExportError, match=r"guard\.rows_enough"):
        delivered.run([Person(4001, teachernumber=None)])

    assert state_of(delivered) == before


def test_h02_fewer_rows_than_the_limit_are_held(delivered: Sync) -> None:
    before = state_of(delivered)

    with pytest.raises(HeldError, match=r"guard\.drop_within_limit"):
        delivered.run(CLEAN[:1])

    assert state_of(delivered) == before


def test_h03_missing_employee_id_is_held_in_both_files(faulty: Sync) -> None:
    assert keys(faulty, "missing_employee_id") == {"4010", "4011"}
    assert not {"4010", "4011"} & set(staff(faulty))
    assert len(faulty.lines(JOBS)) == len(faulty.lines(STAFF))
    assert b"None" not in b"".join(faulty.files().values())


def test_h04_control_characters_become_one_space_and_columns_stay(
    faulty: Sync,
) -> None:
    assert staff(faulty)["4020"][12] == "1 Main Apt 2"
    assert staff(faulty)["4021"][12:14] == ["1 Main Apt 2", " Wau conda "]
    assert {line.count("\t") for line in faulty.lines(STAFF)} == {18}
    assert {line.count("\t") for line in faulty.lines(JOBS)} == {4}
    assert keys(faulty, "control_characters") == {"4020", "4021"}


def test_h05_person_without_home_school_is_held_and_reported(faulty: Sync) -> None:
    assert keys(faulty, "no_home_school") == {"4030", "4031"}
    assert not {"4030", "4031"} & set(staff(faulty))


def test_h06_person_without_home_row_is_reported_instead_of_vanishing(
    faulty: Sync,
) -> None:
    assert keys(faulty, "home_school_row_missing") == {"4040", "4041"}
    assert not {"4040", "4041"} & set(staff(faulty))


def test_h07_every_character_is_written_in_utf8_without_byte_order_mark(
    faulty: Sync,
) -> None:
    data = faulty.files()[STAFF]
    assert bytes.fromhex("C5 81 75 6B 61 73 7A") in data
    assert not data.startswith(b"\xef\xbb\xbf")
    assert keys(faulty, "unencodable_character") == set()


def test_h08_shared_email_is_exported_once_for_the_first_active_person(
    faulty: Sync,
) -> None:
    assert keys(faulty, "duplicate_email") == {"355", "8121", "4061"}
    assert {"8120", "4060"} <= set(staff(faulty))
    assert not {"355", "8121", "4061"} & set(staff(faulty))


def test_h08_shared_employee_id_is_reported_and_both_are_exported(
    faulty: Sync,
) -> None:
    assert keys(faulty, "duplicate_employee_id") == {"4070", "4071"}
    assert {"4070", "4071"} <= set(staff(faulty))


def test_h09_upload_failure_raises_and_counts_as_no_delivery(delivered: Sync) -> None:
    ledger, files = delivered.ledger(), delivered.files()

    delivered.break_outbox()
    with pytest.raises(DestinationError):
        delivered.run([*CLEAN, Person(4003, "Cy", "Moe")])
    delivered.mend_outbox()

    assert [row["status"] for row in delivered.deliveries()] == ["verified", "failed"]
    assert delivered.ledger() == ledger
    assert delivered.files() == files


def test_h09_next_run_after_an_upload_failure_delivers(delivered: Sync) -> None:
    people = [*CLEAN, Person(4003, "Cy", "Moe")]
    delivered.break_outbox()
    with pytest.raises(DestinationError):
        delivered.run(people)
    delivered.mend_outbox()

    delivered.run()

    assert set(staff(delivered)) == {"4001", "4002", "4003"}
    assert {row["key"] for row in delivered.ledger()} == {"4001", "4002", "4003"}


def test_h11_email_is_kept_as_stored(faulty: Sync) -> None:
    row = staff(faulty)["4080"]

    assert {row[0], row[4], row[9]} == {"Mixed.CASE@D118.example"}


def test_h12_doubled_extension_row_fails_the_run(delivered: Sync) -> None:
    before = state_of(delivered)
    table = delivered.tables / "u_humanresources.csv"
    lines = table.read_text(encoding="utf-8").splitlines(keepends=True)
    table.write_text("".join([*lines, lines[-1]]), encoding="utf-8")

    with pytest.raises(ExportError, match="keys_unique") as caught:
        delivered.run()

    assert "4002" in str(caught.value)
    assert state_of(delivered) == before


def test_h13_person_active_elsewhere_is_deactivated_and_reported(faulty: Sync) -> None:
    assert staff(faulty)["4090"][16:18] == ["2", "True"]
    assert keys(faulty, "active_elsewhere") == {"4090"}


def test_h14_pair_is_replaced_together_or_not_at_all(delivered: Sync) -> None:
    before = delivered.files()
    # The first file can be uploaded, the second cannot: nothing may be renamed.
    (delivered.outbox / f"{JOBS}.part").mkdir()

    with pytest.raises(DestinationError):
        delivered.run([*CLEAN, Person(4003, "Cy", "Moe")])
    (delivered.outbox / f"{JOBS}.part").rmdir()
    (delivered.outbox / f"{STAFF}.part").unlink(missing_ok=True)

    assert delivered.files() == before
    assert delivered.deliveries()[-1]["status"] == "failed"
