"""`python -m d118_pipelines.console.console_server`: the console and Dagster, one server.

Started by `services.py` for `d118 serve`. It takes the options of `dagster-webserver`,
which makes Dagster's application; the console is put around it.
"""

from __future__ import annotations

import sys
from typing import Any

from d118_pipelines.config.console import ConsoleSettings
from d118_pipelines.config.project import Project
from d118_pipelines.console.app import console_app
from d118_pipelines.console.world import World
from d118_pipelines.errors import D118Error
from d118_pipelines.service.guard import App, Guard
from d118_pipelines.service.web_server import allowed_hosts, guarded_command


def main() -> None:
    """Serve until told to stop; exit with the error's code if it cannot."""
    try:
        settings = ConsoleSettings.of()

        def around(dagster: App, hosts: list[str]) -> Guard:
            return console_app(World(Project.here(), settings, dagster), hosts)

        command: Any = guarded_command(allowed_hosts(), around)
    except D118Error as exc:
        print(exc, file=sys.stderr)
        sys.exit(exc.exit_code)
    command()


if __name__ == "__main__":
    main()
