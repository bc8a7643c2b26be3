"""Folders of CSV files for the tests, and what a pull of them holds."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from d118_pipelines.sources.csv_files.rules import read_rules
from d118_pipelines.sources.csv_files.source import CsvSource
from d118_pipelines.sources.pull import Pull, run_pull
from d118_pipelines_tests.support.project import REPOSITORY

RULES = read_rules(REPOSITORY / "mappings/csv.yaml")
USERS = "id,first_name,last_name,role,email,birth_date,status,phone,username"
NOW = dt.datetime(2026, 9, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Pulled:
    """A pull with its tables and findings as plain values."""

    pull: Pull
    findings: list[dict[str, Any]]

    def rows(self, collection: str = "users") -> list[dict[str, Any]]:
        return pq.read_table(self.pull.rows_file(collection)).to_pylist()

    def told(self, file: str) -> dict[str, Any]:
        return json.loads(self.pull.details[f"file:{file}"])

    def found(self) -> list[tuple[Any, ...]]:
        """Code, severity, line and column of every finding."""
        return [
            (f["code"], f["severity"], f["line"], f["column"]) for f in self.findings
        ]


def pulled(folder: Path, sheets: Mapping[str, str | bytes], **options: Any) -> Pulled:
    """Write the files into the folder and pull them."""
    inbox = folder / "inbox"
    write(inbox, sheets)
    pull = run_pull(
        CsvSource(inbox, options.pop("rules", RULES), **options),
        folder / "raw",
        provider="sheets",
        run_id="0123456789",
        now=NOW,
    )
    findings = []
    if pull.findings_file.exists():
        findings = pq.read_table(pull.findings_file).to_pylist()
    return Pulled(pull, findings)


def write(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write text as UTF-8, bytes as they are."""
    folder.mkdir(exist_ok=True, parents=True)
    for name, content in files.items():
        data = content if isinstance(content, bytes) else content.encode("utf-8")
        (folder / name).write_bytes(data)


def users(*rows: str, header: str = USERS) -> str:
    """A users file."""
    return "\n".join([header, *rows]) + "\n"


def user(key: str = "1", **cells: str) -> str:
    """One row of a users file; the cells that are not named are good ones."""
    good = {
        "id": key,
        "first_name": "Ada",
        "last_name": "Alder",
        "role": "student",
        "email": "ada@school.example",
        "birth_date": "2010-01-31",
        "status": "active",
        "phone": "",
        "username": "",
    }
    return ",".join({**good, **cells}.values())
