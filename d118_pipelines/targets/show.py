"""Reading a stored plan of an export back for people: keys, actions, changed columns.

Called by `workflows/targets/target_feed.py`, `workflows/targets/scim.py` and the
export's page; the same of a roster is in `roster/planning/show.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from d118_pipelines.kernel.frames import open_frames
from d118_pipelines.kernel.sql_text import statement
from d118_pipelines.state.plans import StoredPlan
from d118_pipelines.targets.build import PLAN_FILE
from d118_pipelines.targets.model import TargetFile
from d118_pipelines.targets.tables import read_rows

KINDS = ("added", "changed", "removed")


@dataclass(frozen=True, slots=True)
class Change:
    """One record that a plan adds, changes or removes."""

    file: str
    action: str
    key: str
    identity: str
    fields: tuple[str, ...]


def changes_of(folder: Path, *, limit: int | None = None) -> list[Change]:
    """The changes of the export in `folder`: removals first, then changes, then adds."""
    order = {"remove": 0, "change": 1, "add": 2}
    rows = read_rows(folder / PLAN_FILE)
    rows.sort(
        key=lambda r: (order[r["action"]], r["file"], _number(r["key"]), r["key"])
    )
    return [
        Change(r["file"], r["action"], r["key"], r["identity"], tuple(r["fields"]))
        for r in rows[:limit]
    ]


def school_rows(
    folder: Path, before: Path | None, files: Sequence[TargetFile]
) -> list[dict[str, Any]]:
    """Per school and file: how many records are added, changed and removed.

    before: the folder of the last delivery, which has the schools of who is removed.
    Files that do not say a record's school are left out.
    """
    parts = [
        statement("targets/plan.of_school", file=file.name, kept=str(kept), what=what)
        for file in files
        for where, what in ((folder, "<> 'remove'"), (before, "= 'remove'"))
        if file.school
        and where is not None
        and (kept := where / f"{file.name}.parquet").is_file()
    ]
    if not parts:
        return []
    counted = statement("targets/plan.schools", parts=" UNION ALL ".join(parts))
    names = {file.name: file.file for file in files}
    with closing(open_frames()) as duck:
        found = duck.execute(counted, {"plan": str(folder / PLAN_FILE)}).fetchall()
    return [
        {
            "school": school,
            "file": names[file],
            **dict(zip(KINDS, numbers, strict=True)),
        }
        for school, file, *numbers in found
    ]


def file_rows(plan: StoredPlan) -> list[dict[str, Any]]:
    """Per file: rows, changes by kind, changed columns and commands with their counts."""
    entries = [m for file in plan.files for m in file.get("members", [file])]
    names = {entry["table"]: entry["name"] for entry in entries}
    kinds = ("rows", *KINDS, "unchanged")
    return [
        {
            "file": names.get(table, f"{table} (not sent)"),
            **{kind: counts[kind] for kind in kinds},
            "changed columns": _listed(counts["changed_fields"]),
            "commands": _listed(counts["commands"]),
        }
        for table, counts in plan.counts.get("files", {}).items()
    ]


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in counts.items())


def _number(key: str) -> int:
    """Numeric keys sort as numbers."""
    head = key.split("/")[0]
    return int(head) if head.isdigit() else 0
