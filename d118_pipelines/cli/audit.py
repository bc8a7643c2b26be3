"""`d118 audit`: who did what to what, when and why, newest first.

Called by the command line; the log is in `state/audit.py`.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import typer

from d118_pipelines.cli.context import AsCsv, AsJson
from d118_pipelines.cli.output import gathered, show_csv, show_json, show_lines
from d118_pipelines.config.project import Project
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.state.audit import entries
from d118_pipelines.state.open import state_database

SHOWN = 40


def audit(
    since: Annotated[
        str, typer.Option(metavar="TIME", help="Local time, as 2030-01-31.")
    ] = "",
    actor: Annotated[str, typer.Option(help="Only who begins so, as ui.")] = "",
    action: Annotated[str, typer.Option(help="Only what begins so, as run.")] = "",
    subject: Annotated[
        str, typer.Option("--object", help="Only a target, provider or file.")
    ] = "",
    limit: Annotated[
        int, typer.Option(min=0, help="At most this many; 0: all.")
    ] = SHOWN,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show the audit log: runs, approvals, changes, exports of data; nothing can alter it."""
    project = Project.here()
    with state_database(project).reading() as connection:
        found = entries(
            connection,
            since=_moment(project, since),
            actor=actor,
            action=action,
            subject=subject,
            limit=limit or None,
        )
    rows = [{**row, "at": project.local(row["at"])} for row in found]
    if as_json:
        show_json(rows)
    elif as_csv:
        show_csv(rows)
    else:
        narrow = [{k: v for k, v in row.items() if "hash" not in k} for row in rows]
        shown = gathered(narrow, "what of it", "at", "actor", "action")
        show_lines("Audit log", shown, empty="Nothing was recorded.")


def _moment(project: Project, text: str) -> dt.datetime | None:
    try:
        found = dt.datetime.fromisoformat(text) if text else None
    except ValueError:
        raise ConfigurationError(
            f"--since {text[:64]} is no time.",
            rule="A local time, as 2030-01-31 or '2030-01-31 06:00'.",
            not_done="Nothing was shown.",
        ) from None
    if found is None or found.tzinfo:
        return found
    return found.replace(tzinfo=project.district().zone)
