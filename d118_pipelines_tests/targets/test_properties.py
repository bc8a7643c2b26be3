"""Properties of the two staff targets over random people and random days.

Shape of every line, independence of row order, and add or change as a vendor sees it
who imports once a day. Single rules: `faults/`.
"""

from __future__ import annotations

import datetime as dt
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from d118_pipelines.errors import DestinationError
from d118_pipelines.sources.powerschool import schema
from d118_pipelines.sources.powerschool.source import Query
from d118_pipelines.targets.build import Inputs
from d118_pipelines.targets.ledger import LedgerSnapshot
from d118_pipelines_tests.support.district import (
    ONBOARDING,
    SUBSTITUTES,
    TWO_SCHEDULES,
    Person,
)
from d118_pipelines_tests.support.examples import examples
from d118_pipelines_tests.support.exports import first_export
from d118_pipelines_tests.support.smartfind import E1, P1, W2
from d118_pipelines_tests.support.state import state_of
from d118_pipelines_tests.support.sync import Sync
from d118_pipelines_tests.targets.examples import ROOT, target

NOW = dt.datetime(2026, 11, 2, 11, 0, tzinfo=dt.UTC)
NOTHING_SENT = LedgerSnapshot((), 0, True, None)
# An example is a whole export: few of them, and a failing one is not made smaller.
FEW = settings(
    max_examples=examples(3, 7),
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
DELIMITERS = {"hr_records": "\t", "smartfind": "|"}

# Everything that could break a line, and letters of one to four bytes.
LETTERS = "aZ é Łß漢😀 \u0301\u00a0|\t,;\"'\\$%{}\n\r\x00\x01\x1f\x7f\x85\x9f\u2028\u2029\ufeff"
texts = st.text(LETTERS, max_size=6)
words = st.one_of(st.none(), texts.filter(bool))
flags = st.sampled_from([None, "1", "0", "Y", "true"])
numbers = st.one_of(st.integers(0, 30).map(str), words)
buildings = st.sampled_from([0, 5, ONBOARDING, SUBSTITUTES, None])


def values_of(column: str) -> st.SearchStrategy[Any]:
    """Values of one column of the staff queries."""
    if column == "teachernumber":
        return numbers
    if column == "email_addr":
        return texts.map(lambda text: f"{text}@d118.example")
    if column in ("homeschoolid", "home_row_schoolid"):
        return buildings
    if column in ("status", "staffstatus", "active_elsewhere"):
        return st.sampled_from([None, 0, 1, 2, 4])
    if column.startswith(("time1_", "time2_")) or column in (
        "contractemp",
        "custom_times",
    ):
        return flags
    return words


def staff(name: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Rows of the target's query, any values, each person once."""
    columns = [c for c in columns_of(name) if c != "users_dcid"]
    row = st.fixed_dictionaries({column: values_of(column) for column in columns})
    people = st.dictionaries(st.integers(1, 10**9), row, min_size=1, max_size=12)
    return people.map(lambda d: [{"users_dcid": k, **v} for k, v in d.items()])


def columns_of(name: str) -> list[str]:
    query = Query.read(ROOT / f"sql/powerschool/{name}_staff.sql")
    return list(schema.expected_schema(query).names)


@contextmanager
def exported(name: str, rows: list[dict[str, Any]]) -> Iterator[dict[str, list[str]]]:
    """The lines of the target's files by file, made straight from rows of the query."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    query = Query.read(ROOT / f"sql/powerschool/{name}_staff.sql")
    with tempfile.TemporaryDirectory() as path:
        folder = Path(path)
        table = pa.Table.from_pylist(rows, schema=schema.expected_schema(query))
        pq.write_table(table, folder / "rows.parquet")
        nobody = Query.read(ROOT / "sql/powerschool/staff_without_email.sql")
        empty = schema.expected_schema(nobody).empty_table()
        pq.write_table(empty, folder / "nobody.parquet")
        inputs = Inputs(
            {
                ("raw", "powerschool", f"{name}_staff"): folder / "rows.parquet",
                ("raw", "powerschool", nobody.name): folder / "nobody.parquet",
            }
        )
        export = first_export(target(name), inputs, folder, NOW, NOTHING_SENT)
        yield {
            file.file.file: file.path.read_bytes()
            .decode()
            .removesuffix("\n")
            .split("\n")
            for file in export.files
            if file.size_bytes
        }


def cleaned(value: Any, delimiter: str) -> str:
    """What a value looks like in a file without quotes."""
    text = "" if value is None else str(value)
    controls = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
    return re.sub(f"[{controls}{re.escape(delimiter)}]+", " ", text)


@pytest.mark.long
@pytest.mark.parametrize("name", list(DELIMITERS))
@FEW
@given(data=st.data())
def test_every_line_has_its_columns_and_every_value_is_the_cleaned_one(
    name: str, data: st.DataObject
) -> None:
    rows = data.draw(staff(name))
    delimiter = DELIMITERS[name]

    with exported(name, rows) as files:
        for file in target(name).model.files:
            wanted = len(file.columns) + target(name).model.format.trailing_delimiter
            lines = files.get(file.file, [])
            assert {len(line.split(delimiter)) for line in lines} <= {wanted}

        people = {row["users_dcid"]: row for row in rows}
        if name == "hr_records":
            check_hr_records(people, files)
        else:
            check_smartfind(people, files)


def check_hr_records(
    people: Mapping[int, dict[str, Any]], files: dict[str, list[str]]
) -> None:
    staff_rows = [line.split("\t") for line in files["StaffData.txt"][1:]]
    job_rows = [line.split("\t") for line in files["Job Types.txt"][1:]]
    dcids = [int(row[-1]) for row in staff_rows]
    assert dcids == sorted(dcids)
    # The same people, with the same numbers and names, in the same order.
    assert [[r[1], r[5], r[2], r[3]] for r in staff_rows] == [
        [r[0], *r[2:]] for r in job_rows
    ]
    places = {0: "email_addr", 1: "teachernumber", 10: "personal_email", 12: "street"}
    for dcid, row in zip(dcids, staff_rows, strict=True):
        for place, column in places.items():
            assert row[place] == cleaned(people[dcid][column], "\t")


def check_smartfind(
    people: Mapping[int, dict[str, Any]], files: dict[str, list[str]]
) -> None:
    profiles = [line.split("|") for line in files.get(P1, [])]
    identities = [line.split("|") for line in files.get(W2, [])]
    schedules = [line.split("|") for line in files.get(E1, [])]
    accesses = [row[3] for row in profiles]
    assert len(set(accesses)) == len(accesses)
    assert [row[4] for row in identities] == accesses
    assert {row[3] for row in schedules} <= set(accesses)
    assert len({(row[3], row[4]) for row in schedules}) == len(schedules)
    shown = {
        (cleaned(p["email_addr"], "|"), cleaned(p["last_name"], "|"))
        for p in people.values()
    }
    assert {(row[17], row[6]) for row in profiles} <= shown
    assert all(re.fullmatch("[1-9][0-9]{0,8}", access) for access in accesses)


ORDERED = [
    Person(4001),
    Person(9, teachernumber="4001"),
    Person(10, "Bo", "Li|nd", email_addr="p4001@d118.example", status=2),
    Person(11, teachernumber=None),
    Person(12, homeschoolid=SUBSTITUTES),
    Person(13, **TWO_SCHEDULES),
    Person(100, elsewhere={5: 1, 7: 2}, homeschoolid=8),
]


@pytest.fixture(scope="module", params=list(DELIMITERS))
def ordered(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Sync, str]:
    """A delivered sync, and the hash of the plan of the next export."""
    sync = Sync(tmp_path_factory.mktemp("ordered"), request.param, ORDERED)
    if request.param == "smartfind":
        sync.seed(50)
    sync.run()
    return sync, sync.export().plan.plan_hash


@pytest.mark.long
@settings(FEW, max_examples=examples(2, 4))
@given(people=st.permutations(ORDERED))
def test_order_of_rows_changes_neither_bytes_nor_plan_and_nothing_is_planned(
    ordered: tuple[Sync, str], people: list[Person]
) -> None:
    sync, plan_hash = ordered
    sync.set_people(people)

    made = sync.export()

    paths = [file.path for file in made.export.files]
    assert {path.name: path.read_bytes() for path in paths} == sync.files()
    assert made.plan.plan_hash == plan_hash
    for counts in made.export.plan.counts.values():
        assert (counts.added, counts.changed, counts.removed) == (0, 0, 0)


class Vendor:
    """SmartFind Express as the pages assume it: it imports once a day."""

    def __init__(self) -> None:
        self.records: set[str] = set()

    def import_files(self, sync: Sync) -> None:
        """Read P1, W2, E1; an add of what it has or a change of what it lacks fails."""
        for name in (P1, W2, E1):
            known = set(self.records)
            for line in sync.lines(name):
                fields = line.split("|")
                access = fields[4] if name == W2 else fields[3]
                order = fields[4] if name == E1 else "1"
                record = f"{name} {access} {order}"
                assert fields[1] == ("C" if record in known else "A"), record
                assert name == P1 or f"{P1} {access} 1" in self.records
                self.records.add(record)


SHAPES: list[dict[str, Any]] = [
    {},
    {"sfe_position": None},
    TWO_SCHEDULES,
    {"homeschoolid": SUBSTITUTES},
    {"homeschoolid": ONBOARDING},
    {"contractemp": "1"},
    {"status": 2},
]
DCIDS = range(101, 113)
ATTEMPTS = ([True], [True, True], [False], [False, True], [True, False])


def population(random: Random) -> list[Person]:
    """Today's people: most of them there, most with a number, numbers on the move."""
    numbers = random.sample(range(1, 15), len(DCIDS) - 2)
    drawn = [*map(str, numbers), str(numbers[0]), None]
    people = [
        Person(dcid, teachernumber=number, **random.choice(SHAPES))
        for dcid, number in zip(DCIDS, random.sample(drawn, len(drawn)), strict=True)
        if random.random() < 0.8
    ]
    return [Person(100), *people]


@pytest.mark.long
@settings(FEW, max_examples=examples(2, 4))
@given(random=st.randoms(use_true_random=True), deactivates=st.booleans())
def test_vendor_never_gets_an_add_of_what_it_has_nor_a_change_of_what_it_lacks(
    random: Random, deactivates: bool
) -> None:
    changes = {
        "options.deactivate_leavers": deactivates,
        "guard.max_drop_percent": 100,
        "guard.max_adds": None,
        "guard.max_deactivations": None,
    }
    with tempfile.TemporaryDirectory() as folder:
        sync = Sync(Path(folder), "smartfind", changes=changes)
        sync.seed(0)
        vendor = Vendor()
        for _ in range(4):
            sync.set_people(population(random))
            attempts = random.choice(ATTEMPTS)
            for succeeds in attempts:
                attempt(sync, succeeds=succeeds)
            if any(attempts):
                vendor.import_files(sync)
            sync.next_day()


def attempt(sync: Sync, *, succeeds: bool) -> None:
    """One run of the day; one that cannot deliver leaves everything as it was."""
    if succeeds:
        sync.run()
        return
    before = state_of(sync)
    sync.break_outbox()
    with pytest.raises(DestinationError):
        sync.run()
    sync.mend_outbox()
    after = state_of(sync)
    assert after.pop("deliveries")[-1]["status"] == "failed"
    del before["deliveries"]
    assert after == before
