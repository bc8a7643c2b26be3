"""`d118 explain`: why is this person in or out of the files, or of the roster?

Called by the command line. What is known is in `workflows/people/explain.py`; the
findings of all people are in `findings.py`.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

import typer

from d118_pipelines.cli.context import AnyName, AsJson
from d118_pipelines.cli.output import say, show_json, show_table
from d118_pipelines.config.project import Project
from d118_pipelines.workflows.monitoring.all_feeds import named_feed
from d118_pipelines.workflows.people.explain import TITLES, explained, own_key
from d118_pipelines.workflows.runs.audit_trail import record_export

SHOWN_LINES = 20
Key = Annotated[
    str,
    typer.Argument(
        help="Any id of the person: DCID, student or employee number, access id, "
        "external id, user name, e-mail."
    ),
]
ShowValues = Annotated[
    bool, typer.Option("--show-values", help="Print the lines themselves.")
]


def explain(
    target: AnyName,
    key: Key,
    show_values: ShowValues = False,
    as_json: AsJson = False,
) -> None:
    """Follow one person through a target or provider: extract, rule, line, last sent.

    Exit code 1: nothing that is kept has this id.
    """
    project = Project.here()
    feed = named_feed(project, target)
    answer, person = explained(feed, key, show_values=show_values)
    if as_json or show_values:
        how = "with values" if show_values else "json"
        record_export(project, target, f"explain, {how}", own_key(person))
    if as_json:
        show_json(answer)
    else:
        _show(answer)
    if not (person or answer.get("sent") or answer.get("history")):
        raise typer.Exit(1)  # nobody is known by this id


def _show(answer: dict[str, Any]) -> None:
    say(answer["outcome"]["text"])
    number = answer.get("deliveries", 0)
    never = f"Never. Deliveries so far: {number:,}."
    nothing = {"lines": "In no file.", "roster": "Not there.", "sent": never}
    nothing["extracts"] = "None."
    for name, title in {**TITLES, "extracts": "Extracts with the person"}.items():
        empty = nothing.get(name, "")
        rows = [_short(row) for row in answer.get(name, []) if _is_shown(row)]
        if rows or (name in answer and empty):
            show_table(title, rows[:SHOWN_LINES], empty=empty)
        if len(rows) > SHOWN_LINES:
            say(f"{len(rows) - SHOWN_LINES:,} more: add --json")


def _is_shown(row: dict[str, Any]) -> bool:
    return bool(row.get("has_the_person", True))


def _short(row: dict[str, Any]) -> dict[str, Any]:
    """The row as it fits beside the others: times to the minute, no needless column."""
    return {
        name: f"{value:%Y-%m-%d %H:%M}" if isinstance(value, dt.datetime) else value
        for name, value in row.items()
        if name not in ("has_the_person", "source")
    }
