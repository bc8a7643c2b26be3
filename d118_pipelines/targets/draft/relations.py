"""What a file can be made from: extracts, staged entities and the roster, and their joins.

Called by `file_draft.py`. A relation is readable in the session under its name, as in
the SQL of targets. Page: docs/reference/drafting.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from d118_pipelines.kernel.sql_text import identifier

if TYPE_CHECKING:
    import duckdb

SAMPLE_ROWS = 2_000
MOST_JOINS = 16
# So much of what a column holds is found in the other relation's column.
_CONTAINED = 0.9
_UNIQUE = 0.999


@dataclass(frozen=True, slots=True)
class Source:
    """A column of a relation: its DuckDB type, rows with a value, different values."""

    name: str
    kind: str
    filled: int
    distinct: int

    @property
    def is_unique(self) -> bool:
        """Whether a value names one row."""
        return self.filled > 1 and self.distinct >= self.filled * _UNIQUE


@dataclass(frozen=True, slots=True)
class Relation:
    """`raw.powerschool.students` and its columns by name."""

    name: str
    rows: int
    columns: dict[str, Source]

    @property
    def layer(self) -> str:
        """raw, staged or roster: joins stay within one."""
        return self.name.split(".")[0]

    @property
    def entity(self) -> str:
        """The last part of the name."""
        return self.name.split(".")[-1]


@dataclass(frozen=True, slots=True)
class Join:
    """A relation beside the rows of a draft: at most one row of it for each of them."""

    alias: str
    relation: Relation
    on: tuple[tuple[str, str], ...]
    """Pairs: SQL of the side that is there, column of the relation."""
    of: str = ""
    """The alias that the join hangs on."""
    where: str = ""
    """SQL on the relation that leaves one row; `{a}` is the alias."""

    @property
    def sql(self) -> str:
        """The join's clause."""
        on = [f"{self.alias}.{identifier(k)} = {text}" for text, k in self.on]
        on += [self.where.format(a=self.alias)] if self.where else []
        return f"LEFT JOIN {self.relation.name} AS {self.alias} ON {' AND '.join(on)}"


def described(duck: duckdb.DuckDBPyConnection, names: Sequence[str]) -> list[Relation]:
    """The relations of those names that have rows."""
    found = (_described(duck, name) for name in names)
    return [relation for relation in found if relation.rows]


def _described(duck: duckdb.DuckDBPyConnection, name: str) -> Relation:
    kinds = {
        column: kind
        for column, kind, *_ in duck.execute(f"DESCRIBE {name}").fetchall()
        if not kind.endswith("[]") and not column.startswith("_")
    }
    counted = ", ".join(
        f"count({identifier(c)}), count(DISTINCT {identifier(c)})" for c in kinds
    )
    [(rows, *numbers)] = duck.execute(
        f"SELECT count(*), {counted} FROM {name}"
    ).fetchall()
    pairs = zip(kinds.items(), numbers[::2], numbers[1::2], strict=True)
    columns = {c: Source(c, kind, filled, many) for (c, kind), filled, many in pairs}
    return Relation(name, rows, columns)


def normal(text: str) -> str:
    """SQL of a value without what keys are written with: case, space, zeros, `.0`."""
    bare = f"ltrim(lower(trim(CAST({text} AS VARCHAR))), '0')"
    return f"nullif(regexp_replace({bare}, '\\.0$', ''), '')"


def joins_of(
    duck: duckdb.DuckDBPyConnection, base: Relation, known: Sequence[Relation]
) -> list[Join]:
    """What hangs on the relation, and on that again; found by values and names."""
    others = [one for one in known if one.layer == base.layer]
    found: list[Join] = []
    for join in _hanging(duck, base, "b", others):
        found.append(_named(join, found))
    for near in tuple(found):
        for join in _hanging(duck, near.relation, near.alias, others):
            if join.relation.name not in (base.name, near.relation.name):
                found.append(_named(join, found))
    return found[:MOST_JOINS]


