"""`python -m d118_pipelines.service.web_server`: Dagster's web server behind the guard.

Takes the options of `dagster-webserver`. `services.py` starts it beside the daemon; the
units and images of a deployment start it too, so that no unguarded port exists.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from d118_pipelines.config.project import Project
from d118_pipelines.errors import D118Error, FatalError
from d118_pipelines.service.guard import PERSON, App, Guard
from d118_pipelines.state import audit
from d118_pipelines.state.database import Database
from d118_pipelines.state.open import state_database
from d118_pipelines.workflows.runs.run import LAUNCHED, account

HOSTS_VARIABLE = "D118_UI_HOSTS"
PROXY_VARIABLE = "D118_UI_PROXY"
_MAKE_APP = "create_app_from_workspace_process_context"
_SERVER = "uvicorn"


class _WithoutValues(logging.Filter):
    """What the server logs of a fault: where it was, not its text, which may quote a row."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep the record, with the places of its error alone."""
        if isinstance(record.exc_info, tuple) and record.exc_info[0] is not None:
            kind, _, frames = record.exc_info
            places = "".join(traceback.format_tb(frames)[-6:])
            record.exc_text = f"{kind.__name__}\n{places}"
            record.exc_info = None
        return True


def main() -> None:
    """Serve until told to stop; exit 1 if the guard cannot be put in front."""
    try:
        command = guarded_command(allowed_hosts())
    except D118Error as exc:
        sys.exit(str(exc))
    command()


def allowed_hosts() -> list[str]:
    """The names in `D118_UI_HOSTS`, separated by commas."""
    return _listed(HOSTS_VARIABLE)


def _listed(variable: str) -> list[str]:
    words = (word.strip() for word in os.environ.get(variable, "").split(","))
    return [word for word in words if word]


def _only_guarded(app: App, hosts: list[str]) -> Guard:
    return Guard(app, hosts=hosts, proxies=_listed(PROXY_VARIABLE))


def audit_launches(instance: Any, database: Database) -> None:
    """Enter into the audit log who launches a run, for every run that is made here.

    A run starts only after this row is there. It counts for who started the run, and
    not a tag, which whoever launches it may type. Rule: docs/reference/audit.md.
    """
    storage = instance.run_storage
    add_run = storage.add_run

    def add_audited(run: Any) -> Any:
        added = add_run(run)
        audit.record_alone(
            database,
            actor=PERSON.get() or f"ui/{account()}",
            action=LAUNCHED,
            subject=run.run_id,
            detail=run.job_name,
        )
        return added

    storage.add_run = add_audited


def guarded_command(
    hosts: list[str], around: Callable[[App, list[str]], Guard] = _only_guarded
) -> Any:
    """The main function of `dagster-webserver`, which can serve only a guarded app.

    around: makes the guarded application of Dagster's and the allowed hosts.
    Raises: FatalError if this version of Dagster has no place for the guard.
    """
    import uvicorn
    from dagster_webserver import cli

    # Dagster offers no hook for this; its minor version is pinned and a test sends
    # hostile requests.
    make_app = getattr(cli, _MAKE_APP, None)
    if make_app is None or getattr(cli, _SERVER, None) is not uvicorn:
        raise FatalError(
            "The guard cannot be put in front of this version of Dagster's web server.",
            not_done="The web server was not started.",
            next_step="Install the locked versions: make setup",
        )

    def make_guarded(*args: Any, **options: Any) -> Guard:
        audit_launches(args[0].instance, state_database(Project.here()))
        return around(make_app(*args, **options), hosts)

    def run_guarded(app: Any, **options: Any) -> None:
        if not isinstance(app, Guard):
            raise FatalError(
                "Dagster's web server would have started without the guard.",
                not_done="The web server was not started.",
            )
        logging.getLogger("uvicorn.error").addFilter(_WithoutValues())
        # Who is connected, and not whom X-Forwarded-For names: any browser may send that.
        uvicorn.run(app, proxy_headers=False, **options)

    setattr(cli, _MAKE_APP, make_guarded)
    setattr(cli, _SERVER, SimpleNamespace(run=run_guarded))
    return cli.main


if __name__ == "__main__":
    main()
