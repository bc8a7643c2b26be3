"""Dagster's daemons on this machine, told from its process list.

Called by `service/services.py` before it starts one, by `instance.py` and `d118 doctor`. A heartbeat in the database would also be
fresh for a while after a daemon has ended.
"""

from __future__ import annotations

import os
from pathlib import Path

_PROC = Path("/proc")
_DAEMONS = ("dagster._daemon", "dagster-daemon")


def daemons(dagster_home: Path) -> list[int]:
    """Process ids of the daemons that work on the instance in `dagster_home`."""
    found = (int(path.name) for path in _PROC.glob("[0-9]*"))
    return sorted(pid for pid in found if _is_daemon_of(pid, dagster_home.resolve()))


def daemons_here(root: Path) -> list[int]:
    """Those of the instance of this environment: DAGSTER_HOME's, else the project's."""
    return daemons(Path(os.environ.get("DAGSTER_HOME") or root))


def _is_daemon_of(pid: int, home: Path) -> bool:
    """False for processes that ended meanwhile or belong to somebody else."""
    place = _PROC / str(pid)
    try:
        command = (
            (place / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
        )
        if not _is_daemon(command):
            return False
        pairs = (place / "environ").read_bytes().decode("utf-8", "replace").split("\0")
        named = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        folder = named.get("DAGSTER_HOME") or (place / "cwd").readlink()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False
    return Path(folder).resolve() == home


def _is_daemon(command: list[str]) -> bool:
    """`python -m dagster._daemon run ...` or `.../dagster-daemon run ...`."""
    names = {Path(part).name for part in command}
    return "run" in command and bool(names & set(_DAEMONS))
