"""In which order the lines of a file stand.

Called by `file_draft.py`. Page: docs/reference/drafting.md, the order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from d118_pipelines.kernel.sql_text import identifier
from d118_pipelines.targets.draft.keys import Key

if TYPE_CHECKING:
    import duckdb

# Of so many lines the key may find another row.
_TOLERATED = 0.01
_MOST_FIRST = 6


def order_of(
    duck: duckdb.DuckDBPyConnection,
    key: Key,
    headers: Sequence[str],
    columns: Sequence[str],
) -> list[str]:
    """SQL expressions by which the lines rise: none where nothing fits.

    headers: of the file; columns: the SQL by which each of them is made, or ''.
    """
    own = [
        (sql, f"TRY_CAST(f.c{place} AS BIGINT)" if numeric else f"f.c{place}")
        for place, sql in enumerate(columns)
        for numeric in (True, False)
        if sql and sql != "NULL" and headers[place]
        for sql in [
            f"TRY_CAST({sql} AS BIGINT)" if numeric else f"CAST({sql} AS VARCHAR)"
        ]
    ]
    base = [
        (f"b.{identifier(c.name)}", f"b.{identifier(c.name)}")
        for c in key.relation.columns.values()
        if c.distinct > 1
    ]
    duck.execute(
        f"CREATE OR REPLACE TABLE o AS SELECT f, b FROM f JOIN {key.relation.name} AS b "
        f"ON {key.on} QUALIFY row_number() OVER (PARTITION BY f._row) = 1"
    )
    tried = [*base, *own]
    [(rows,)] = duck.execute("SELECT count(*) FROM o").fetchall()
    alone = _risen(duck, [test for _, test in tried])
    pairs: dict[int, list[tuple[int, int]]] = {}
    for most in (0, int(rows * _TOLERATED)):
        risen = [n for n, (falls, _) in enumerate(alone) if falls <= most]
        risen.sort(key=lambda n: (sum(alone[n]), n))
        for n in risen[:_MOST_FIRST]:
            if sum(alone[n]) <= most:
                return [tried[n][0]]
            if n not in pairs:
                both = [f"({tried[n][1]}, {test})" for _, test in tried]
                pairs[n] = _risen(duck, both)
            good = [
                m for m, falls in enumerate(pairs[n]) if m != n and sum(falls) <= most
            ]
            if good:
                return [tried[n][0], tried[good[0]][0]]
    return [tried[risen[0]][0]] if risen else []


def _risen(
    duck: duckdb.DuckDBPyConnection, expressions: Sequence[str]
) -> list[tuple[int, int]]:
    """How often each falls, or is not there, and how often it stays, from line to line."""
    if not expressions:
        return []
    named = ", ".join(f"{x} AS x{n}" for n, x in enumerate(expressions))
    before = ", ".join(
        f"lag(x{n}) OVER (ORDER BY _row) AS y{n}" for n in range(len(expressions))
    )
    counted = ", ".join(
        f"count(*) FILTER (x{n} IS NULL OR x{n} < y{n}), count(*) FILTER (x{n} = y{n})"
        for n in range(len(expressions))
    )
    [numbers] = duck.execute(
        f"SELECT {counted} FROM (SELECT *, {before} FROM "
        f"(SELECT f._row AS _row, {named} FROM o))"
    ).fetchall()
    return list(zip(numbers[::2], numbers[1::2], strict=True))
