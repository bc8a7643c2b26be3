"""Who is meant by an id: one person's rows in extracts, rosters and kept files.

Called by `explain.py`. An id is whatever a person can know: DCID, student or employee
number, access id, external id, user name, e-mail. Rows belong to one person when they
share two ids, or one and the name: numbers of different kinds collide.
Rule: docs/reference/explain.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from d118_pipelines.kernel.frames import open_frames
from d118_pipelines.kernel.sql_text import identifier, literal
from d118_pipelines.roster.model.tables import ENTITY_TABLES, external_ids

if TYPE_CHECKING:
    import duckdb

ROSTER = "roster"
_ID = re.compile(
    r"(id|number|mail|mail_addr|mail_address|user[_ ]?name|identifier|access|\.work"
    r"|stateprid|login|^_record|^_key|^_identity|^_person)$",
    re.I,
)
_OF_SOMETHING_ELSE = re.compile(
    r"school|building|section|course|class|term|org|location|record_number|phone|run_?id"
    r"|room|district|provider",
    re.I,
)
_LAST_NAME = re.compile(r"(last|family)[_ ]?name", re.I)
_FIRST_NAME = re.compile(r"(first|given)[_ ]?name", re.I)
_USERS = ENTITY_TABLES["users"]


@dataclass(frozen=True, slots=True)
class PeopleTable:
    """Parquet files of one shape with a row per person; label: as people know them.

    nameless: rows without names are people too; one shared id then is enough.
    """

    label: str
    paths: Sequence[Path]
    nameless: bool = False


@dataclass(frozen=True, slots=True)
class Sighting:
    """One row about a person. values: its ids by column; name: None where it has none."""

    label: str
    path: Path | None
    values: Mapping[str, str]
    name: tuple[str, str] | None

    @property
    def ids(self) -> frozenset[str]:
        """The ids, without regard to case."""
        return frozenset(value.casefold() for value in self.values.values())

    def is_same_person(self, other: Sighting) -> bool:
        """Whether both rows are about one person."""
        shared = len(self.ids & other.ids)
        is_named_alike = self.name == other.name or None in (self.name, other.name)
        return shared > 1 or (shared == 1 and is_named_alike)


def find_people(
    tables: Iterable[PeopleTable], roster: sa.Connection, district: str, wanted: str
) -> list[list[Sighting]]:
    """The people who have an id, each as the rows about them; mostly one or none."""
    with closing(open_frames()) as duck:
        query = _query(duck, tables)

        def seen(ids: set[str]) -> list[Sighting]:
            found = _in_roster(roster, district, ids)
            return found + (_in_tables(duck, query, ids) if query else [])

        people: list[list[Sighting]] = []
        for first in seen({wanted.strip().casefold()}):
            if not any(first in person for person in people):
                people.append(_all_of(first, seen))
    return people


def _all_of(
    first: Sighting, seen: Callable[[set[str]], list[Sighting]]
) -> list[Sighting]:
    """All rows about the person of one row, in the order of the sources."""
    person, known = [first], set(first.ids)
    while True:
        found = [
            row for row in seen(known) if any(row.is_same_person(one) for one in person)
        ]
        ids = {value for row in found for value in row.ids}
        if ids <= known:
            return found
        person, known = found, known | ids


def is_last_name(column: str) -> bool:
    """Whether a column of this name holds last names."""
    return _LAST_NAME.search(column) is not None


def _columns(duck: duckdb.DuckDBPyConnection, table: PeopleTable) -> list[str]:
    described = duck.execute(
        "DESCRIBE FROM read_parquet(?, union_by_name = true)", [_paths(table)]
    )
    return [row[0] for row in described.fetchall()]


def _paths(table: PeopleTable) -> list[str]:
    return [str(path) for path in table.paths]


def _query(duck: duckdb.DuckDBPyConnection, tables: Iterable[PeopleTable]) -> str:
    """SQL for the rows with one of $ids in all tables, read side by side.

    Each gives the table's label, whether it is nameless, the file, its ids as column ->
    value, and the names. Empty where no table has people.
    """
    queries = []
    for table in tables:
        columns = _columns(duck, table)
        if table.nameless or any(map(is_last_name, columns)):
            queries.append(_query_of(table, columns))
    return " UNION ALL ".join(queries)


def _query_of(table: PeopleTable, columns: Sequence[str]) -> str:
    chosen = [c for c in columns if _ID.search(c) and not _OF_SOMETHING_ELSE.search(c)]
    # A number that the source has as a float is 222150.0 in the extract.
    texts = ", ".join(
        f"{literal(c)}: nullif(regexp_replace(trim({identifier(c)}::VARCHAR), '\\.0$', "
        "''), '')"
        for c in chosen
    )
    named = [
        next((identifier(c) for c in columns if pattern.search(c)), "NULL")
        for pattern in (_FIRST_NAME, _LAST_NAME)
    ]
    # Cheap for every row; what is made of the ids is then made of a few rows alone.
    may_be = " OR ".join(
        f"list_contains($near, lower(trim({identifier(c)}::VARCHAR)))" for c in chosen
    )
    paths = ", ".join(map(literal, _paths(table)))
    return (
        f"SELECT {literal(table.label)}, {table.nameless}, filename, ids, "
        f"{', '.join(named)} FROM ("
        f"SELECT *, MAP {{{texts}}} AS ids FROM read_parquet([{paths}], "
        f"union_by_name = true, filename = true) WHERE {may_be or 'false'}) "
        "WHERE list_has_any("
        "list_transform(map_values(ids), lambda one: lower(one)), $ids)"
    )


def _in_tables(
    duck: duckdb.DuckDBPyConnection, query: str, ids: set[str]
) -> list[Sighting]:
    values = {"ids": sorted(ids), "near": [*ids, *(f"{one}.0" for one in ids)]}
    return [
        Sighting(
            label,
            Path(path),
            {column: value for column, value in known.items() if value is not None},
            None if nameless else _folded(first, last),
        )
        for label, nameless, path, known, first, last in duck.execute(
            query, values
        ).fetchall()
    ]


def _in_roster(
    connection: sa.Connection, district: str, ids: set[str]
) -> list[Sighting]:
    c, links = _USERS.c, external_ids.c
    is_sqlite = connection.dialect.name == "sqlite"

    def any_case(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        # SQLite compares so in a third of the time that lower() takes.
        return column.collate("NOCASE") if is_sqlite else sa.func.lower(column)

    columns = [
        *(sa.cast(c.id, sa.Text).label("id"), c.external_id, c.username, c.email),
        *(c.student_number, c.staff_id, c.identifier, c.state_id, c.sis_id),
    ]
    linked = sa.select(sa.cast(links.internal_id, sa.Text)).where(
        links.district_id == district,
        links.entity == "users",
        any_case(links.external_id).in_(ids),
    )
    rows = connection.execute(
        sa.select(*columns, c.district_id, c.first_name, c.last_name)
        .where(
            sa.or_(
                *(any_case(column).in_(ids) for column in columns),
                sa.cast(c.id, sa.Text).in_(linked),
            )
        )
        .order_by(c.external_id)
    ).mappings()
    found = []
    for row in rows:
        # Asked here: in the query SQLite would go by an index over one district's rows,
        # which are all, and look each of them up.
        if row["district_id"] != district:
            continue
        known = connection.execute(
            sa.select(links.provider_id, links.external_id).where(
                links.entity == "users", links.internal_id == row["id"]
            )
        )
        values = {column.name: row[column.name] for column in columns}
        values |= {f"of {provider}": external for provider, external in known}
        found.append(
            Sighting(
                ROSTER,
                None,
                {name: str(value) for name, value in values.items() if value},
                _folded(row["first_name"], row["last_name"]),
            )
        )
    return found


def _folded(first: Any, last: Any) -> tuple[str, str]:
    return (str(first or "").casefold(), str(last or "").casefold())
