"""The console script `d118`: loads the commands, so that Ctrl-C is heard from the start.

The commands are in `app.py`.
"""

from __future__ import annotations

import gc
import sys

YOUNG = 50_000
"""New objects before Python looks for those that only refer to each other."""


def main() -> None:
    """Run one command and leave with its exit code."""
    # Most are modules and classes, which stay: 700 at a time takes a tenth of a run.
    gc.set_threshold(YOUNG, 10, 10)
    try:
        from d118_pipelines.cli.app import main as run_command  # the slow part

        run_command()
    except KeyboardInterrupt:
        print("\nInterrupted; nothing was sent.", file=sys.stderr)
        sys.exit(130)
