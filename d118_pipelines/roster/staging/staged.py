"""A staged roster on disk: one folder per run, named only when it is complete.

Layout: `D118_HOME/staged/<provider>/<time>-<run>/` with `<entity>.parquet`,
`rejected.parquet`, `findings.parquet`, `shape.parquet` and `manifest.json`.
`staging.py` writes it; `planning/plan.py`, `workflows/` and `cli/findings.py` read it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from d118_pipelines.kernel.absence import Absence
from d118_pipelines.kernel.run_folders import (
    find_made,
    new_run_folder,
    read_manifest,
    repeat_files,
    write_manifest,
)

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

    unreadable_keys: rejected rows whose key is not known. absence: what it proves that
    a record is not among them; `is_delta`: the rows are changes only.
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

    held_reason: why the plan must be held although rows are staged, else null. content:
    SHA-256 of all that it was made of. repeats: the run whose rows these are, if the
    content was the same; else empty.
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
    content: str = ""
    repeats: str = ""

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


def repeat_staged(
    old: Staged,
    *,
    raw: Mapping[str, str],
    parent: Path,
    run_id: str,
    now: dt.datetime,
) -> Staged:
    """The rows and findings of an older staged roster as what this run staged.

    raw: the extracts of this run, which have the same content. parent: as for `stage`.
    """
    with new_run_folder(parent, run_id=run_id, now=now) as folder:
        repeat_files(old.folder, folder.path)
        staged = replace(
            old,
            folder=folder.final,
            run_id=run_id,
            made_at=now,
            raw=raw,
            repeats=old.run_id,
        )
        write_manifest(folder.path, asdict(staged))
    (parent / REFUSED_FILE).unlink(missing_ok=True)
    return staged


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
