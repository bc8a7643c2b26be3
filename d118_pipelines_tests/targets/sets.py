"""A target of many entities made of its parts: a layout, tables, a zip, deltas.

Belongs here: its YAML and SQL, the rows it is made from, and building it without a
database. Not here: facts (`test_sets.py`, `test_layouts.py`).
"""

from __future__ import annotations

import datetime as dt
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from d118_pipelines.targets.build import Export, Inputs, build_export
from d118_pipelines.targets.definition import Target, read_target
from d118_pipelines.targets.ledger import Baseline, LedgerSnapshot

NOW = dt.datetime(2026, 9, 1, 12, tzinfo=dt.UTC)
PETS = ("raw", "powerschool", "pets")
LAYOUT = """\
options: {shape: small, mode: bulk, only: [], deliver_owners: true}
choices: {shape: [small, large], mode: [bulk, delta]}
tables:
  - {name: kept_pets, sql: pets/kept_pets.sql}
in_term: SELECT count(*) > 0 FROM kept_pets WHERE name <> 'summer'
codes:
  pets.left_out: {level: warning, todo: Give it an owner.}
findings: [pets/left_out.sql]
format: {newline: crlf}
files:
  - name: manifest
    file: manifest.csv
    control: true
    sql: pets/manifest.sql
    record_type: manifest
    key: name
    sort: [name]
    columns: [name, mode, rows]
  - name: owners
    file: owners.csv
    deliver: deliver_owners
    empty: fail
    sql: pets/owners.sql
    record_type: owner
    key: owner
    sort: [owner]
    columns: [owner, status, changed]
  - name: pets
    file: pets.csv
    empty: omit
    sql: pets/pets.sql
    record_type: pet
    key: id
    sort: [id]
    person: owner
    kind: kind
    school: school
    columns: [id, status, changed, name, {header: kind, source: kind, when: {shape: [large]}}]
  - name: extra
    file: extra.csv
    when: {shape: [large]}
    sql: pets/pets.sql
    record_type: extra
    key: id
    sort: [id]
    columns: [id, status, changed]
package: {archive: pets.zip}
delta: {status: status, modified: changed}
ledger: {keep: files}
guard: {max_drop_percent: null, files: {max_removed_percent: 10, min_before: 4}}
"""
TARGET = """\
title: Pets
extends: pet_files
destination: {address_env: PETS, username_env: PETS_USER, password_env: P, directory: .}
"""
SQL = {
    "kept_pets": "SELECT * FROM raw.powerschool.pets WHERE owner IS NOT NULL "
    "AND (len($only) = 0 OR list_contains($only, id))",
    "left_out": "SELECT 'pets.left_out' AS code, id AS key, NULL AS detail "
    "FROM raw.powerschool.pets WHERE owner IS NULL",
    "manifest": "SELECT name, mode, rows FROM set_files",
    "owners": "SELECT owner, NULL AS status, NULL AS changed FROM kept_pets "
    "GROUP BY owner",
    "pets": "SELECT *, NULL AS status, NULL AS changed FROM kept_pets",
}
Pet = Mapping[str, Any]


def pet(number: int, **values: Any) -> Pet:
    """One pet; `modified_at` is when its record changed."""
    first = {"id": f"p{number:03}", "name": f"Pet {number}", "owner": f"o{number:03}"}
    more = {"kind": "cat", "school": "5", "modified_at": dt.datetime(2026, 8, 1)}
    return {**first, **more, **values}


class Pets:
    """The target in a folder of its own; `made` counts its exports."""

    def __init__(self, root: Path, target: Mapping[str, Any] | None = None) -> None:
        self.root = root
        self.made = 0
        (root / "sql/exports/pets").mkdir(parents=True)
        for name, text in SQL.items():
            (root / f"sql/exports/pets/{name}.sql").write_text(text, "utf-8")
        for folder in ("targets", "layouts"):
            (root / "mappings" / folder).mkdir(parents=True)
        (root / "mappings/layouts/pet_files.yaml").write_text(LAYOUT, "utf-8")
        self.write(TARGET + (yaml.safe_dump(dict(target)) if target else ""))

    @property
    def yaml_file(self) -> Path:
        """The target's definition."""
        return self.root / "mappings/targets/pets.yaml"

    def write(self, text: str) -> None:
        """Replace the target's definition."""
        self.yaml_file.write_text(text, "utf-8")

    @property
    def target(self) -> Target:
        """The target as its files say now."""
        return read_target(self.yaml_file, self.root / "sql/exports")

    def export(
        self,
        pets: Sequence[Pet],
        *,
        after: Export | None = None,
        now: dt.datetime = NOW,
        delivered_at: dt.datetime = NOW - dt.timedelta(days=1),
    ) -> Export | None:
        """Build the set of these pets; `after` is the last verified delivery."""
        self.made += 1
        folder = self.root / f"made{self.made}"
        folder.mkdir()
        pq.write_table(
            pa.Table.from_pylist([dict(p) for p in pets]), folder / "in.parquet"
        )
        last = Baseline("d1", "", delivered_at) if after else None
        return build_export(
            self.target,
            inputs=Inputs({PETS: folder / "in.parquet"}),
            snapshot=LedgerSnapshot((), None, False, last),
            baseline_folder=after.folder if after else None,
            destination="outbox",
            folder=folder,
            data_at=now,
            now=now,
            zone=ZoneInfo("America/Chicago"),
        )


def members(export: Export) -> dict[str, str]:
    """The archive's members as text, by name and in their order."""
    [file] = export.to_send
    with zipfile.ZipFile(export.folder / file["name"]) as archive:
        return {n: archive.read(n).decode("utf-8") for n in archive.namelist()}


def rows(export: Export, name: str) -> list[str]:
    """The records of one member."""
    return members(export)[name].split("\r\n")[1:-1]
