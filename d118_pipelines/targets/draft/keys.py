"""Whom the lines of a file are about: its key, found by values that a relation has too.

Called by `file_draft.py`. Page: docs/reference/drafting.md, the key.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from d118_pipelines.kernel.sql_text import identifier
from d118_pipelines.targets.draft.relations import SAMPLE_ROWS, Relation, normal

if TYPE_CHECKING:
    import duckdb

# Of the values of a file's column, so many must be in the relation's.
_LEAST_OVERLAP = 0.5
_MOST_PAIRS = 40
_TRIED = 12


@dataclass(frozen=True, slots=True)
class Key:
    """A relation whose rows are the file's: pairs of the file's column and its column.

    matched: lines that find a row; rows: rows that they find.
    """

    relation: Relation
    pairs: tuple[tuple[int, str], ...]
    matched: int
    rows: int = 0

    @property
    def is_exact(self) -> bool:
        """Whether each row of the relation has a key of its own."""
        columns = [self.relation.columns[column] for _, column in self.pairs]
        return all(c.filled == c.distinct == self.relation.rows for c in columns)

    @property
    def on(self) -> str:
        """SQL that joins the file `f` and the relation `b`."""
        return " AND ".join(
            f"{normal(f'f.c{place}')} = {normal(f'b.{identifier(column)}')}"
            for place, column in self.pairs
        )


def possible_keys(
    duck: duckdb.DuckDBPyConnection,
    relations: Sequence[Relation],
    width: int,
    wanted: int | None,
) -> list[Key]:
    """The keys that name one line of the file `f` each, those that find most lines first.

    width: columns of `f`. wanted: the column that a person chose.
    """
    _make_values(duck, width)
    [(lines,)] = duck.execute("SELECT count(*) FROM f").fetchall()
    unique = _Unique(duck, lines)
    found = []
    for relation in relations:
        pairs = _overlaps(duck, relation)
        for key in _of_relation(relation, pairs, unique, wanted):
            [(matched, rows)] = duck.execute(
                f"SELECT count(DISTINCT f._row), count(*) FROM f JOIN {relation.name} AS b "
                f"ON {key.on}"
            ).fetchall()
            if matched:
                found.append(Key(relation, key.pairs, matched, rows))
    found.sort(key=lambda key: (-key.matched, len(key.pairs)))
    most = found[0].matched if found else 0
    return [key for key in found if key.matched >= most * 0.8][:_TRIED]


@dataclass(slots=True)
class _Unique:
    """Whether columns of the file name a line each."""

    duck: duckdb.DuckDBPyConnection
    lines: int

    def together(self, places: Sequence[int]) -> bool:
        columns = ", ".join(f"c{place}" for place in places)
        [(distinct,)] = self.duck.execute(
            f"SELECT count(*) FROM (SELECT DISTINCT {columns} FROM f)"
        ).fetchall()
        return bool(distinct >= self.lines * 0.999)


def _make_values(duck: duckdb.DuckDBPyConnection, width: int) -> None:
    """`f_values`: the different values of each column, of so many lines."""
    lines = (
        f"(SELECT * FROM f USING SAMPLE reservoir({SAMPLE_ROWS} ROWS) REPEATABLE (1))"
    )
    each = " UNION ".join(
        f"SELECT {place} AS place, {normal(f'c{place}')} AS value FROM lines_looked_at"
        for place in range(width)
    )
    duck.execute(
        f"CREATE OR REPLACE TABLE f_values AS WITH lines_looked_at AS MATERIALIZED {lines} "
        f"SELECT * FROM ({each}) WHERE value IS NOT NULL"
    )


def _overlaps(
    duck: duckdb.DuckDBPyConnection, relation: Relation
) -> list[tuple[int, str]]:
    """Column of the file, column of the relation: those with enough values in common."""
    usable = [c.name for c in relation.columns.values() if c.distinct > 1]
    if not usable:
        return []
    texts = ", ".join(f"{normal(identifier(c))} AS {identifier(c)}" for c in usable)
    rows = duck.execute(
        f"""
        WITH theirs AS (
            SELECT DISTINCT name, value
            FROM (UNPIVOT (SELECT {texts} FROM {relation.name})
                  ON COLUMNS(*) INTO NAME name VALUE value)
        ), size AS (SELECT place, count(*) AS size FROM f_values GROUP BY place)
        SELECT place, name, count(*) / any_value(size) AS share
        FROM f_values JOIN theirs USING (value) JOIN size USING (place)
        GROUP BY place, name
        HAVING share >= {_LEAST_OVERLAP}
        ORDER BY share DESC, place, name
        """
    ).fetchall()
    return [(place, name) for place, name, _ in rows]


def _of_relation(
    relation: Relation,
    pairs: Sequence[tuple[int, str]],
    unique: _Unique,
    wanted: int | None,
) -> Iterator[Key]:
    """Keys of one column, else of two."""
    chosen = [p for p in pairs if wanted is None or p[0] == wanted]
    alone = [
        Key(relation, (pair,), 0)
        for pair in chosen
        if relation.columns[pair[1]].distinct >= relation.columns[pair[1]].filled * 0.9
        and unique.together([pair[0]])
    ]
    if alone or wanted is not None:
        yield from alone
        return
    ids = [p for p in pairs if _is_id(relation, p[1])]
    for both in list(combinations(ids, 2))[:_MOST_PAIRS]:
        (one, a), (other, b) = both
        if one != other and a != b and unique.together([one, other]):
            yield Key(relation, both, 0)


def _is_id(relation: Relation, column: str) -> bool:
    name, kind = column.lower(), relation.columns[column].kind
    return kind == "UUID" or name.endswith(("id", "number", "key", "code"))
