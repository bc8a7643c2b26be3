"""The set of one case, changed as a test wants it, and what staging makes of it."""

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

    def stage(self, **options: Any) -> Staged:
        """Read and stage the set, without a project."""
        self.runs += 1
        base = self.folder / str(self.runs)
        return staged(pull_path(self.set, base), base, **options)

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


def names(found: Staged) -> dict[str, str]:
    return {k: row["first_name"] for k, row in staged_rows(found, "users").items()}