def with_distance(
    base: Relation, joins: Sequence[Join]
) -> list[tuple[str, Relation, int]]:
    """Alias, relation and how many joins away, of all that SQL may name."""
    far = {"b": 0}
    for join in joins:
        far[join.alias] = far[join.of] + 1
    named = [(join.alias, join.relation, far[join.alias]) for join in joins]
    return [("b", base, 0), *named]


def _named(join: Join, taken: Sequence[Join]) -> Join:
    """The join under an alias of its own."""
    names = {one.alias for one in taken}
    free = (f"{join.relation.entity}{n or ''}" for n in (0, *range(2, 99)))
    alias = next(name for name in free if name not in names)
    return Join(alias, join.relation, join.on, join.of, join.where)


def _hanging(
    duck: duckdb.DuckDBPyConnection,
    one: Relation,
    alias: str,
    others: Sequence[Relation],
) -> Iterator[Join]:
    """The joins on columns of one relation, those of its own key last."""
    joins = [
        join
        for other in others
        if other.name != one.name
        for join in _between(duck, one, alias, other)
    ]
    yield from sorted(joins, key=lambda join: join.relation.rows)


def _between(
    duck: duckdb.DuckDBPyConnection, one: Relation, alias: str, other: Relation
) -> Iterator[Join]:
    for column in one.columns.values():
        if column.distinct < 2:
            continue
        for key in other.columns.values():
            if not _is_related(one, column, other, key):
                continue
            if not _is_contained(duck, one, column.name, other, key.name):
                continue
            own = (f"{alias}.{identifier(column.name)}", key.name)
            if key.is_unique:
                yield Join("", other, (own,), alias)
                break
            if second := _second_key(duck, one, other, key.name, column.name):
                with_it = (f"{alias}.{identifier(second)}", second)
                yield Join("", other, (own, with_it), alias)
                break


def _is_related(one: Relation, column: Source, other: Relation, key: Source) -> bool:
    """Whether values of the two may mean the same: equal types, and names that say so."""
    if column.kind != key.kind or key.distinct < 2:
        return False
    name, target = column.name.lower(), key.name.lower()
    if column.kind == "UUID":
        own = re.sub(r"(s|es)$", "", one.entity.lower())
        is_ours = (
            name == "id" and key.is_unique and target in (f"{own}_id", f"{own}s_id")
        )
        return target == "id" or is_ours
    entity = re.sub(r"s$", "", other.entity.lower())
    names = target in ("id", "dcid", f"{entity}_number", f"{entity}id", "external_id")
    same = name == target and (key.is_unique or name.endswith(("id", "number")))
    return (
        (entity in name and names)
        or (same and target not in ("id", "dcid", "external_id"))
        or (target.endswith("_dcid") and name.endswith(target))
    )


def _is_contained(
    duck: duckdb.DuckDBPyConnection, one: Relation, a: str, other: Relation, b: str
) -> bool:
    [(found, all_of_them)] = duck.execute(
        f"SELECT count(*) FILTER (v IN (SELECT {identifier(b)} FROM {other.name})), count(*) "
        f"FROM (SELECT DISTINCT {identifier(a)} AS v FROM {one.name} "
        f"WHERE {identifier(a)} IS NOT NULL LIMIT {SAMPLE_ROWS})"
    ).fetchall()
    return bool(all_of_them) and found >= all_of_them * _CONTAINED


def _second_key(
    duck: duckdb.DuckDBPyConnection, one: Relation, other: Relation, key: str, own: str
) -> str | None:
    """A column of both, by name, that with the key names one row of the other."""
    for name in other.columns:
        if name in (key, own) or name not in one.columns:
            continue
        if not name.lower().endswith(("id", "number")):
            continue
        [(rows, distinct)] = duck.execute(
            f"SELECT count(*), count(DISTINCT ({identifier(key)}, {identifier(name)})) "
            f"FROM {other.name}"
        ).fetchall()
        if rows == distinct:
            return name
    return None
