"""A provider's run in a process of its own that kills itself at a chosen point, or waits.

Belongs here: the process and its start. Not here: what must hold afterwards.

    python -m d118_pipelines_tests.support.killed_roster JOB

The points: `pull <collection>`, `pulled`, `staged`, `planned`, the steps of the apply
(`users: written`, `closed`), `applied`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d118_pipelines.config.project import Project
from d118_pipelines.config.providers import load_providers
from d118_pipelines.errors import D118Error
from d118_pipelines.roster.store.runs import Actor
from d118_pipelines.workflows.providers.sync import (
    apply_provider,
    plan_provider,
    pull_provider,
    stage_provider,
)
from d118_pipelines.workflows.runs.run import Run

if TYPE_CHECKING:  # half of the process's start
    from d118_pipelines_tests.support.roster_sync import RosterProject

REPOSITORY = Path(__file__).parents[2]
LIMIT_SECONDS = 400


def start(
    project: RosterProject,
    provider: str,
    run_id: str,
    *,
    kill_at: str = "",
    only_apply: bool = False,
) -> subprocess.Popen[str]:
    """Begin a run; it says `ready` and waits for a line on standard input.

    only_apply: apply the plan that the run of this id has made.
    """
    job = {
        "root": str(project.root),
        "provider": provider,
        "run_id": run_id,
        "kill_at": kill_at,
        "only_apply": only_apply,
    }
    return subprocess.Popen(
        [sys.executable, "-m", __name__, json.dumps(job)],
        cwd=REPOSITORY,
        env=project.variables({"PYTHONPATH": str(REPOSITORY)}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def run_until_killed(project: RosterProject, provider: str, **job: Any) -> int:
    """Run in a child that kills itself; its return code."""
    with start(project, provider, **job) as process:
        said, _ = process.communicate("go\n", timeout=LIMIT_SECONDS)
    assert said == "ready\n", said
    return process.returncode


def _main(job: dict[str, Any]) -> None:
    """Print how the run ended: `done`, or the error's class and text."""
    root = Path(job["root"])
    os.chdir(root)
    project = Project(root, root / "var")
    provider = next(p for p in load_providers(root)[0] if p.id == job["provider"])
    run = Run(project, job["run_id"], Actor("tester"))

    def reached(point: str) -> None:
        if point == job["kill_at"]:
            os.kill(os.getpid(), signal.SIGKILL)

    print("ready", flush=True)
    sys.stdin.readline()
    try:
        with run.leases:
            if not job["only_apply"]:
                pull_provider(run, provider, lambda name, *_: reached(f"pull {name}"))
                reached("pulled")
                stage_provider(run, provider)
                reached("staged")
                plan_provider(run, provider)
                reached("planned")
            apply_provider(run, provider, reached)
            reached("applied")
    except D118Error as exc:
        print(f"{type(exc).__name__} {exc.exit_code}\n{exc}")
    else:
        print("done")


if __name__ == "__main__":
    _main(json.loads(sys.argv[1]))
