"""`d118 ledger`: deliveries, the imported watermark, entries to forget."""

from __future__ import annotations

import csv
import hashlib
import io
from pathlib import Path

import pytest

from d118_pipelines.state import database as db
from d118_pipelines_tests.conftest import LEFT, PEOPLE
from d118_pipelines_tests.support.project import ProjectFolder


@pytest.fixture
def fresh(tmp_path: Path) -> ProjectFolder:
    return ProjectFolder(tmp_path / "project", PEOPLE)


def seeds(project: ProjectFolder) -> list[tuple[str, str, int]]:
    return [
        (s.target, s.destination, s.newest_dcid) for s in project.rows(db.ledger_seeds)
    ]


def test_a_seed_is_a_number_or_the_old_scripts_file(fresh: ProjectFolder) -> None:
    (fresh.root / "NewestDCID.txt").write_bytes(b"\xef\xbb\xbf4007\r\nsecond line\r\n")

    by_file = fresh.d118(
        "ledger", "seed", "smartfind", "--newest-dcid", "NewestDCID.txt"
    )

    assert by_file.code == 0
    assert "up to 4,007 counts as known to smartfind at var/outbox" in by_file.out
    assert seeds(fresh) == [("smartfind", "outbox", 4007)]
    by_number = fresh.d118(
        "ledger", "seed", "smartfind", "--newest-dcid", "12", "--json"
    )
    assert by_number.json()["newest_dcid"] == 12
    assert seeds(fresh) == [("smartfind", "outbox", 12)]
    audited = [(row.action, row.detail) for row in fresh.rows(db.audit_log)]
    assert ("ledger seed", "newest DCID 12") in audited


def test_a_seed_decides_who_is_sent_as_changed(fresh: ProjectFolder) -> None:
    fresh.d118("ledger", "seed", "smartfind", "--newest-dcid", "4007")

    fresh.deliver("smartfind")

    lines = fresh.outbox("smartfind")["P1ProfileBasic.csv"].decode().splitlines()
    assert [line.split("|")[1] for line in lines] == ["C"] * 8 + ["A"] * 11


@pytest.mark.parametrize(
    "garbage",
    ["", "seven", "-1", "4 5", "4.5", "²", "NewestDCID.txt", "9" * 19],
)
def test_a_seed_that_is_no_number_is_2(fresh: ProjectFolder, garbage: str) -> None:
    answer = fresh.d118("ledger", "seed", "smartfind", f"--newest-dcid={garbage}")

    assert answer.code == 2
    assert "This is not a watermark." in answer.err
    assert "Nothing was imported." in answer.err
    assert seeds(fresh) == []


@pytest.mark.parametrize("content", [b"", b"\n4007\n", b"\xff\xfe4\x000\x00", b"none"])
def test_a_seed_file_without_a_number_is_2(
    fresh: ProjectFolder, content: bytes
) -> None:
    (fresh.root / "old.txt").write_bytes(content)

    answer = fresh.d118("ledger", "seed", "smartfind", "--newest-dcid", "old.txt")

    assert answer.code == 2
    assert "Where: old.txt" in answer.err
    assert seeds(fresh) == []


def test_a_target_without_a_seed_takes_none(fresh: ProjectFolder) -> None:
    answer = fresh.d118("ledger", "seed", "hr_records", "--newest-dcid", "4007")

    assert answer.code == 2
    assert "hr_records takes no seed." in answer.err


def test_deliveries_are_listed_with_their_files(delivered: ProjectFolder) -> None:
    rows = delivered.d118("ledger", "deliveries", "--json").json()

    assert [(row["target"], row["status"]) for row in rows] == [
        ("smartfind", "verified"),
        ("hr_records", "verified"),
        ("smartfind", "verified"),
        ("hr_records", "verified"),
    ]
    sent = delivered.outbox("hr_records")
    assert {f["name"]: f["sha256"] for f in rows[1]["files"]} == {
        name: hashlib.sha256(data).hexdigest() for name, data in sent.items()
    }


def test_deliveries_can_be_limited_and_chosen(delivered: ProjectFolder) -> None:
    command = ["ledger", "deliveries", "--target", "smartfind", "--limit", "1"]

    [row] = delivered.d118(*command, "--json").json()

    assert row["target"] == "smartfind"
    table = delivered.d118(*command).out
    assert table.count("verified") == 3
    for file in row["files"]:
        assert file["sha256"] in table, "nothing is cut where no terminal is"


def test_deliveries_as_csv_have_plain_numbers(delivered: ProjectFolder) -> None:
    answer = delivered.d118("ledger", "deliveries", "--target", "hr_records", "--csv")

    rows = list(csv.DictReader(io.StringIO(answer.out)))
    size = len(delivered.outbox("hr_records")["StaffData.txt"])
    assert size > 999
    assert rows[0]["file"] == "StaffData.txt"
    assert rows[0]["bytes"] == str(size)
    assert rows[0]["read back"] == "size, hash"


def test_nothing_was_delivered_yet(fresh: ProjectFolder) -> None:
    assert "Nothing has been delivered yet." in fresh.d118("ledger", "deliveries").out
    assert fresh.d118("ledger", "deliveries", "--json").json() == []
    assert fresh.d118("ledger", "deliveries", "--csv").out == ""


def test_a_removed_entry_is_forgotten_and_audited(project: ProjectFolder) -> None:
    answer = project.d118("ledger", "remove", "smartfind", "P", str(LEFT))

    assert answer.code == 0
    assert f"smartfind no longer counts P {LEFT} as known" in answer.out
    records = [
        s["record"]
        for s in project.d118("explain", "smartfind", str(LEFT), "--json").json()[
            "sent"
        ]
    ]
    assert records == [f"E {LEFT}/1", f"W {LEFT}"]
    audited = [(row.action, row.object) for row in project.rows(db.audit_log)]
    assert ("ledger remove", "smartfind") in audited
    again = project.d118("ledger", "remove", "smartfind", "W", str(LEFT), "--json")
    assert again.json() == {
        "target": "smartfind",
        "record_type": "W",
        "key": str(LEFT),
    }


def test_an_entry_that_is_not_there_cannot_be_removed(delivered: ProjectFolder) -> None:
    answer = delivered.d118("ledger", "remove", "smartfind", "P", "1")

    assert answer.code == 2
    assert "has no record P 1." in answer.err
    assert "d118 explain smartfind 1" in answer.err
