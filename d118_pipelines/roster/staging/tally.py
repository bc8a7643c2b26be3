"""How many rows were sent and rejected, per entity and file, and whether it is too many.

Belongs here: the tables `fetched` and `rejected_weights`, what the pull itself rejected,
the cap. Not here: why a row is rejected. Rule: docs/reference/staging.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from d118_pipelines.errors import IncompleteExtractError
from d118_pipelines.kernel.sql_text import literal

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class RejectCap:
    """How many rejected rows of one file are too many: above `ratio` and `minimum`.

    holds: the rows are staged and the plan is held; otherwise nothing is staged.
    """

    ratio: float = 0.05
    minimum: int = 20
    holds: bool = False


class Tally:
    """Counts the rows of one staging."""

    def __init__(self, duck: duckdb.DuckDBPyConnection) -> None:
        self.duck = duck
        duck.execute(
            "CREATE TABLE fetched (entity VARCHAR, source_file VARCHAR, fetched BIGINT)"
        )
        duck.execute(
            "CREATE TABLE rejected_weights (entity VARCHAR, source_file VARCHAR, "
            "weight BIGINT, is_unreadable BOOLEAN)"
        )

    def add_fetched(self, entity: str) -> None:
        """Count the rows of `work.<entity>`."""
        self.duck.execute(
            f"INSERT INTO fetched SELECT {literal(entity)}, source_file, count(*) "
            f"FROM work.{entity} GROUP BY ALL"
        )

    def take_over(self, findings: Path, of_file: Mapping[str, str]) -> None:
        """The findings of the pull; rows that it rejected count as present."""
        pairs = ", ".join(f"({literal(k)}, {literal(v)})" for k, v in of_file.items())
        path = literal(str(findings))
        self.duck.execute(
            "CREATE VIEW pulled AS SELECT f.* REPLACE (coalesce(e.entity, '') AS entity) "
            "FROM (SELECT *, parse_filename(source_file, true) AS stem "
            f"FROM read_parquet({path})) f "
            f"LEFT JOIN (VALUES {pairs or '(NULL, NULL)'}) e(stem, entity) USING (stem)"
        )
        self.duck.execute(
            "INSERT INTO findings BY NAME SELECT * EXCLUDE stem FROM pulled"
        )
        self.duck.execute(
            "INSERT INTO rejected SELECT entity, external_id, code, source_file, "
            "source_line, stem, NULL FROM pulled "
            "WHERE severity = 'reject' AND entity <> ''"
        )
        self.duck.execute(
            'INSERT INTO rejected_weights SELECT entity, source_file, "count", '
            "external_id IS NULL FROM pulled WHERE severity = 'reject' AND entity <> ''"
        )
        self.duck.execute(
            "INSERT INTO fetched SELECT entity, source_file, sum(weight) "
            "FROM rejected_weights GROUP BY ALL"
        )

    def add_rejected(self, entity: str) -> None:
        """List the rows of `work.<entity>` that were left out with a code."""
        self.duck.execute(
            f"INSERT INTO rejected SELECT {literal(entity)}, external_id, code, "
            f"source_file, source_line, raw_collection, raw_row FROM work.{entity} "
            f"JOIN out.{entity} USING (n) WHERE code IS NOT NULL"
        )
        self.duck.execute(
            f"INSERT INTO rejected_weights SELECT {literal(entity)}, source_file, 1, "
            f"external_id IS NULL FROM work.{entity} JOIN out.{entity} USING (n) "
            "WHERE code IS NOT NULL"
        )

    def counts(self, entity: str) -> tuple[int, int, int]:
        """Rows of the entity: fetched, rejected, rejected without a readable key."""
        [(fetched, rejected, unreadable)] = self.duck.execute(
            "SELECT (SELECT coalesce(sum(fetched), 0) FROM fetched WHERE entity = $e), "
            "coalesce(sum(weight), 0), coalesce(sum(weight) FILTER (is_unreadable), 0) "
            "FROM rejected_weights WHERE entity = $e",
            {"e": entity},
        ).fetchall()
        return int(fetched), int(rejected), int(unreadable)

    def findings(self) -> dict[str, int]:
        """Code -> number of findings."""
        rows = self.duck.execute(
            "SELECT code, CAST(sum(count) AS BIGINT) FROM findings GROUP BY 1 ORDER BY 1"
        ).fetchall()
        return dict(rows)

    def judge(self, cap: RejectCap) -> str | None:
        """Compare the rejected rows of each file with the cap; the reason of a hold.

        Raises: IncompleteExtractError (`bundle.too_many_rejects`).
        """
        rows = self.duck.execute(
            "SELECT entity, source_file, sum(fetched), sum(rejected) FROM ("
            "SELECT entity, source_file, 0 AS fetched, sum(weight) AS rejected "
            "FROM rejected_weights GROUP BY ALL UNION ALL "
            "SELECT entity, source_file, fetched, 0 FROM fetched) GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        for entity, file, fetched, rejected in rows:
            if rejected >= cap.minimum and rejected > cap.ratio * fetched:
                what = f"{rejected} of {fetched} rows of {file} ({entity}) are rejected"
                if cap.holds:
                    return f"bundle.too_many_rejects: {what}"
                raise self._too_many(cap, entity, what)
        return None

    def _too_many(
        self, cap: RejectCap, entity: str, what: str
    ) -> IncompleteExtractError:
        rows = self.duck.execute(
            "SELECT code, sum(count) FROM findings WHERE severity = 'reject' "
            "AND entity = ? GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 5",
            [entity],
        ).fetchall()
        return IncompleteExtractError(
            f"FAILED bundle.too_many_rejects  {what}.",
            where=", ".join(f"{code}: {count}" for code, count in rows),
            rule=f"At most {cap.ratio:.0%} of a file, or fewer than {cap.minimum} rows.",
            not_done="Nothing was staged; the roster is unchanged.",
            next_step="Correct the mapping or the source: docs/reference/staging.md",
        )
