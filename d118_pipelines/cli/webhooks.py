"""`d118 webhooks`: what was told to whom, again, now, and whether a receiver hears.

Called by the command line; the sending is in `workflows/monitoring/webhooks.py`.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from d118_pipelines.cli.context import AsJson
from d118_pipelines.cli.output import say, show_json, show_lines, show_list
from d118_pipelines.config.project import Project
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.clock import day_time, utc_now
from d118_pipelines.state import outbox
from d118_pipelines.state.open import state_database
from d118_pipelines.workflows.monitoring.webhooks import (
    receivers_of,
    send_due,
    shown_receiver,
    test_receiver,
)

SHORT = 8
STATES = ("waiting", "delivered", "dead")
webhooks_app = typer.Typer(help="Who is told of runs.", no_args_is_help=True)


@webhooks_app.callback()
def _webhooks() -> None:
    """Who is told of runs."""


@webhooks_app.command("list")
def webhooks_list(
    run: Annotated[str | None, typer.Option(help="Only of this run.")] = None,
    state: Annotated[
        str | None, typer.Option(help="Only waiting, delivered or dead ones.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most this many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List what was entered for whom, newest first, and what the receiver answered."""
    project, c = Project.here(), outbox.c
    if state and state not in STATES:
        raise typer.BadParameter(f"One of: {', '.join(STATES)}.", param_hint="state")
    where = [c.run_id.startswith(run, autoescape=True)] if run else []
    where += [c.state == state] if state else []
    with state_database(project).reading() as connection:
        found = outbox.entries(connection, *where, limit=limit)
    names = ("id", "name", "run_id", "event", "state", "attempts", "answer")
    rows: list[dict[str, Any]] = [
        {
            **{name: row[name] for name in names},
            "receiver": shown_receiver(row["url"]),
            "created_at": project.local(row["created_at"]),
            "delivered_at": project.local(row["delivered_at"]),
        }
        for row in found
    ]
    if as_json:
        show_json(rows)
        return
    now = utc_now()
    lines = [
        {
            "id": row["id"][:SHORT],
            "when": day_time(row["created_at"], now),
            "event": f"{row['name']} {row['event']}\n{row['run_id'][:SHORT]}",
            "to": row["receiver"],
            "state": f"{row['state']}\n{row['answer'] or ''}".strip(),
        }
        for row in rows
    ]
    show_lines("Webhooks", lines, empty="Nothing was entered yet.")


@webhooks_app.command("replay")
def webhooks_replay(
    entry: Annotated[
        str | None, typer.Argument(help="The entry: its id or the beginning of it.")
    ] = None,
    dead: Annotated[
        bool, typer.Option("--dead", help="All that were given up.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Send an entry again, with its id and all attempts; the sensor does it soon."""
    if dead is (entry is not None):
        raise typer.BadParameter("Give one entry, or --dead.", param_hint="entry")
    c = outbox.c
    which = c.state == "dead" if dead else c.id.startswith(entry, autoescape=True)
    with state_database(Project.here()).transaction() as connection:
        number = len(outbox.entries(connection, which, limit=2))
        if entry and number != 1:
            raise ConfigurationError(
                f"{'Several entries begin' if number else 'No entry begins'} "
                f"with {entry[:64]}.",
                not_done="Nothing is sent again.",
                next_step="d118 webhooks list",
            )
        again = outbox.replay(connection, which, now=utc_now())
    if as_json:
        show_json({"replayed": again})
    else:
        say(f"{again} will be sent again. Without a daemon: d118 webhooks send")


@webhooks_app.command("send")
def webhooks_send(as_json: AsJson = False) -> None:
    """Send what is due now, as the sensor does while the daemon runs."""
    counts = send_due(Project.here())
    if as_json:
        show_json(dict(counts))
    else:
        say(f"{counts['delivered']} delivered, {counts['failed']} failed.")
    if counts["failed"]:
        raise typer.Exit(1)


@webhooks_app.command("test")
def webhooks_test(
    name: Annotated[
        str | None, typer.Argument(help="Those of a target or provider, else all.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Send a signed test event to every receiver that is configured, and say what it
    answered.
    """
    project = Project.here()
    results = [test_receiver(project, one) for one in receivers_of(project, name)]
    rows = [{"receiver": receiver, "answer": answer} for receiver, answer in results]
    empty = "No webhook is configured."
    show_list("Webhooks", rows, as_json=as_json, empty=empty)
    if not all(answer.startswith("2") for _, answer in results):
        raise typer.Exit(1)
