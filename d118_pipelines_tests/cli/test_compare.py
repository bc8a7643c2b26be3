"""`d118 compare`: our files against another program's, before the cut-over."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path

import pytest

from d118_pipelines_tests.support.project import ProjectFolder

STAFF_DATA = "StaffData.txt"


@pytest.fixture
def theirs(delivered: ProjectFolder, tmp_path: Path) -> Path:
    """A folder with a copy of every delivered file."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    for target in ("hr_records", "smartfind"):
        shutil.copytree(delivered.home / "outbox" / target, folder, dirs_exist_ok=True)
    return folder


def changed(folder: Path, name: str, old: bytes, new: bytes) -> None:
    data = (folder / name).read_bytes()
    assert old in data
    (folder / name).write_bytes(data.replace(old, new, 1))


@pytest.mark.parametrize("target", ["hr_records", "smartfind"])
def test_identical_files_are_0(
    delivered: ProjectFolder, theirs: Path, target: str
) -> None:
    answer = delivered.d118("compare", target, "--with", str(theirs), "--json")

    assert answer.code == 0
    assert {file["is_identical"] for file in answer.json()} == {True}
    assert {file["same"] for file in answer.json()} == {19}
    table = delivered.d118("compare", target, "--with", str(theirs))
    assert (table.code, table.out.count("identical")) == (0, len(answer.json()))


def test_a_changed_field_is_1_and_named_without_its_value(
    delivered: ProjectFolder, theirs: Path
) -> None:
    changed(theirs, STAFF_DATA, b"4003\tAna\t", b"4003\tAnna\t")

    answer = delivered.d118("compare", "hr_records", "--with", str(theirs))

    assert answer.code == 1
    assert "First Name 1" in answer.out
    assert "4003" in answer.out
    assert "Anna" not in answer.out


def test_values_are_shown_when_asked(delivered: ProjectFolder, theirs: Path) -> None:
    changed(theirs, STAFF_DATA, b"4003\tAna\t", b"4003\t=Anna\t")
    command = ["compare", "hr_records", "--with", str(theirs), "--show-values"]

    as_csv = delivered.d118(*command, "--csv")

    assert as_csv.code == 1
    [row] = csv.DictReader(io.StringIO(as_csv.out))
    assert row == {
        "file": STAFF_DATA,
        "record": "4003",
        "difference": "First Name",
        "ours": "Ana",
        "theirs": "'=Anna",
    }
    [staff, _] = delivered.d118(*command, "--json").json()
    assert staff["fields"][0]["theirs"] == "=Anna"


def test_records_of_one_side_are_listed(delivered: ProjectFolder, theirs: Path) -> None:
    path = theirs / STAFF_DATA
    lines = path.read_bytes().splitlines(keepends=True)
    extra = lines[1].replace(b"4000", b"9000")
    path.write_bytes(b"".join([lines[0], *lines[2:], extra]))

    [staff, jobs] = delivered.d118(
        "compare", "hr_records", "--with", str(theirs), "--json"
    ).json()

    assert (staff["only_ours"], staff["only_theirs"]) == (["4000"], ["9000"])
    assert staff["same"] == 18
    assert jobs["is_identical"] is True


def test_line_ends_and_byte_order_marks_are_notes(
    delivered: ProjectFolder, theirs: Path
) -> None:
    path = theirs / STAFF_DATA
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))

    answer = delivered.d118("compare", "hr_records", "--with", str(theirs), "--json")

    assert answer.code == 0
    staff = answer.json()[0]
    assert staff["is_identical"] is False
    assert staff["same"] == 19
    assert "theirs: begins with a byte order mark" in staff["notes"]
    assert "theirs: lines end with CRLF" in staff["notes"]


def test_another_order_of_lines_is_no_difference(
    delivered: ProjectFolder, theirs: Path
) -> None:
    path = theirs / "P1ProfileBasic.csv"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(reversed(lines)))

    answer = delivered.d118("compare", "smartfind", "--with", str(theirs), "--json")

    assert answer.code == 0
    assert answer.json()[0]["is_identical"] is False


@pytest.mark.parametrize("missing", ["W2SSO.csv", "the folder"])
def test_a_missing_file_is_2(
    delivered: ProjectFolder, theirs: Path, missing: str
) -> None:
    folder = theirs
    if missing == "the folder":
        folder = theirs / "nowhere"
    else:
        (theirs / missing).unlink()

    answer = delivered.d118("compare", "smartfind", "--with", str(folder))

    assert answer.code == 2
    assert ".csv is missing." in answer.err
    assert str(folder) in answer.err
    assert "Nothing was compared." in answer.err


def test_a_relative_folder_is_taken_from_where_the_command_runs(
    project: ProjectFolder,
) -> None:
    answer = project.d118("compare", "hr_records", "--with", "var/outbox/hr_records")

    assert answer.code == 0


def test_many_differences_are_cut_in_the_table(
    delivered: ProjectFolder, theirs: Path
) -> None:
    path = theirs / STAFF_DATA
    path.write_bytes(
        path.read_bytes()
        .replace(b"Ana", b"Bea")
        .replace(b"Wauconda", b"Zion")
        .replace(b"60084", b"60099")
    )

    answer = delivered.d118("compare", "hr_records", "--with", str(theirs))

    assert answer.code == 1
    assert "17 more: add --csv" in answer.out
