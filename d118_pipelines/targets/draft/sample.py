"""Lines of the file beside the rows that they are about, and how well SQL agrees with them.

Called by `explain.py` and its neighbours. Values are compared as hashes, column by
column: thousands of candidates cost seconds.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from d118_pipelines.targets.draft.keys import Key
from d118_pipelines.targets.draft.relations import (
    SAMPLE_ROWS,
    Join,
    Relation,
    with_distance,
)
from d118_pipelines.targets.draft.shapes import Candidate
from d118_pipelines.targets.school_days import DAY_OPTION, KINDS

if TYPE_CHECKING:
    import duckdb
    import numpy as np

_AT_ONCE = 200
EMPTY = "''"


def runnable(sql: str) -> str:
    """SQL of a target as this session runs it: days are variables of the session."""
    return DAY_OPTION.sub(
        r"getvariable('\1')", sql.replace("$today", "getvariable('today')")
    )


def set_days(duck: duckdb.DuckDBPyConnection, days: Mapping[str, dt.date]) -> None:
    """Give the session the days that `runnable` reads."""
    for name, day in days.items():
        duck.execute(f"SET VARIABLE {name} = CAST(? AS DATE)", [day.isoformat()])


def school_days_known(duck: duckdb.DuckDBPyConnection) -> list[str]:
    """The begins and ends of the school year and the term that the session has."""
    names = [f"{kind}_{end}" for kind in KINDS for end in ("begin", "end")]
    made = ", ".join(f"getvariable('{name}') IS NOT NULL" for name in names)
    [there] = duck.execute(f"SELECT {made}").fetchall()
    return [name for name, is_there in zip(names, there, strict=True) if is_there]


def as_text(sql: str) -> str:
    """SQL of a value as a file shows it."""
    return f"coalesce(CAST({runnable(sql)} AS VARCHAR), '')"


def column_arrays(
    duck: duckdb.DuckDBPyConnection, table: str, expressions: Sequence[str]
) -> list[Any]:
    """An array per expression over the rows of a table, in their order."""
    import numpy as np  # heavy: only where a target is drafted

    found: list[Any] = []
    for start in range(0, len(expressions), _AT_ONCE):
        some = expressions[start : start + _AT_ONCE]
        made = ", ".join(f"{runnable(x)} AS x{n}" for n, x in enumerate(some))
        columns = duck.execute(f"SELECT {made} FROM {table}").fetchnumpy()
        found += [np.asarray(columns[f"x{n}"]) for n in range(len(some))]
    return found


@dataclass(slots=True)
class Sample:
    """The table `s`: one row per line, with the structs `f`, `b` and those of the joins."""

    duck: duckdb.DuckDBPyConnection
    key: Key
    joins: Sequence[Join]
    width: int
    rows: int = 0
    lines: Any = field(default=None)
    """Hashes of the file's columns: width x rows."""

    @classmethod
    def make(
        cls,
        duck: duckdb.DuckDBPyConnection,
        key: Key,
        joins: Sequence[Join],
        width: int,
    ) -> Sample:
        """Take so many lines that find one row; those that find several teach nothing."""
        aliases = ", ".join(["f", "b", *(join.alias for join in joins)])
        some = (
            f"(FROM f USING SAMPLE reservoir({SAMPLE_ROWS} ROWS) REPEATABLE (2)) AS f"
        )
        duck.execute(
            f"CREATE OR REPLACE TABLE s AS SELECT {aliases} FROM {some} "
            f"JOIN {key.relation.name} AS b ON {key.on} "
            + " ".join(join.sql for join in joins)
            + " QUALIFY count(*) OVER (PARTITION BY f._row) = 1"
        )
        made = cls(duck, key, joins, width)
        made.lines = made.hashes([f"f.c{place}" for place in range(width)])
        made.rows = made.lines.shape[1]
        return made

    @property
    def aliased(self) -> list[tuple[str, Relation, int]]:
        """Alias, relation and how many joins away, of all that may be named."""
        return with_distance(self.key.relation, self.joins)

    def hashes(self, expressions: Sequence[str]) -> np.ndarray[Any, Any]:
        """A row of hashes per expression; the value of NULL is that of an empty text."""
        import numpy as np  # heavy: only where a target is drafted

        made = [f"hash({as_text(x)})" for x in expressions]
        found = column_arrays(self.duck, "s", made)
        return np.stack(found) if found else np.empty((0, self.rows), dtype=np.uint64)

    def shape_hashes(
        self, columns: Sequence[str], shapes: Sequence[str]
    ) -> np.ndarray[Any, Any]:
        """Hashes of every shape of every column of one type: columns x shapes x rows.

        The columns stand below one another, so that a shape is computed once for all.
        """
        import numpy as np  # heavy: only where a target is drafted

        made = ", ".join(
            f"hash({as_text(shape.format(x='x'))}) AS x{n}"
            for n, shape in enumerate(shapes)
        )
        rows = self.duck.execute(
            f"SELECT {made} FROM (SELECT r, unnest(v) AS x, "
            f"generate_subscripts(v, 1) AS n FROM (SELECT row_number() OVER () AS r, "
            f"[{', '.join(columns)}] AS v FROM s)) ORDER BY n, r"
        ).fetchnumpy()
        several = [np.asarray(rows[f"x{n}"]) for n in range(len(shapes))]
        return np.stack([one.reshape(len(columns), -1) for one in several], axis=1)

    def agreement(
        self, candidates: Sequence[Candidate]
    ) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Hashes of the candidates, and the share of lines on which each agrees with
        each column: candidates x width."""
        hashes = self.hashes([one.sql for one in candidates])
        return hashes, self.shares(hashes)

    def shares(self, hashes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The share of lines on which each agrees with each column of the file."""
        import numpy as np  # heavy: only where a target is drafted

        return np.stack([(hashes == line).mean(axis=1) for line in self.lines], axis=1)

    def texts(self, expressions: Sequence[str], most: int) -> list[list[str]]:
        """The values themselves, of a few lines: a list per expression."""
        made = ", ".join(as_text(x) for x in expressions)
        rows = self.duck.execute(f"SELECT {made} FROM s LIMIT {most}").fetchall()
        return [list(column) for column in zip(*rows, strict=True)]
