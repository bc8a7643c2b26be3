"""The two staff exports over the golden tables give the golden files, byte for byte.

Not here: how the golden files came to be (`README.md`), the plain script.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import pytest

from d118_pipelines_tests.support.sync import Sync

GOLDEN = Path(__file__).parent / "staff"
ALLOWED = {"options.bad_name_allow": [4301, 4302]}
FILES = {
    "hr_records": ["StaffData.txt", "Job Types.txt"],
    "smartfind": ["P1ProfileBasic.csv", "W2SSO.csv", "E1PlusEmployeeWorkSchedule.csv"],
}
SEED = 9000


@dataclass(frozen=True)
class Golden:
    """A finished golden run: what arrived, and the people that a rule stopped."""

    target: str
    files: dict[str, bytes]
    codes: set[tuple[str, str]]
    stopped: set[str]

    @property
    def expected(self) -> Path:
        return GOLDEN / "expected" / self.target


def golden_sync(folder: Path, target: str, **changes: object) -> Sync:
    """A sync over the golden tables with the golden settings and further ones."""
    sync = Sync(folder, target, changes={**ALLOWED, **changes})
    sync.tables = GOLDEN / "tables"
    if target == "smartfind":
        sync.seed(SEED)
    return sync


@pytest.fixture(scope="module", params=list(FILES))
def golden(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Golden:
    sync = golden_sync(tmp_path_factory.mktemp("golden"), request.param)
    made = sync.run()
    outcome = made.export.folder / "outcome.parquet"
    import pyarrow.parquet as pq

    stopped = {r["key"] for r in pq.read_table(outcome).to_pylist() if r["code"]}
    return Golden(request.param, sync.files(), sync.codes(), stopped)


def test_every_file_that_arrives_equals_its_golden_file(golden: Golden) -> None:
    names = FILES[golden.target]

    assert golden.files == {
        name: (golden.expected / name).read_bytes() for name in names
    }


def test_findings_equal_the_golden_findings(golden: Golden) -> None:
    text = (golden.expected / "findings.csv").read_text(encoding="utf-8")
    header, *rows = csv.reader(text.splitlines())
    assert header == ["code", "key"]

    by_tables = {row for row in golden.codes if row[0] != "seed_covers_unsent"}

    assert by_tables == {(code, key) for code, key in rows}


def test_seed_is_reported_for_exactly_the_stopped_people_that_it_covers(
    golden: Golden,
) -> None:
    reported = {key for code, key in golden.codes if code == "seed_covers_unsent"}

    covered = {key for key in golden.stopped if int(key) <= SEED}
    assert reported == (covered if golden.target == "smartfind" else set())
    assert golden.stopped > covered


def test_x10_cp1252_writes_a_question_mark_and_loses_no_row(tmp_path: Path) -> None:
    sync = golden_sync(tmp_path, "hr_records", **{"format.encoding": "cp1252"})

    sync.run()

    golden = (GOLDEN / "expected/hr_records/StaffData.txt").read_text(encoding="utf-8")
    expected = golden.encode("cp1252", errors="replace")
    assert sync.files()["StaffData.txt"] == expected
    [line] = [x for x in expected.split(b"\n") if x.endswith(b"\t4009")]
    assert line.split(b"\t")[2] == b"?ukasz"
    jobs = sync.files()["Job Types.txt"].decode("cp1252").split("\n")
    assert [x for x in jobs if x.startswith("1009\t")] == [
        "1009\tTeacher\t5\t?ukasz\tNowak"
    ]
    replaced = {key for code, key in sync.codes() if code == "unencodable_character"}
    assert "4009" in replaced
    assert replaced == {
        line.rpartition("\t")[2]
        for line in golden.splitlines()
        if line.encode("cp1252", errors="replace") != _ascii_safe(line)
    }


def test_y8_real_days_and_crlf_differ_from_the_golden_files_in_nothing_else(
    tmp_path: Path,
) -> None:
    sync = golden_sync(
        tmp_path,
        "smartfind",
        **{"options.single_schedule_days": "from_boxes", "format.newline": "crlf"},
    )

    sync.run()

    start = b"E|C|1|1010|1|5|1|TCH|08:00 AM|03:00 PM|N|"
    for name, data in sync.files().items():
        expected = (GOLDEN / "expected/smartfind" / name).read_bytes()
        expected = expected.replace(start + b"NYYYYYN", start + b"NYNYNYN")
        assert data == expected.replace(b"\n", b"\r\n")
    assert start + b"NYNYNYN" in sync.files()["E1PlusEmployeeWorkSchedule.csv"]


def _ascii_safe(line: str) -> bytes:
    """The line in cp1252 where that is possible, else bytes that equal nothing."""
    try:
        return line.encode("cp1252")
    except UnicodeEncodeError:
        return b"\xff"
