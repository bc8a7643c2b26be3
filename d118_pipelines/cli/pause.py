"""`d118 pause` and `d118 resume`: the emergency stop, of one or of all.

Called by the command line. What a pause keeps from running is in `state/pauses.py`.
"""

from __future__ import annotations

from typing import Annotated

import typer

from d118_pipelines.cli.context import AsJson
from d118_pipelines.cli.output import say, show_json
from d118_pipelines.config.project import Project
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.state import pauses
from d118_pipelines.state.open import state_database
from d118_pipelines.state.pauses import ALL, FORMS, Pause
from d118_pipelines.workflows.monitoring.all_feeds import named_feed
from d118_pipelines.workflows.runs.run import account

Name = Annotated[
    str | None, typer.Argument(help="A target or a provider; or give --all.")
]
Everything = Annotated[bool, typer.Option("--all", help="All targets and providers.")]


def pause(
    until: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help=f"Local time, {FORMS} (without hours: its first minute).",
        ),
    ],
    reason: Annotated[str, typer.Option(help="Why; without naming a person.")],
    target: Name = None,
    is_all: Everything = False,
    as_json: AsJson = False,
) -> None:
    """Stop a target or provider: schedules skip, runs refuse, until a time or resume.

    A run at work stops before it sends or applies; d118 runs cancel stops it at once.
    """
    project = Project.here()
    name = _named(project, target, is_all=is_all)
    zone = project.district().zone
    wanted = Pause(name, pauses.time_of(until, zone), reason, account(), utc_now())
    with state_database(project).transaction() as connection:
        pauses.pause(connection, wanted)
    if as_json:
        show_json(wanted)
        return
    say(f"{wanted.text(zone)}\nEnd it: d118 resume {'--all' if is_all else name}")


def resume(
    target: Name = None, is_all: Everything = False, as_json: AsJson = False
) -> None:
    """End a pause; --all ends the pause of everything, not those of single names."""
    project = Project.here()
    name = _named(project, target, is_all=is_all)
    with state_database(project).transaction() as connection:
        was_paused = pauses.resume(connection, name, account=account(), now=utc_now())
        left = None if is_all else pauses.pause_of(connection, name, now=utc_now())
    if as_json:
        show_json({"name": name, "was_paused": was_paused})
        return
    whom = "Everything" if is_all else name
    if not was_paused:
        say(f"There was no pause of {'everything' if is_all else name}.")
    elif left is None:
        say(f"{whom} is no longer paused. The schedules go on at their next time.")
    if left is not None:
        say(f"{left.text(project.district().zone)}\nEnd it: {left.way_out}")


def _named(project: Project, target: str | None, *, is_all: bool) -> str:
    """The name under which a pause is kept. Raises: ConfigurationError."""
    if (target is None) is not is_all:
        raise ConfigurationError(
            "Name one target or provider, or give --all.",
            not_done="Nothing was changed.",
            next_step="d118 status",
        )
    return named_feed(project, target).name if target else ALL
