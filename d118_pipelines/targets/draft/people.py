"""Values of people: which columns hold them, so that none gets into a YAML or SQL file.

Called by `file_draft.py`, `explain.py` and `conditions.py`. Page:
docs/reference/drafting.md, people.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from d118_pipelines.kernel.sql_text import identifier
from d118_pipelines.targets.draft.relations import Relation

if TYPE_CHECKING:
    import duckdb

_PERSONAL = re.compile(
    r"name|mail|street|address|addr$|phone|birth|dob|login|ssn|guardian|mother|father|contact"
    r"|principal|counselor|password|zip|medical|allerg"
)
# Names of things, which are no names of people.
_THINGS = re.compile(
    r"(school|course|term|role|org|class|section|district|file)s?_?name"
)


def is_personal(column: str) -> bool:
    """Whether a column, by its name, holds what belongs to one person."""
    name = column.lower()
    return bool(_PERSONAL.search(_THINGS.sub("", name)))


_FIRST, _LAST = re.compile(r"(first|given)_?name"), re.compile(r"(last|family)_?name")
_TITLES = {"mr", "mrs", "ms", "miss", "mx", "dr"}
_LEAST_LETTERS = 3


def note_names(duck: duckdb.DuckDBPyConnection, relations: Sequence[Relation]) -> None:
    """Make the table of the session that `are_names` asks: everybody's names."""
    duck.execute("CREATE OR REPLACE TABLE known_names (text VARCHAR, is_full BOOLEAN)")
    for relation in relations:
        first = next(filter(_FIRST.fullmatch, relation.columns), None)
        last = next(filter(_LAST.fullmatch, relation.columns), None)
        if not first or not last:
            continue
        plain = "trim(regexp_replace(lower(CAST({} AS VARCHAR)), '[^\\p{{L}}\\p{{N}}]+', ' ', 'g'))"
        duck.execute(
            "INSERT INTO known_names SELECT DISTINCT unnest([a || ' ' || b, "
            "b || ' ' || a, a, b]), unnest([true, true, false, false]) FROM (SELECT "
            f"{plain.format(identifier(first))} AS a, {plain.format(identifier(last))} "
            f"AS b FROM {relation.name}) WHERE length(a) > 0 AND length(b) > 0"
        )


def are_names(duck: duckdb.DuckDBPyConnection, values: Iterable[str | None]) -> bool:
    """Whether a few values are names of people, whatever their column is called.

    One full name is enough; of single words two, and two thirds of all: a code may be
    called White or Green.
    """
    texts = {_plain(value) for value in values if value}
    found = duck.execute(
        "SELECT DISTINCT text, is_full FROM known_names WHERE list_contains(?, text)",
        [[text for text in texts if len(text) >= _LEAST_LETTERS]],
    ).fetchall()
    words = {text for text, _ in found}
    is_full = any(full for _, full in found)
    return is_full or (len(words) >= 2 and len(words) * 3 > len(texts) * 2)


def _plain(value: str) -> str:
    """Its words in small letters, without titles and initials."""
    words = re.findall(r"[^\W_]+", value.lower())
    return " ".join(w for w in words if len(w) > 1 and w not in _TITLES)
