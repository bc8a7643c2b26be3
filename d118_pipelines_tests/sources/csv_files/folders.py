"""Folders of CSV files for the tests, and what a pull of them holds."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from d118_pipelines.kernel.frames import open_frames
from d118_pipelines.roster.model.mapping import read_mapping
from d118_pipelines.roster.staging.raw_relations import RawCollection
from d118_pipelines.roster.staging.staged import Staged
from d118_pipelines.roster.staging.staging import PLAIN_CSV_CAP, StagingOptions, stage
from d118_pipelines.sources.csv_files.rules import read_rules
from d118_pipelines.sources.csv_files.source import CsvSource
from d118_pipelines.sources.pull import Pull, run_pull
from d118_pipelines_tests.support.project import REPOSITORY

MAPPING = REPOSITORY / "mappings/csv.yaml"
RULES = read_rules(MAPPING)
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
            (f["code"], f["severity"], f["source_line"], f["field"])
            for f in self.findings
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


@dataclass(frozen=True, slots=True)
class StagedFiles:
    """The staged roster of some files with its rows and findings as plain values."""

    made: Staged
    findings: list[dict[str, Any]]

    def rows(self, entity: str = "users") -> list[dict[str, Any]]:
        path = self.made.folder / f"{entity}.parquet"
        rows = pq.read_table(path).to_pylist()
        return sorted(rows, key=lambda row: str(row["external_id"]))

    def found(self, *, without: str = "row.defaulted") -> list[tuple[Any, ...]]:
        """Code, severity, line and field of every finding but those of one code."""
        return [
            (f["code"], f["severity"], f["source_line"], f["field"])
            for f in self.findings
            if f["code"] != without
        ]

    def rejected(self) -> list[tuple[Any, ...]]:
        """Key, entity, code and line of every rejected row."""
        columns = ["external_id", "entity", "code", "source_line"]
        rows = pq.read_table(self.made.rejected_file, columns=columns).to_pylist()
        return sorted((tuple(row.values()) for row in rows), key=str)


def staged(
    folder: Path,
    sheets: Mapping[str, str | bytes],
    *,
    mapping: Path = MAPPING,
    **options: Any,
) -> StagedFiles:
    """Write the files into the folder, pull and stage them."""
    pull = pulled(folder, sheets, district=("d1", "District 1"), **options).pull
    raw = {
        name: RawCollection(
            name, pull.rows_file(name), name, one.absence, one.is_delta, one.rows
        )
        for name, one in pull.collections.items()
    }
    made = stage(
        open_frames(),
        raw=raw,
        mapping=read_mapping(mapping, project_root=REPOSITORY),
        options=StagingOptions(
            district_id="d1", provider_id="sheets", reject_cap=PLAIN_CSV_CAP
        ),
        parent=folder / "staged",
        run_id="0123456789",
        now=NOW,
        pull_findings=pull.findings_file,
    )
    findings = pq.read_table(made.findings_file).to_pylist()
    return StagedFiles(made, findings)


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
