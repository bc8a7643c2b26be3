"""One pull of a synthetic set, and what came of it.

Belongs here: running the source as a run does. Not here: the sets
(`support/bundles.py`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from d118_pipelines.errors import IncompleteExtractError
from d118_pipelines.sources.oneroster_csv.place import LocalPlace
from d118_pipelines.sources.oneroster_csv.source import OneRosterCsvSource
from d118_pipelines.sources.pull import Pull, run_pull
from d118_pipelines_tests.support.bundles import write_folder

NOW = dt.datetime(2026, 11, 2, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Pulled:
    """A stored pull, and easy looks at it."""

    pull: Pull

    def rows(self, collection: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = pq.read_table(
            self.pull.rows_file(collection)
        ).to_pylist()
        return rows

    def findings(self) -> list[dict[str, Any]]:
        path = self.pull.findings_file
        if not path.exists():
            return []
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        return rows

    def codes(self) -> list[str]:
        """Code and severity of each finding, sorted, each kind once."""
        return sorted({f"{f['code']} {f['severity']}" for f in self.findings()})

    def found(self, code: str) -> list[dict[str, Any]]:
        return [finding for finding in self.findings() if finding["code"] == code]


def pull_path(path: Path, base: Path, **options: Any) -> Pulled:
    zip_name = options.pop("zip_name", None)
    source = OneRosterCsvSource(LocalPlace(path, zip_name), **options)
    return pull_source(source, base)


def pull_source(source: OneRosterCsvSource, base: Path) -> Pulled:
    folder = base / "raw"
    return Pulled(
        run_pull(source, folder, provider="sis", run_id="0123456789", now=NOW)
    )


def pull_set(files: Mapping[str, bytes], base: Path, **options: Any) -> Pulled:
    return pull_path(write_folder(base / "set", files), base, **options)


def refusal(files: Mapping[str, bytes], base: Path, **options: Any) -> str:
    """The text of the error with which a set is refused; nothing was stored."""
    with pytest.raises(IncompleteExtractError) as caught:
        pull_set(files, base, **options)
    assert list((base / "raw").iterdir()) == []
    return str(caught.value)
