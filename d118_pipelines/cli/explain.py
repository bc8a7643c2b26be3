"""`d118 explain`: why is this person in or out of the files, or of the roster?

Called by the command line. Who is meant is in `workflows/people.py`, what a target or
provider has of the person in `explain_target.py` and `explain_provider.py`; the findings
of all people are in `findings.py`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from d118_pipelines.cli.context import AnyName, AsJson
from d118_pipelines.cli.explain_provider import explain_provider
from d118_pipelines.cli.explain_target import TargetFiles
from d118_pipelines.cli.output import say, show_json, show_table
from d118_pipelines.config.project import Project
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.roster.staging.staged import find_staged
from d118_pipelines.sources.pull import find_pull
from d118_pipelines.state.open import state_database
from d118_pipelines.workflows.admission import newest_plan
from d118_pipelines.workflows.all_feeds import named_feed
from d118_pipelines.workflows.audit_trail import record_export
from d118_pipelines.workflows.people import (
    PeopleTable,
    Sighting,
    find_people,
)
from d118_pipelines.workflows.provider_feed import ProviderFeed
from d118_pipelines.workflows.target_feed import TargetFeed

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
    """Follow one person through a target or provider: extract, rule, line, last sent."""
    project = Project.here()
    feed = named_feed(project, target)
    plan = newest_plan(feed)
    tables = _extract_tables(project)
    if isinstance(feed, ProviderFeed):
        person = _the_person(project, tables, feed.name, key, lambda p: set())
        answer = explain_provider(feed, plan, key, person)
    else:
        assert isinstance(feed, TargetFeed)
        way = TargetFiles(project, feed.target, plan)
        tables = [*way.extracts(), *tables, *way.kept]
        person = _the_person(project, tables, feed.name, key, way.keys)
        answer = way.explained(key, person, show_values=show_values)
    if as_json or show_values:
        how = "with values" if show_values else "json"
        record_export(project, feed.name, f"explain, {how}", _own_key(person))
    if as_json:
        show_json(answer)
    else:
        _show(answer)


def _extract_tables(project: Project) -> list[PeopleTable]:
    """The newest extract and staged users of every provider: they know most ids."""
    tables = []
    for provider in project.providers():
        pull = find_pull(project.home / "raw" / provider.id)
        files = (
            {name: pull.rows_file(name) for name in pull.collections} if pull else {}
        )
        tables += [
            PeopleTable(f"raw/{provider.id}/{name}", [path])
            for name, path in files.items()
            if path.is_file()
        ]
        staged = find_staged(project.home / "staged" / provider.id)
        if staged is not None and "users" in staged.entities:
            label = f"staged/{provider.id}/users"
            tables.append(PeopleTable(label, [staged.rows_file("users")]))
    return tables


def _the_person(
    project: Project,
    tables: Sequence[PeopleTable],
    name: str,
    wanted: str,
    keys: Callable[[Sequence[Sighting]], set[str]],
) -> list[Sighting]:
    """The rows about the one person meant; none if nobody has the id.

    A person whose key here it is goes before one who only has it elsewhere.
    Raises: ConfigurationError if it is an id of several.
    """
    unique = {(t.label, *t.paths): t for t in tables}.values()
    with state_database(project).reading() as connection:
        people = find_people(unique, connection, project.district().id, wanted)
    chosen = [person for person in people if wanted in keys(person)] or people
    if len(chosen) > 1:
        raise ConfigurationError(
            f"{wanted} is an id of {len(chosen)} people:\n"
            + "\n".join(f"  {_known_as(person, wanted)}" for person in chosen),
            not_done="Nobody was chosen.",
            next_step=f"Use an id that only one of them has: d118 explain {name} ID",
        )
    return chosen[0] if chosen else []


def _own_key(person: Sequence[Sighting]) -> str:
    """A key of the person that says nothing else: what was typed can be an e-mail."""
    names = ("external_id", "users_dcid", "students_dcid", "dcid")
    found = [v for row in person for c, v in row.values.items() if c.lower() in names]
    return found[0] if found else "nobody" if not person else "one person"


def _known_as(person: Sequence[Sighting], wanted: str) -> str:
    """Where the person has the id, and a key that no other has."""
    places = [
        f"{row.label} {column}"
        for row in person
        for column, value in row.values.items()
        if value.casefold() == wanted.casefold() and not column.startswith("_")
    ]
    own = [v for row in person for c, v in row.values.items() if c == "external_id"]
    return f"{own[0] if own else 'somebody'}: {', '.join(dict.fromkeys(places))}"


def _show(answer: dict[str, Any]) -> None:
    say(answer["outcome"]["text"])
    number = answer.get("deliveries", 0)
    never = f"Never. Deliveries so far: {number:,}."
    sections = {
        "lines": ("Lines in the newest export", "In no file."),
        "roster": ("In the roster", "Not there."),
        "findings": ("Findings", ""),
        "conflicts": ("Conflicts", ""),
        "change": ("Change against the last delivery", ""),
        "plan": ("In the newest plan", ""),
        "sent": ("Sent and read back", never),
        "history": ("History in the roster", ""),
        "extracts": ("Extracts with the person", "None."),
    }
    for name, (title, empty) in sections.items():
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
