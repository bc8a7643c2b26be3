"""Faults of the old SmartFind script in its source and its people: S4-S6, S11-S14,
S19, S21, S23-S25.

The numbers are those of docs/reference/smartfind_express.md. Schedules, ledger and
leavers have files of their own; S26 stands in test_no_secrets_no_personal_values.py.
"""

from __future__ import annotations

import socket
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from d118_pipelines.errors import (
    ConnectionLostError,
    ExportError,
    IncompleteExtractError,
    QueryError,
)
from d118_pipelines.sources.powerschool.oracle import OracleSource
from d118_pipelines_tests.support.district import SUBSTITUTES, Person
from d118_pipelines_tests.support.state import state_of
from d118_pipelines_tests.support.sync import Sync

P1, W2, E1 = "P1ProfileBasic.csv", "W2SSO.csv", "E1PlusEmployeeWorkSchedule.csv"
CLEAN = [Person(4001, teachernumber="1001"), Person(4002, teachernumber="1002")]
NUMBERS = {
    4101: "00123",
    4102: "000000000124",
    4103: "123456789",
    4104: " 12 ",
    4105: "0",
    4106: "0000",
    4107: "1234567890",
    4108: "12A",
    4109: "-5",
    4110: "+6",
    4111: "1_000",
    4112: "١٢",
    4113: "1 2",
    4114: "1.0",
}
FAULTY = [
    *CLEAN,
    *(Person(dcid, teachernumber=number) for dcid, number in NUMBERS.items()),
    Person(4120, teachernumber=None),
    Person(4121, teachernumber="   "),
    Person(4130, last_name="O|Neil", home_phone="1\r\n2\t|3", sfe_position="T|CH"),
    Person(4140, first_name=None),
    Person(4141, last_name=None),
    Person(4150, homeschoolid=SUBSTITUTES, contractemp="1"),
    Person(4151, contractemp="1"),
    Person(4160, teachernumber="00500", status=2),
    Person(4161, teachernumber="500"),
    Person(4162, teachernumber="0500"),
    Person(4163, teachernumber="600", status=2),
    Person(4164, teachernumber="0600", status=None),
    Person(4170, hr={"contractemp": " yes "}),
    Person(4171, hr={"contractemp": "true"}),
    Person(4172, hr={"contractemp": "2"}),
    Person(4173, hr={"time2_friday": "t", "custom_times": "Y"}, start_time_2="1", end_time_2="2"),
]  # fmt: skip


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Sync:
    """A delivered export over every fault that a person can have."""
    sync = Sync(tmp_path_factory.mktemp("sf"), "smartfind", FAULTY)
    sync.seed(9000)
    sync.run()
    return sync


@pytest.fixture(scope="module")
def yesterday(tmp_path_factory: pytest.TempPathFactory) -> Sync:
    sync = Sync(tmp_path_factory.mktemp("sf"), "smartfind", CLEAN)
    sync.seed(9000)
    sync.run()
    sync.next_day()
    return sync


@pytest.fixture
def delivered(yesterday: Sync, tmp_path: Path) -> Sync:
    """A sync that delivered two clean people yesterday."""
    return yesterday.copied(tmp_path)


def keys(sync: Sync, code: str) -> set[str]:
    return {key for found, key in sync.codes() if found == code}


def profiles(sync: Sync) -> dict[str, list[str]]:
    """The records of P1 by access id."""
    rows = [line.split("|") for line in sync.lines(P1)]
    return {row[3]: row for row in rows}


def test_s04_no_exportable_person_fails_the_run_and_keeps_all_state(
    delivered: Sync,
) -> None:
    before = state_of(delivered)

    with pytest.raises(IncompleteExtractError):
        delivered.run([])
    with pytest.raises(ExportError, match=r"guard\.rows_enough"):
        delivered.run([Person(4001, teachernumber="none"), Person(4002, "test")])

    assert state_of(delivered) == before
    delivered.run(CLEAN)
    assert [line[:4] for line in delivered.lines(P1)] == ["P|C|", "P|C|"]


def test_s05_ledger_without_entries_and_seed_refuses_to_deliver(tmp_path: Path) -> None:
    sync = Sync(tmp_path, "smartfind", CLEAN)

    with pytest.raises(ExportError, match=r"guard\.ledger_seeded"):
        sync.run()

    assert sync.files() == {}
    assert sync.ledger() == []
    assert sync.deliveries() == []


def test_s05_error_in_the_people_query_uploads_nothing(delivered: Sync) -> None:
    before = state_of(delivered)
    users = delivered.tables / "users.csv"
    users.write_bytes(users.read_bytes().replace(b"4002", b"4002x"))

    with pytest.raises(QueryError):
        delivered.run()

    assert state_of(delivered) == before


