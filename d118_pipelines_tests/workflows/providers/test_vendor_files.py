"""A vendor's file that is no roster: read, checked, kept, joined by a target."""

from __future__ import annotations

import datetime as dt
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from d118_pipelines.errors import ConfigurationError, HeldError, IncompleteExtractError
from d118_pipelines.roster.model.tables import sync_logs
from d118_pipelines.sources.pull import Pull, find_pull
from d118_pipelines.workflows.monitoring.all_feeds import load_feeds
from d118_pipelines.workflows.providers.vendor_files import pull_vendor_files
from d118_pipelines_tests.support.canaries import PERSON, people_in_wrong_places
from d118_pipelines_tests.support.district import Person
from d118_pipelines_tests.support.project import ProjectFolder
from d118_pipelines_tests.support.roster_sync import RosterProject
from d118_pipelines_tests.support.sshd import Sshd
from d118_pipelines_tests.targets.badges import SQL, YAML

ROUTES = {
    "file": "routes_*.csv",
    "key": ["number"],
    "max_age_hours": 36,
    "columns": {
        "number": {"header": "Employee No", "type": "integer"},
        "route": {"type": "text", "required": True},
        "starts": "date",
        "miles": "number",
    },
}
HEADER = "Employee No,Route,Starts,Miles,Driver\n"
GOOD = HEADER + "".join(f"{4001 + n},R{n},09/0{n + 1}/2026,1.5,x\n" for n in range(4))


def entry(**changes: Any) -> dict[str, Any]:
    config = {"files": {"routes": {**ROUTES, **changes}}}
    return {"id": "buses", "name": "Buses", "type": "VENDOR_FILE", "config": config}


class Buses(RosterProject):
    """A project with one provider, and its inbox."""

    def drop(
        self, text: str | bytes, name: str = "routes_1.csv", hours: float = 0
    ) -> None:
        path = self.home / "inbox/buses" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        at = time.time() - 3600 * hours
        os.utime(path, (at, at))

    def read(self, text: str | bytes, **options: Any) -> Pull:
        self.drop(text, **options)
        return self.read_again()

    def read_again(self) -> Pull:
        self.run_id = uuid.uuid4().hex
        with self.step() as run:
            return pull_vendor_files(run, self.provider("buses"), lambda *_: None)

    def newest(self) -> list[dict[str, Any]]:
        pull = find_pull(self.home / "raw/buses")
        assert pull is not None
        return pq.read_table(pull.rows_file("routes")).to_pylist()

    def found(self) -> set[tuple[str, str, int | None]]:
        rows = self.d118("findings", "buses", "--json").json()
        return {(row["code"], row["field"], row["line"]) for row in rows}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Buses:
    return Buses(tmp_path_factory.mktemp("buses") / "project", entry())


@pytest.fixture
def buses(made: Buses, tmp_path: Path) -> Iterator[Buses]:
    copy = made.copied(tmp_path / "project")
    copy.__class__ = Buses
    assert isinstance(copy, Buses)
    yield copy


def test_good_rows_flow_with_their_types_and_bad_ones_are_findings(
    buses: Buses,
) -> None:
    bad = "4010,R1,someday,1,x\n4011,,09/09/2026,1,x\nfive,R2,,,x\n4001,R7,,,x\n"
    buses.set_providers(entry(max_drop_percent=50))

    buses.read(GOOD + bad + "4012,R3\n")

    rows = buses.newest()
    assert rows[0] == {
        "number": 4001,
        "route": "R0",
        "starts": dt.date(2026, 9, 1),
        "miles": 1.5,
        "_line": 2,
    }
    assert [row["number"] for row in rows] == [4001, 4002, 4003, 4004, 4010]
    assert rows[-1]["starts"] is None
    assert buses.found() == {
        ("file.bad_value", "starts", 6),
        ("file.missing_value", "route", 7),
        ("file.bad_value", "number", 8),
        ("file.duplicate_key", "number", 9),
        ("csv.ragged_row", "", 10),
    }
    logged = {row.message for row in buses.rows(sync_logs)}
    assert logged >= {"file.bad_value", "file.duplicate_key", "csv.ragged_row"}


def test_column_that_rows_need_stops_all_and_another_one_is_a_finding(
    buses: Buses,
) -> None:
    with pytest.raises(IncompleteExtractError, match=r"file\.missing_column"):
        buses.read(GOOD.replace("Route", "Line"))
    assert ("file.missing_column", "", None) in buses.found()

    buses.read(GOOD.replace("Miles", "Km"))

    assert buses.found() == {("file.absent_column", "miles", None)}
    assert buses.newest()[0]["miles"] is None


def test_file_that_shrank_is_held_until_it_is_approved(buses: Buses) -> None:
    buses.read(GOOD)
    short = "".join(GOOD.splitlines(keepends=True)[:3])

    with pytest.raises(HeldError, match=r"guard\.file_rows_enough") as held:
        buses.read(short)

    assert len(buses.newest()) == 4
    assert "The extract that was there stays the newest." in str(held.value)
    assert "2" in buses.d118("plan", "buses").out
    buses.approve("buses")
    buses.read_again()
    assert len(buses.newest()) == 2
    buses.read_again()  # the approval is used, and the limit counts from now
    assert buses.d118("prune").code == 0
    assert len(buses.newest()) == 2


