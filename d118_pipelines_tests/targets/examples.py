"""Plans made by hand, for the pure decisions of the guard."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from d118_pipelines.targets.definition import Target, read_target
from d118_pipelines.targets.plan import FileCounts, Plan

ROOT = Path(__file__).parents[2]


@cache
def target(name: str) -> Target:
    """One of the project's own targets."""
    return read_target(ROOT / f"mappings/targets/{name}.yaml", ROOT / "sql/exports")


def plan_of(name: str, *, baseline: str | None = "yesterday", **main: Any) -> Plan:
    """A plan whose main file has these counts; the other files have none."""
    empty: dict[str, Any] = {
        "rows": 0,
        "rows_before": None if baseline is None else 0,
        "added": 0,
        "changed": 0,
        "removed": 0,
        "unchanged": 0,
        "deactivated": 0,
        "changed_fields": {},
        "commands": {},
    }
    files = target(name).model.files
    counts = {file.name: FileCounts(**empty) for file in files}
    counts[files[0].name] = FileCounts(**{**empty, **main})
    return Plan("0" * 64, baseline, counts)