def test_s06_error_in_hr_data_fails_the_run_for_everybody(delivered: Sync) -> None:
    before = state_of(delivered)
    table = delivered.tables / "u_humanresources.csv"
    table.write_bytes(table.read_bytes().replace(b"\n4002,", b"\nx4002,"))

    with pytest.raises(QueryError, match=r"u_humanresources\.csv"):
        delivered.run()

    assert state_of(delivered) == before


def test_s06_person_without_hr_row_takes_nothing_from_the_person_before(
    delivered: Sync,
) -> None:
    contract = Person(4003, hr={"contractemp": "1", "calendar": "205"})

    delivered.run([*CLEAN, contract, Person(4004, teachernumber="1004", has_hr=False)])

    row = profiles(delivered)["1004"]
    assert row[20] == ""
    assert keys(delivered, "contract_employee") == {"4003"}


@pytest.mark.parametrize(
    ("dcid", "access_id"),
    [(4101, "123"), (4102, "124"), (4103, "123456789"), (4104, "12")],
)
def test_s11_number_of_one_to_nine_digits_is_the_access_id_without_zeros(
    faulty: Sync, dcid: int, access_id: str
) -> None:
    assert profiles(faulty)[access_id][17] == f"p{dcid}@d118.example"


def test_s11_surrounding_spaces_are_tolerated_and_reported(faulty: Sync) -> None:
    assert keys(faulty, "access_id_trimmed") == {"4104"}


def test_s11_s12_anything_else_is_held_as_invalid_or_missing(faulty: Sync) -> None:
    invalid = {str(dcid) for dcid in range(4105, 4115)}
    assert keys(faulty, "access_id_invalid") == invalid
    assert keys(faulty, "access_id_missing") == {"4120", "4121"}
    assert all(access_id.isdigit() for access_id in profiles(faulty))


def test_s13_delimiter_and_line_end_in_a_value_become_one_space(faulty: Sync) -> None:
    row = profiles(faulty)["4130"]
    assert (row[4], row[6]) == ("1 2 3", "O Neil")
    [schedule] = [line for line in faulty.lines(E1) if line.startswith("E|C|1|4130|")]
    assert schedule.split("|")[7] == "T CH"
    assert keys(faulty, "control_characters") == {"4130"}
    for name, pipes in ((P1, 38), (W2, 6), (E1, 15)):
        assert {line.count("|") for line in faulty.lines(name)} == {pipes}


def test_s14_person_without_a_name_is_held_and_reported(faulty: Sync) -> None:
    assert keys(faulty, "missing_name") == {"4140", "4141"}
    assert not {"4140", "4141"} & set(profiles(faulty))


def test_s19_contract_substitute_is_exported_and_reported(faulty: Sync) -> None:
    assert "4150" in profiles(faulty)
    assert keys(faulty, "contract_substitute") == {"4150"}


def test_s21_shared_access_id_goes_to_the_first_active_person(faulty: Sync) -> None:
    assert keys(faulty, "access_id_duplicate") == {"4160", "4162", "4164"}
    assert profiles(faulty)["500"][17] == "p4161@d118.example"
    assert profiles(faulty)["600"][17] == "p4163@d118.example"


def test_s23_check_boxes_count_in_every_spelling(faulty: Sync) -> None:
    assert keys(faulty, "contract_employee") == {"4151", "4170", "4171"}
    assert "4172" in profiles(faulty)
    rows = [line.split("|") for line in faulty.lines(E1)]
    friday = [row for row in rows if row[3] == "4173"]
    assert [(row[4], row[11], row[14]) for row in friday] == [
        ("1", "NYYYYYN", "Y"),
        ("2", "NNNNNYN", "Y"),
    ]


def test_s24_database_that_refuses_connections_uploads_nothing(delivered: Sync) -> None:
    before = state_of(delivered)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        dsn = f"127.0.0.1:{closed.getsockname()[1]}/nothing"

        with pytest.raises(ConnectionLostError):
            delivered.pull(OracleSource(user="nobody", password="none", dsn=dsn))

    assert state_of(delivered) == before


def test_s25_one_statement_reads_people_and_their_hr_data(delivered: Sync) -> None:
    [extract, _] = delivered.pull()

    assert extract.collections["smartfind_staff"].rows == 2
    columns = set(pq.read_schema(extract.rows_file("smartfind_staff")).names)
    assert {"first_name", "calendar", "start_time_2"} <= columns
