"""A process that holds a target's lease until it is told to stop, or killed.

    python -m d118_pipelines_tests.support.lease_holder HOME TARGET

Belongs here: the process and its start. Not here: what must hold meanwhile.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from d118_pipelines.state.database import Database
from d118_pipelines.state.leases import lease

if TYPE_CHECKING:  # half of the process's start
    from d118_pipelines_tests.support.project import ProjectFolder

REPOSITORY = Path(__file__).parents[2]
HOLDER = "run-of-another-process"


@contextmanager
def lease_held(
    project: ProjectFolder, target: str, **more: str
) -> Iterator[subprocess.Popen[str]]:
    """Another process holds the lease in the block, unless the block ends it.

    more: variables of its environment.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, str(project.home), target],
        cwd=REPOSITORY,
        env={**os.environ, **more},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.communicate()


def _hold(home: Path, target: str) -> None:
    with lease(Database(home / "d118.sqlite"), target, HOLDER):
        print("held", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    _hold(Path(sys.argv[1]), sys.argv[2])
