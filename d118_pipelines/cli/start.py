"""The console script `d118`: loads the commands, so that Ctrl-C is heard from the start.

The commands are in `app.py`.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run one command and leave with its exit code."""
    try:
        from d118_pipelines.cli.app import main as run_command  # the slow part

        run_command()
    except KeyboardInterrupt:
        print("\nInterrupted; nothing was sent.", file=sys.stderr)
        sys.exit(130)
