"""Who is in the file: a chain of simple conditions on the rows of its relation.

Called by `file_draft.py`. Page: docs/reference/drafting.md, population.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from d118_pipelines.kernel.sql_text import identifier
from d118_pipelines.targets.draft.conditions import Condition, Rows, fields_of
from d118_pipelines.targets.draft.keys import Key
from d118_pipelines.targets.draft.relations import Join, normal, with_distance
from d118_pipelines.targets.draft.sample import column_arrays, runnable

if TYPE_CHECKING:
    import duckdb

_MOST_CONDITIONS = 8


@dataclass(frozen=True, slots=True)
class Population:
    """The conditions in their order. wanted: rows that the file has; missing: of these,
    not selected; extra: selected although the file lacks them. unmatched: lines of the
    file that no row of the relation is for."""

    conditions: list[Condition]
    wanted: int
    missing: int
    extra: int
    unmatched: int
    one_of: str = ""
    """SQL after QUALIFY: which of several rows of one key is in the file."""

    @property
    def is_explained(self) -> bool:
        """Within one percent."""
        return self.missing + self.extra <= self.wanted * 0.01


def population(
    duck: duckdb.DuckDBPyConnection, key: Key, joins: Sequence[Join], lines: int
) -> Population:
    """Find the conditions one by one, those first that stop most."""
    aliases = ", ".join(["b", *(join.alias for join in joins)])
    columns = ", ".join(normal(f"b.{identifier(column)}") for _, column in key.pairs)
    duck.execute(
        f"CREATE OR REPLACE TABLE p AS SELECT {aliases}, "
        f"EXISTS (SELECT 1 FROM f WHERE {key.on}) AS kept, "
        f"count(*) OVER (PARTITION BY {columns}) > 1 AS has_twin "
        f"FROM {key.relation.name} AS b " + " ".join(join.sql for join in joins)
    )
    rows = Rows(duck, "p", fields_of(with_distance(key.relation, joins)))
    keep, has_twin = column_arrays(duck, "p", ["kept", "has_twin"])
    wanted = int(keep.sum())
    least = max(2, int((~keep).sum()) // 1000, wanted // 1000)
    # Of two rows with one key the file has one: no condition is judged by them.
    chain, alive = rows.chain(
        keep, most=_MOST_CONDITIONS, least=least, alive=~(keep & has_twin)
    )
    kept, others = int((alive & keep).sum()), int((alive & ~keep).sum())
    one_of = ""
    if key.rows > key.matched:
        duck.execute("CREATE OR REPLACE TABLE q AS SELECT * FROM p LIMIT 0")
        where = (
            " AND ".join(f"coalesce({runnable(c.sql)}, false)" for c in chain) or "true"
        )
        duck.execute(f"INSERT INTO q SELECT * FROM p WHERE {where}")
        one_of = _one_of(duck, key)
        [(kept,)] = duck.execute("SELECT count(*) FROM q WHERE kept").fetchall()
        others += kept - key.matched
        if one_of:
            others = 0
            [(kept,)] = duck.execute(
                f"SELECT count(*) FROM (SELECT kept FROM q QUALIFY {one_of}) WHERE kept"
            ).fetchall()
            [(others,)] = duck.execute(
                f"SELECT count(*) FROM (SELECT kept FROM q QUALIFY {one_of}) WHERE NOT kept"
            ).fetchall()
        wanted = key.matched
    return Population(
        chain, wanted, max(wanted - kept, 0), others, lines - key.matched, one_of
    )


def _one_of(duck: duckdb.DuckDBPyConnection, key: Key) -> str:
    """Which row of several with one key the file has: the first in the order of a column.

    Judged by the columns that the file shares with the relation by value: see
    `agreeing`.
    """
    columns = ", ".join(f"b.{identifier(column)}" for _, column in key.pairs)
    tried = [
        f"row_number() OVER (PARTITION BY {columns} ORDER BY b.{identifier(c.name)}{way}, "
        f"{_last(key)}) = 1"
        for c in key.relation.columns.values()
        if c.distinct > 1
        for way in ("", " DESC")
    ]
    if not tried:
        return ""
    shared = [c.name for c in key.relation.columns.values() if c.filled]
    texts = ", ".join(f"CAST(b.{identifier(name)} AS VARCHAR)" for name in shared)
    cells = ", ".join(
        f"f.{name}"
        for (name,) in duck.execute(
            "SELECT column_name FROM duckdb_columns() WHERE table_name = 'f' "
            "AND column_name <> '_row' ORDER BY column_index"
        ).fetchall()
    )

    def agreeing(test: str) -> int:
        [(number,)] = duck.execute(
            f"SELECT coalesce(sum(len(list_intersect([{texts}], [{cells}]))), 0) FROM "
            f"(SELECT * FROM q QUALIFY {test}) AS q JOIN f ON {key.on}"
        ).fetchall()
        return int(number)

    return max(tried, key=agreeing)


def _last(key: Key) -> str:
    """What decides between rows that are equal otherwise."""
    names = [c.name for c in key.relation.columns.values() if c.is_unique]
    return f"b.{identifier(names[0])}" if names else "1"