def test_empty_file_and_one_with_bad_rows_alone_are_held_at_first(buses: Buses) -> None:
    for text in (HEADER, HEADER + "five,R1,,,x\nsix,R1,,,x\n"):
        with pytest.raises(HeldError, match=r"guard\.file_rows_enough"):
            buses.read(text)


def test_old_file_is_held_or_reported_as_the_entry_says(buses: Buses) -> None:
    with pytest.raises(HeldError, match=r"guard\.file_fresh"):
        buses.read(GOOD, hours=37)
    buses.set_providers(entry(when_late="report"))

    buses.read(GOOD, hours=37)

    assert buses.found() == {("file.late", "", None)}
    buses.read(GOOD, hours=35)
    assert buses.found() == set()


def test_newest_file_of_the_pattern_counts(buses: Buses) -> None:
    buses.drop(GOOD, "routes_9.csv", hours=2)
    buses.drop(GOOD.replace("R0", "R8"), "ROUTES_1.CSV", hours=1)
    buses.drop("nothing of it", "other.csv")

    buses.read_again()

    assert buses.newest()[0]["route"] == "R8"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (GOOD + "4005,R", "csv.cut_off"),
        ("", "csv.header_missing"),
        (b"\xff\xfe" + GOOD.encode("utf-16-le")[:-1], "csv.bad_encoding"),
    ],
)
def test_file_that_cannot_be_read_as_a_whole_leaves_the_extract_as_it_was(
    buses: Buses, text: str | bytes, code: str
) -> None:
    buses.read(GOOD)

    with pytest.raises(IncompleteExtractError, match=code):
        buses.read(text)

    assert len(buses.newest()) == 4


def test_file_by_sftp_keeps_its_age(buses: Buses, sshd: Sshd) -> None:
    sftp = {
        "host": "127.0.0.1",
        "port": sshd.port,
        "username": sshd.account,
        "privateKeyPath": str(sshd.keys.private("login")),
    }
    line = f"[127.0.0.1]:{sshd.port} {sshd.keys.public('host_ed25519')}\n"
    (buses.root / "known_hosts").write_text(line)
    remote = sshd.folder / "routes_7.csv"
    remote.write_text(GOOD)
    old = time.time() - 37 * 3600
    os.utime(remote, (old, old))
    given = entry()
    given["config"] |= {"sftp": sftp, "remotePath": "upload1"}
    buses.set_providers(given)

    with pytest.raises(HeldError, match=r"guard\.file_fresh"):
        buses.read_again()
    os.utime(remote)
    buses.read_again()

    assert len(buses.newest()) == 4


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"key": ["nobody"]}, "is not one of the columns"),
        ({"columns": {"a": {"header": "X"}, "x": "text"}, "key": []}, "is read twice"),
        ({"columns": {"a": "money"}, "key": []}, "text"),
        ({"columns": {"ssn": "text"}, "key": []}, "may not be read"),
        ({"file": "out/routes.csv"}, "without a folder"),
    ],
)
def test_declaration_that_cannot_be_meant_is_misconfigured(
    buses: Buses, changes: dict[str, Any], complaint: str
) -> None:
    buses.set_providers(entry(**changes))

    [broken] = load_feeds(buses.project).broken

    assert complaint in str(broken.error)


def test_keys_of_rosters_are_refused(buses: Buses) -> None:
    buses.set_providers(entry() | {"deactivate_missing": False})

    [broken] = load_feeds(buses.project).broken

    assert "belongs to rosters" in str(broken.error)


@pytest.mark.long
def test_target_joins_the_file_and_the_roster_stays_as_it_is(tmp_path: Path) -> None:
    project = ProjectFolder(tmp_path / "project", [Person(4001), Person(4002)])
    project.set_providers(entry())
    sql = SQL.replace(
        "FROM raw.powerschool.hr_records_staff",
        "FROM raw.powerschool.hr_records_staff JOIN raw.buses.routes "
        "ON number = TRY_CAST(teachernumber AS BIGINT)",
    ).replace("teachernumber,", "route AS teachernumber,", 1)
    folder = project.root / "sql/exports/badges"
    folder.mkdir()
    (folder / "people.sql").write_text(sql)
    (project.root / "mappings/targets/badges.yaml").write_text(YAML)
    assert "fits the declared columns" in project.d118("doctor").out
    assert "d118 run buses" in project.d118("run", "badges").err
    inbox = project.home / "inbox/buses"
    inbox.mkdir(parents=True, exist_ok=True)
    bad = f"{PERSON},R1,,,{PERSON}\n4009,R1,{PERSON},{PERSON},{PERSON}\n"
    (inbox / "routes_1.csv").write_text(GOOD.replace(",x", f",{PERSON}") + bad)

    read = project.d118("run", "buses")
    sent = project.d118("run", "badges")

    assert (read.code, sent.code) == (0, 0), read.err + sent.err
    assert "raw.buses.routes" in read.out
    assert b"R0" in project.outbox("badges")["badges.csv"]
    assert people_in_wrong_places(project) == []
    assert project.d118("targets", "list").code == 0
    assert project.d118("providers", "list").code == 0
    (folder / "people.sql").write_text(sql.replace("buses.routes", "buses.stops"))
    with pytest.raises(ConfigurationError, match=r"raw\.buses\.routes"):
        load_feeds(project.project).refuse("badges")
