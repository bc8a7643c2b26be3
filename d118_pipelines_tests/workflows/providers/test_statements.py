"""A sync asks as many questions of its frames for a few rows as for many.

DuckDB plans a statement anew whatever the number of rows: a statement for each rule,
column or row is what a small roster would pay for.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from d118_pipelines.kernel.frames import open_frames
from d118_pipelines.workflows.providers import sync
from d118_pipelines_tests.support.roster_sync import RosterProject
from d118_pipelines_tests.support.small_sets import PROVIDER, put_set

AT_MOST = {"stage": 151, "plan": 92, "apply": 20}
SIZES = {"without students": 0, "small": 3, "large": 400}


class Counted:
    """A session that adds each of its statements to a count."""

    def __init__(self, counts: Counter[str], step: list[str]) -> None:
        self._duck = open_frames()
        self._counts, self._step = counts, step

    def __getattr__(self, name: str) -> Any:
        if name in ("execute", "sql", "table"):
            self._counts[self._step[-1]] += 1
        return getattr(self._duck, name)


@pytest.mark.long
def test_the_number_of_statements_does_not_depend_on_the_number_of_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: dict[str, Counter[str]] = {}
    for size, students in SIZES.items():
        project = RosterProject(tmp_path / size, PROVIDER)
        put_set(project.root, students)
        count, step = counts.setdefault(size, Counter()), ["stage"]
        monkeypatch.setattr(
            sync, "open_frames", lambda *_, c=count, s=step: Counted(c, s)
        )
        project.stage("files")
        step.append("plan")
        with project.step() as run:
            sync.plan_provider(run, project.provider("files"))
        step.append("apply")
        project.apply("files")

    assert counts["small"] == counts["large"]
    assert all(counts["without students"][n] <= counts["small"][n] for n in AT_MOST)
    assert all(counts["small"][name] <= most for name, most in AT_MOST.items()), counts
