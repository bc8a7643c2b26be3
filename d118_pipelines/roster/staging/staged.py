"""A staged roster on disk: one folder per run, named only when it is complete.

Layout: `D118_HOME/staged/<provider>/<time>-<run>/` with `<entity>.parquet`,
`rejected.parquet`, `findings.parquet`, `shape.parquet` and `manifest.json`.
`staging.py` writes it; `planning/plan.py`, `workflows/` and `cli/findings.py` read it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from d118_pipelines.kernel.absence import Absence
from d118_pipelines.kernel.run_folders import find_made, read_manifest

REJECTED_FILE = "rejected.parquet"
FINDINGS_FILE = "findings.parquet"
# Beside the folders: the findings of a newer pull or staging that was refused.
REFUSED_FILE = "refused.parquet"
# All columns that views read, and no rows: views can be made before the first plan, and
# where an entity is not staged or retention has removed the raw rows.
SHAPE_FILE = "shape.parquet"


@dataclass(frozen=True, slots=True)
class EntityCounts:
    """What became of one entity's rows: fetched = staged + rejected + duplicates.

    unreadable_keys: rejected rows whose key is not known. absence: what it proves that a
    record is not among them; `is_delta`: the rows are changes only.
    """

    fetched: int
    staged: int
    rejected: int
    duplicates: int
    unreadable_keys: int
    absence: Absence
    is_delta: bool


@dataclass(frozen=True, slots=True)
class Staged:
    """One staged roster. `raw` maps each collection to its path below `D118_HOME`.

    held_reason: why the plan must be held although rows are staged, else null.
    """

    folder: Path
    provider: str
    district: str
    run_id: str
    made_at: dt.datetime
    mapping_fingerprint: str
    is_demonstration: bool
    raw: Mapping[str, str]
    entities: Mapping[str, EntityCounts]
    held_reason: str | None = None
    findings: Mapping[str, int] = field(default_factory=dict)

    def rows_file(self, entity: str) -> Path:
        """The Parquet file of one entity; only those in `entities` exist."""
        return self.folder / f"{entity}.parquet"

    @property
    def rejected_file(self) -> Path:
        """All rejected rows."""
        return self.folder / REJECTED_FILE

    @property
    def findings_file(self) -> Path:
        """The findings of staging and of the pull before it."""
        return self.folder / FINDINGS_FILE


def find_staged(parent: Path, run_id: str | None = None) -> Staged | None:
    """The staged roster that the run made, else the newest one, else None.

    parent: the folder `staged/<provider>`.
    """
    return find_made(parent, read_staged, run_id)


def read_staged(folder: Path) -> Staged:
    """Read the manifest of one staged roster."""
    values = read_manifest(folder)
    values["entities"] = {
        name: EntityCounts(**counts) for name, counts in values["entities"].items()
    }
    return Staged(**values)
