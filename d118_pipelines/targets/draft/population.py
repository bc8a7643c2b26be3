"""Who is in the file: a chain of simple conditions on the rows of its relation.

Called by `file_draft.py`. Page: docs/reference/drafting.md, population.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from d118_pipelines.targets.draft.conditions import Condition, Rows, best, fields_of
from d118_pipelines.targets.draft.keys import Key
from d118_pipelines.targets.draft.relations import Join, with_distance
from d118_pipelines.targets.draft.sample import column_arrays

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

    @property
    def is_explained(self) -> bool:
        """Within one percent."""
        return self.missing + self.extra <= self.wanted * 0.01


def population(
    duck: duckdb.DuckDBPyConnection, key: Key, joins: Sequence[Join], lines: int
) -> Population:
    """Find the conditions one by one, those first that stop most."""
    aliases = ", ".join(["b", *(join.alias for join in joins)])
    duck.execute(
        f"CREATE OR REPLACE TABLE p AS SELECT {aliases}, "
        f"EXISTS (SELECT 1 FROM f WHERE {key.on}) AS kept FROM {key.relation.name} AS b "
        + " ".join(join.sql for join in joins)
    )
    rows = Rows(duck, "p", fields_of(with_distance(key.relation, joins)))
    [keep] = column_arrays(duck, "p", ["kept"])
    alive = keep | True
    chain: list[Condition] = []
    wanted = int(keep.sum())
    while len(chain) < _MOST_CONDITIONS:
        others = int((alive & ~keep).sum())
        found = best(
            rows.conditions(keep, alive), kept=wanted, least=max(2, others // 50)
        )
        if found is None:
            break
        chain.append(found)
        [holds] = column_arrays(duck, "p", [f"coalesce({found.sql}, false)"])
        alive &= holds
    kept, others = int((alive & keep).sum()), int((alive & ~keep).sum())
    return Population(chain, wanted, wanted - kept, others, lines - key.matched)
