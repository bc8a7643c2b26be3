"""Reading a stored plan back for people: keys, actions, names of changed columns."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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


def _number(key: str) -> int:
    """Numeric keys sort as numbers."""
    head = key.split("/")[0]
    return int(head) if head.isdigit() else 0
