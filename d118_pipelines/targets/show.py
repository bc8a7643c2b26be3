"""Reading a stored plan of an export back for people: keys, actions, changed columns.

Called by `workflows/target_feed.py`, `workflows/scim.py` and the export's page; the same
of a roster is in `roster/planning/show.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from d118_pipelines.state.plans import StoredPlan
from d118_pipelines.targets.build import PLAN_FILE
from d118_pipelines.targets.tables import read_rows


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


def file_rows(plan: StoredPlan) -> list[dict[str, Any]]:
    """Per file: rows, changes by kind, changed columns and commands with their counts."""
    entries = [m for file in plan.files for m in file.get("members", [file])]
    names = {entry["table"]: entry["name"] for entry in entries}
    kinds = ("rows", "added", "changed", "removed", "unchanged")
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
