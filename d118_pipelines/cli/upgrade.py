"""`d118 upgrade`: a newer schema for the state database, or the move to PostgreSQL.

The work is in `state/schema.py` and `state/copy.py`.
"""

from __future__ import annotations

import os
from typing import Annotated

import typer

from d118_pipelines.cli.context import AsJson
from d118_pipelines.cli.output import say, show_json, show_table
from d118_pipelines.config.project import Project
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.workflows.runs.run import account

To = Annotated[
    str | None, typer.Option(help="Copy the state to this PostgreSQL database (URL).")
]


def upgrade(
    to: To = None,
    no_backup: Annotated[
        bool, typer.Option("--no-backup", help="There is one already.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the state database's schema up to date, or copy it to PostgreSQL.

    A verified backup is made first, in D118_HOME/backups/, where anything would change.
    """
    project = Project.here()
    if to is not None:
        _copy(project, to, as_json=as_json)
        return
    from d118_pipelines.workflows.upkeep import upgrade as work

    plan = work.planned_upgrade(project)
    before, now = plan.before, plan.after
    if plan.is_needed and not as_json:
        say(f"This changes the schema of the state database from {before} to {now}.")
    saved = work.upgrade(project, actor=account(), now=utc_now(), has_backup=no_backup)
    if as_json:
        backup = str(saved) if saved else None
        show_json({"before": before, "now": now, "backup": backup})
    elif before == now:
        say(f"Nothing to do: the schema is {now}.")
    else:
        say(f"The schema is {now} now; it was {before or 'not there'}.")
        if saved:
            say(f"The state before it: {saved}")
    for name in plan.changed_originals if not as_json else ():
        say(f"The shipped original of your {name} has changed: d118 diff {name}")


def _copy(project: Project, url: str, *, as_json: bool) -> None:
    from d118_pipelines.roster.model.tables import roster_revision
    from d118_pipelines.state import audit
    from d118_pipelines.state.copy import copy_state
    from d118_pipelines.state.database import Database
    from d118_pipelines.state.engines import normalised

    file = project.home / "d118.sqlite"
    normalised(url, "--to")
    if os.environ.get("DATABASE_URL") or not file.is_file():
        raise ConfigurationError(
            "There is no state in a file to copy.",
            where=str(file),
            rule="Without DATABASE_URL the state is in this file; with it, in PostgreSQL.",
            not_done="Nothing was copied.",
            next_step="See which databases are in use: d118 doctor",
        )
    source, target = Database(file, ""), Database(file, url)
    counts = copy_state(source, target, roster_revision.metadata.sorted_tables)
    audit.record_alone(
        target,
        actor=account(),
        action="moved to PostgreSQL",
        subject="state database",
    )
    if as_json:
        show_json(counts)
        return
    rows = [{"table": name, "rows": number} for name, number in counts.items()]
    show_table("Copied", rows)
    say(
        "The counts of both databases agree. Now set DATABASE_URL in .env to that URL, "
        f"then run: d118 doctor\n{file} is not used any more; keep it as a backup."
    )
