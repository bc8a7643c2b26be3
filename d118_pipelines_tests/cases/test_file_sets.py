"""OneRoster CSV sets as districts and vendors really send them, on their whole way.

Each folder beside this file is one fault; a test is named after its number.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from d118_pipelines.roster.staging.staged import Staged
from d118_pipelines_tests.sources.oneroster_csv.pulls import pull_path
from d118_pipelines_tests.sources.oneroster_csv.test_staged import staged
from d118_pipelines_tests.support.roster_sync import (
    RosterProject,
    files,
    rejected_rows,
    staged_rows,
)

CASES = Path(__file__).parent


class Case:
    """The set of one case, free to be changed."""

    def __init__(self, folder: Path, number: str) -> None:
        [self.source] = CASES.glob(f"{number}-*")
        self.folder, self.set = folder, folder / "set"
        self.runs = 0
        self.put("day1")

    def put(self, day: str) -> None:
        """The set of a day in the place of the one before."""
        shutil.rmtree(self.set, ignore_errors=True)
        shutil.copytree(self.source / day, self.set)

    def change(self, file: str, changes: Mapping[str, str]) -> None:
        """Replace texts of one file of the set; each must be there."""
        path = self.set / f"{file}.csv"
        data = path.read_bytes().decode("utf-8", "surrogateescape")
        for old, new in changes.items():
            assert old in data
            data = data.replace(old, new)
        path.write_bytes(data.encode("utf-8", "surrogateescape"))

    def add(self, file: str, *lines: str) -> None:
        """Add rows to one file of the set."""
        path = self.set / f"{file}.csv"
        text = "".join(f"{line}\n" for line in lines)
        path.write_bytes(path.read_bytes() + text.encode())

    def stage(self) -> Staged:
        """Read and stage the set, without a project."""
        self.runs += 1
        base = self.folder / str(self.runs)
        return staged(pull_path(self.set, base), base)

    def project(self) -> RosterProject:
        """A project whose provider `sis` reads the set."""
        return RosterProject(self.folder / "project", files(self.set, "sis"))


def findings(found: Staged, code: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(found.findings_file).to_pylist()
    return [row for row in rows if row["code"] == code]


def keys(found: Staged, code: str) -> list[str | None]:
    return [row["external_id"] for row in findings(found, code)]


def statuses(found: Staged, entity: str) -> dict[str, str]:
    return {key: row["status"] for key, row in staged_rows(found, entity).items()}


USER = "{0},,,{1},5,student,{0},,Ana,Off,,{0},{0}@d118.example,,,,09,"


def test_case_03_a_word_for_false_disables_the_account(tmp_path: Path) -> None:
    case = Case(tmp_path, "03")
    case.add("users", *(USER.format(f"X-{w}", w) for w in ("n", "no", "False", "F")))

    found = case.stage()

    active = {k for k, v in statuses(found, "users").items() if v == "active"}
    assert active == {"T1", "T2", "S1", "S2"}
    assert len(staged_rows(found, "users")) == 13


def test_case_03_an_unknown_word_never_enables_an_account(tmp_path: Path) -> None:
    case = Case(tmp_path, "03")
    unknown = {f"X-{word}": word for word in ("maybe", "2", "falso", "NULL", "-")}
    case.add("users", *(USER.format(*pair) for pair in unknown.items()))

    found = case.stage()

    assert set(keys(found, "row.bad_bool")) == set(unknown)
    assert not set(unknown) & set(staged_rows(found, "users"))
    assert ("users", "X-maybe", "row.bad_bool") in rejected_rows(found)


def test_case_13_a_no_show_is_not_live(tmp_path: Path) -> None:
    found = Case(tmp_path, "13").stage()

    assert statuses(found, "enrollments")["E5"] == "inactive"
    assert "E5" in keys(found, "sem.date_order")


def test_case_13_a_lost_date_never_means_open_ended(tmp_path: Path) -> None:
    case = Case(tmp_path, "13")
    ends = ["00/00/0000", "2026-02-30", "n/a", "12/18/2026", "0"]
    lost = {f"L{number}": end for number, end in enumerate(ends)}
    rows = (f"{key},,,K1,5,T2,aide,,2026-08-17,{end}" for key, end in lost.items())
    case.add("enrollments", *rows)

    found = case.stage()

    assert set(keys(found, "row.bad_date")) == {"E6", *lost}
    assert set(staged_rows(found, "enrollments")) == {"E1", "E2", "E3", "E4", "E5"}


def test_case_42_a_school_year_is_read_or_blank_and_never_guessed(
    tmp_path: Path,
) -> None:
    case = Case(tmp_path, "42")
    years = {"1999-2000": 2000, "1999-00": 2000, "2026-27": 2027, "2026-2028": None}
    case.add(
        "academicSessions",
        *(f"{text},,,x,term,2026-08-01,2027-06-01,y,{text}" for text in years),
    )

    found = case.stage()

    assert set(keys(found, "row.bad_year")) == {"t", *years}
    read = {k: row["school_year"] for k, row in staged_rows(found, "terms").items()}
    assert read == {"y": 2027, "t": None, **years}


def names(found: Staged) -> dict[str, str]:
    return {k: row["first_name"] for k, row in staged_rows(found, "users").items()}


def test_case_02_one_byte_changes_no_other_name(tmp_path: Path) -> None:
    case = Case(tmp_path, "02")
    before = names(case.stage())
    case.put("day2")

    found = case.stage()

    assert before["S100"] == "José"
    assert {k: v for k, v in names(found).items() if k != "S200"} == before
    assert staged_rows(found, "users")["S200"]["last_name"] == "O’Dell"
    [one] = findings(found, "csv.encoding")
    assert (one["external_id"], one["source_line"]) == ("S200", 54)


def test_case_02_a_row_in_both_encodings_keeps_its_own_letters(tmp_path: Path) -> None:
    case = Case(tmp_path, "02")
    case.change("users", {",José,Pupil0,": ",José,O\udc92Dell,"})

    row = staged_rows(case.stage(), "users")["S100"]

    assert (row["first_name"], row["last_name"]) == ("José", "O’Dell")


def test_case_02_a_row_with_what_is_no_character_is_rejected_alone(
    tmp_path: Path,
) -> None:
    case = Case(tmp_path, "02")
    nothing = {"Pupil5": "\udc81", "Pupil6": "\udced\udca0\udc80", "Pupil7": "\0"}
    case.change(
        "users", {f",{key},": f"{text},{key}," for key, text in nothing.items()}
    )

    found = case.stage()

    rejected = [("users", key, "csv.nul") for key in ("S105", "S106", "S107")]
    assert rejected_rows(found) == rejected
    assert names(found)["S100"] == "José"
