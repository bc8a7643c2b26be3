"""A process that applies a plan and stops itself with SIGKILL at a named step.

Arguments: path and URL of the database, folders of plan and staged roster, the step.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from d118_pipelines.roster.planning.plan import read_plan
from d118_pipelines.roster.store.apply import apply_plan
from d118_pipelines.roster.store.runs import Actor
from d118_pipelines.state.database import Database
from d118_pipelines_tests.support.small_frames import small_frames


def main(path: str, url: str, plan_folder: str, staged: str, stop_at: str) -> None:
    """Apply, and print every step that was reached."""

    def on_step(name: str) -> None:
        print(name, flush=True)
        if name == stop_at:
            os.kill(os.getpid(), signal.SIGKILL)

    plan = read_plan(Path(plan_folder))
    with small_frames() as duck, Database(Path(path), url).transaction() as connection:
        apply_plan(
            connection,
            duck,
            plan,
            Path(staged),
            run_id=plan.run_id,
            now=plan.made_at,
            actor=Actor("tester"),
            on_step=on_step,
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
