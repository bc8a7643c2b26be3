"""One sync of a OneRoster CSV folder in this process; prints its steps as JSON.

    python -m bench.roster_sync PROJECT CSV_FOLDER

Belongs here: what `bench.roster_run` starts as a process of its own. No Dagster: its
start-up is measured by `bench.run`.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from d118_pipelines.config.project import Project
from d118_pipelines.config.providers import load_providers
from d118_pipelines.roster.store.runs import Actor
from d118_pipelines.workflows.providers.sync import (
    apply_provider,
    plan_provider,
    pull_provider,
    stage_provider,
)
from d118_pipelines.workflows.runs.run import Run


def main() -> None:
    """Pull, stage, plan and apply; print CPU seconds per step, rows, changes, peak memory."""
    root, folder = Path(sys.argv[1]), sys.argv[2]
    os.environ["BENCH_FOLDER"] = folder
    project = Project(root, root / "var")
    [provider] = load_providers(root)[0]
    run = Run(project, uuid.uuid4().hex, Actor("bench"))
    steps: dict[str, float] = {}
    start = time.perf_counter()

    def timed(name: str, step: Callable[[], Any]) -> Any:
        begin = time.process_time()
        result = step()
        steps[name] = round(time.process_time() - begin, 2)
        return result

    pull = timed("pull", lambda: pull_provider(run, provider, lambda *_: None))
    timed("stage", lambda: stage_provider(run, provider))
    plan = timed("plan", lambda: plan_provider(run, provider))
    if plan.plan.verdict != "ready":
        raise SystemExit([rule.message for rule in plan.plan.rules if not rule.passed])
    timed("apply", lambda: apply_provider(run, provider))
    answer = {
        "steps": steps,
        "cpu": round(sum(steps.values()), 2),
        "seconds": round(time.perf_counter() - start, 2),
        "rows": sum(c.rows for c in pull.collections.values()),
        "changes": plan.plan.changes,
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
