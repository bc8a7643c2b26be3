"""Dagster's daemons and code servers on this machine, told from its process list.

Called by `service/services.py` before it starts one, by `instance.py` and `d118
doctor`. A heartbeat in the database would also be fresh for a while after a daemon has
ended.
"""

from __future__ import annotations

import os
from pathlib import Path

_PROC = Path("/proc")
_DAEMONS = ("dagster._daemon", "dagster-daemon")


def daemons(dagster_home: Path) -> list[int]:
    """Process ids of the daemons that work on the instance in `dagster_home`."""
    return [pid for pid, command in _commands(dagster_home) if _is_daemon(command)]


def daemons_here(root: Path) -> list[int]:
    """Those of the instance of this environment: DAGSTER_HOME's, else the project's."""
    return daemons(dagster_home(root))


def dagster_home(root: Path) -> Path:
    """The folder of this environment's instance; the project's where none is named."""
    return Path(os.environ.get("DAGSTER_HOME") or root)


def code_sockets(root: Path) -> list[Path]:
    """The sockets of the code servers of this environment's instance."""
    return sorted(
        {
            Path(command[command.index("--socket") + 1])
            for _, command in _commands(dagster_home(root))
            if {"code-server", "start", "--socket"} <= set(command)
        }
    )


def _commands(home: Path) -> list[tuple[int, list[str]]]:
    """Process id and command line of what works in this DAGSTER_HOME."""
    found = sorted(int(path.name) for path in _PROC.glob("[0-9]*"))
    home = home.resolve()
    return [(pid, command) for pid in found if (command := _command_in(pid, home))]


def _command_in(pid: int, home: Path) -> list[str]:
    """Nothing of processes that ended meanwhile, belong to others or are not Dagster's."""
    place = _PROC / str(pid)
    try:
        command = (
            (place / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
        )
        if not any("dagster" in part for part in command):
            return []
        pairs = (place / "environ").read_bytes().decode("utf-8", "replace").split("\0")
        named = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        folder = named.get("DAGSTER_HOME") or (place / "cwd").readlink()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return []
    return command if Path(folder).resolve() == home else []


def _is_daemon(command: list[str]) -> bool:
    """`python -m dagster._daemon run ...` or `.../dagster-daemon run ...`."""
    names = {Path(part).name for part in command}
    return "run" in command and bool(names & set(_DAEMONS))
