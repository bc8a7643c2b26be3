"""Why is this person in or out of the files, or of the roster?

Called by `cli/explain.py` and `console/`. Who is meant is in `people.py`, what a target
or provider has of the person in `explain_target.py` and `explain_provider.py`. Rule:
docs/reference/explain.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from d118_pipelines.config.project import Project
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.roster.staging.staged import find_staged
from d118_pipelines.sources.pull import find_pull
from d118_pipelines.state.open import state_database
from d118_pipelines.workflows.people.explain_provider import explain_provider
from d118_pipelines.workflows.people.explain_target import TargetFiles
from d118_pipelines.workflows.people.people import (
    PeopleTable,
    Sighting,
    find_people,
)
from d118_pipelines.workflows.providers.provider_feed import ProviderFeed
from d118_pipelines.workflows.runs.admission import newest_plan
from d118_pipelines.workflows.runs.feed import Feed
from d118_pipelines.workflows.targets.target_feed import TargetFeed

TITLES = {
    "lines": "Lines in the newest export",
    "roster": "In the roster",
    "findings": "Findings",
    "conflicts": "Conflicts",
    "change": "Change against the last delivery",
    "plan": "In the newest plan",
    "sent": "Sent and read back",
    "answers": "The vendor's answer",
    "history": "History in the roster",
}
"""Part of an explanation -> its title, in the order in which people read them."""


def explained(
    feed: Feed, key: str, *, show_values: bool = False
) -> tuple[dict[str, Any], list[Sighting]]:
    """All that a target or provider has of a person, as JSON has it, and their rows.

    key: any id of the person. show_values: also the lines themselves. Raises:
    ConfigurationError if there is no plan yet, or the key is one of several people.
    """
    project, plan = feed.project, newest_plan(feed)
    tables = _extract_tables(project)
    if isinstance(feed, ProviderFeed):
        person = _the_person(project, tables, feed.name, key, lambda p: set())
        return explain_provider(feed, plan, key, person), person
    assert isinstance(feed, TargetFeed)
    way = TargetFiles(project, feed.target, plan)
    tables = [*way.extracts(), *tables, *way.kept]
    person = _the_person(project, tables, feed.name, key, way.keys)
    return way.explained(key, person, show_values=show_values), person


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


def own_key(person: Sequence[Sighting]) -> str:
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
