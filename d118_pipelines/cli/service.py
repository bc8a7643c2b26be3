"""`d118 service`: Dagster's services for people, all of them or one.

The work is in `service/services.py` and `service/one_service.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Part = Annotated[
    str | None,
    typer.Argument(
        help="code, daemon, web, or view (a web server that changes nothing). "
        "All of them but view by default."
    ),
]
Sockets = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Where the code server's socket is (default: run, in D118_HOME).",
    ),
]


def service(part: Part = None, sockets: Sockets = None) -> None:
    """Run schedules, sensors, alerts and the UI until stopped."""
    if part is None:
        from d118_pipelines.service.services import main

        main()
        return
    from d118_pipelines.service.one_service import become

    become(part, sockets)
