"""The golden staff set and the plain script say the same, byte by byte.

Both were made from the reference pages, in different ways: the expected files person
by person, the script as a program. Not here: what the project itself makes of the
tables; its own tests compare that with the same files.
"""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from bench.staff_tables import load_sqlite, make_staff_tables

GOLDEN = Path(__file__).parent / "staff"
SCRIPT = Path(__file__).parents[2] / "bench" / "plain_script.py"
FILES = {
    "hr_records": {"StaffData.txt": ("\t", 19), "Job Types.txt": ("\t", 5)},
    "smartfind": {
        "P1ProfileBasic.csv": ("|", 39),
        "W2SSO.csv": ("|", 7),
        "E1PlusEmployeeWorkSchedule.csv": ("|", 16),
    },
}
GOLDEN_RUN = ["--newest-dcid", "9000", "--allow-name", "4301", "4302"]
"""As `README.md` says: the seed, and the two real people with a name on the list."""


def run_script(export: str, database: Path, out: Path, *options: str) -> str:
    command = [sys.executable, str(SCRIPT), export, "--database", str(database)]
    done = subprocess.run(
        [*command, "--out", str(out), *options],
        check=True,
        capture_output=True,
        encoding="utf-8",
    )
    return done.stdout


@pytest.fixture
def golden_run(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path, str]:
    """The export's name, the folder with the script's files, what the script printed."""
    load_sqlite(GOLDEN / "tables", tmp_path / "powerschool.sqlite")
    out = tmp_path / "out"
    database = tmp_path / "powerschool.sqlite"
    return request.param, out, run_script(request.param, database, out, *GOLDEN_RUN)


both_exports = pytest.mark.parametrize("golden_run", list(FILES), indirect=True)


@both_exports
def test_every_file_of_the_plain_script_equals_the_golden_file(
    golden_run: tuple[str, Path, str],
) -> None:
    export, out, _ = golden_run

    made = {path.name: path.read_bytes() for path in out.iterdir()}

    expected = GOLDEN / "expected" / export
    assert made == {name: (expected / name).read_bytes() for name in FILES[export]}


@both_exports
def test_findings_of_the_plain_script_equal_the_golden_findings(
    golden_run: tuple[str, Path, str],
) -> None:
    export, _, printed = golden_run

    warned = [line.split()[1:] for line in printed.splitlines()]

    findings = GOLDEN / "expected" / export / "findings.csv"
    header, *rows = csv.reader(findings.read_text(encoding="utf-8").splitlines())
    assert header == ["code", "key"]
    assert sorted(warned, key=lambda row: (row[0], int(row[1]))) == rows


@pytest.mark.parametrize("export", list(FILES))
def test_every_golden_line_has_the_columns_of_its_file(export: str) -> None:
    for name, (delimiter, columns) in FILES[export].items():
        content = (GOLDEN / "expected" / export / name).read_bytes()

        assert content.endswith(b"\n")
        lines = content.decode("utf-8").removesuffix("\n").split("\n")
        assert {line.count(delimiter) + 1 for line in lines} == {columns}
        assert not content.startswith(b"\xef\xbb\xbf")
        assert b"\r" not in content


def test_golden_tables_hold_what_the_set_promises() -> None:
    path = GOLDEN / "tables" / "users.csv"
    with path.open(encoding="utf-8", newline="") as file:
        users = list(csv.DictReader(file))

    dcids = [int(user["dcid"]) for user in users]

    assert len(dcids) == len(set(dcids)) == 169
    assert dcids != sorted(dcids), "the order must come from the query"


def test_made_tables_give_few_adds_and_full_files(tmp_path: Path) -> None:
    newest = make_staff_tables(tmp_path / "tables", 620, seed=7)
    load_sqlite(tmp_path / "tables", tmp_path / "powerschool.sqlite")
    database, out = tmp_path / "powerschool.sqlite", tmp_path / "out"

    run_script("hr_records", database, out)
    run_script("smartfind", database, out, "--newest-dcid", str(newest))

    staff = (out / "StaffData.txt").read_text(encoding="utf-8").splitlines()
    profiles = (out / "P1ProfileBasic.csv").read_text(encoding="utf-8").splitlines()
    adds = [line for line in profiles if line.startswith("P|A|")]
    assert 580 <= len(staff) - 1 < 620
    assert 570 <= len(profiles) < 620
    assert 0 < len(adds) <= 40


def test_same_arguments_make_the_same_tables(tmp_path: Path) -> None:
    make_staff_tables(tmp_path / "one", 50, seed=3)
    make_staff_tables(tmp_path / "two", 50, seed=3)

    first, second = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in ("one", "two")
    )
    assert len(first) == 6
    assert first == second
