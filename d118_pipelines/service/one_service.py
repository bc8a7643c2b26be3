"""`d118 service PART`: one of Dagster's services alone, as systemd and containers run them.

Called by `cli/service.py`; all of them together are in `services.py`. They meet at the
code server's socket file, so that no port is open but the guarded web server's, on
loopback. Page: docs/run_as_a_service.md.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path
from typing import NoReturn

from d118_pipelines.errors import ConfigurationError, FatalError
from d118_pipelines.service.services import (
    START_SECONDS,
    WebServer,
    code_server,
    daemon,
    prepared_project,
    refuse_busy_port,
    refuse_second_daemon,
    ui_port,
    web_server,
    written_workspace,
)

PARTS = ("code", "daemon", "web", "view")
SOCKET = "code.sock"


def become(part: str, folder: Path | None) -> NoReturn:
    """Turn this process into the service; the code server must be up for the others.

    folder: where its socket file is, by default `run` in `D118_HOME`. `view` is a web
    server that starts and changes nothing, on the port above that of `web`.
    Raises: ConfigurationError for another part; FatalError if a port is taken, another
    daemon works on this project, or no code server answers.
    """
    if part not in PARTS:
        raise ConfigurationError(
            f"There is no service {part}.", rule=f"They are: {', '.join(PARTS)}."
        )
    place = Path(folder).resolve() if folder else None
    project = prepared_project()
    place = place or project.folder("run")
    words = _words(part, place)
    if part == "daemon":
        refuse_second_daemon(project)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", *words])


def _words(part: str, folder: Path) -> list[str]:
    """What Python's -m is given."""
    code = folder / SOCKET
    if part == "code":
        code.unlink(missing_ok=True)  # of one that was killed
        return code_server(code)
    web = WebServer(port=ui_port() + (part == "view"))
    if part != "daemon":
        refuse_busy_port(web)
    _wait_for(code)
    workspace = written_workspace(folder / f"{part}.yaml", code)
    if part == "daemon":
        return daemon(workspace)
    return web_server(workspace, web) + ["--read-only"] * (part == "view")


def _wait_for(code: Path) -> None:
    """Wait until the code server listens. Raises: FatalError."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(code)) == 0:
                return
        time.sleep(0.2)
    raise FatalError(
        "No code server answers.",
        where=str(code),
        not_done="The service was not started.",
        next_step="Start it first: d118 service code",
    )
