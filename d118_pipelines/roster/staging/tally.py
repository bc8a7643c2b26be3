"""How many rows were sent and rejected, per entity and file, and whether it is too many.

Called by `staging.py`; the tables `fetched` and `rejected_weights` are made in
sql/roster/staging.sql. Why a row is rejected is in the modules of rules.
Rule: docs/reference/staging.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d118_pipelines.errors import IncompleteExtractError
from d118_pipelines.kernel.finding import Finding
from d118_pipelines.kernel.frames import parquet
from d118_pipelines.kernel.sql_text import literal, statement
from d118_pipelines.roster.staging.staged import EntityCounts

if TYPE_CHECKING:
    import duckdb

# Shares of live rows that may be lost with the records that they point at; fewer than
# LOST_LEAST are no share, unless nothing is left.
LOST_OF_ENTITY, LOST_OF_SCHOOL, LOST_LEAST = 0.05, 0.20, 5


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
        self._run("tally")

    def _run(self, name: str, **values: str) -> list[Any]:
        return self.duck.execute(
            statement(f"roster/staging.{name}", **values)
        ).fetchall()

    def add_fetched(self, entity: str) -> None:
        """Count the rows of `work.<entity>`."""
        self._run("add_fetched", entity=entity)

    def take_over(self, findings: Path, of_file: Mapping[str, str]) -> None:
        """The findings of the pull; rows that it rejected count as present."""
        pairs = ", ".join(f"({literal(k)}, {literal(v)})" for k, v in of_file.items())
        self._run(
            "take_over", findings=parquet(findings), entities=pairs or "(NULL, NULL)"
        )

    def add(self, finding: Finding) -> None:
        """One more finding."""
        values = list(finding.stored().values())
        places = ", ".join("?" * len(values))
        self.duck.execute(f"INSERT INTO findings VALUES ({places})", values)

    def add_rejected(self, entity: str) -> None:
        """List the rows of `work.<entity>` that were omitted, with their code."""
        self._run("add_rejected", entity=entity)

    def counts(self) -> dict[str, tuple[int, int, int]]:
        """Entity -> rows that were fetched, rejected, rejected without a readable key."""
        return {
            entity: (int(fetched), int(rejected), int(unreadable))
            for entity, fetched, rejected, unreadable in self._run("counts")
        }

    def findings(self) -> dict[str, int]:
        """Code -> number of findings."""
        rows = self.duck.execute(
            "SELECT code, CAST(sum(count) AS BIGINT) FROM findings GROUP BY 1 ORDER BY 1"
        ).fetchall()
        return dict(rows)

    def judge(self, cap: RejectCap, counts: Mapping[str, EntityCounts]) -> str | None:
        """The reason of a hold: an entity of which no row is left, too many rejected rows
        of a file, or too many that are lost with them.

        Raises: IncompleteExtractError (`bundle.too_many_rejects`).
        """
        for entity, file, fetched, rejected in self._run("rejected_of_files"):
            if rejected >= cap.minimum and rejected > cap.ratio * fetched:
                what = f"{rejected} of {fetched} rows of {file} ({entity}) are rejected"
                if cap.holds:
                    return f"bundle.too_many_rejects: {what}"
                raise _too_many(cap, what, self._reasons(entity))
        for entity, one in counts.items():
            if one.rejected and not one.staged:
                return f"Every row of {entity} is rejected ({self._reasons(entity)})."
        return self._lost(counts)

    def _reasons(self, entity: str) -> str:
        """The codes that reject most rows, and the words that are not known."""
        codes = self._run("main_reasons", entity=entity)
        texts = [f"{code}: {count}" for code, count in codes]
        words = self._run("unknown_words", entity=entity)
        return "; ".join([", ".join(texts), *(detail for (detail,) in words)])

    def _lost(self, counts: Mapping[str, EntityCounts]) -> str | None:
        """What falls with rejected terms, orgs, courses and classes."""
        roots = ", ".join(name for name, _ in self._run("roots"))
        if not roots:
            return None
        self._run("weighed")
        for entity in ("classes", "users", "enrollments"):
            if entity in counts:
                self._run(f"weigh_{entity}")
        shares = {"of_entity": str(LOST_OF_ENTITY), "of_school": str(LOST_OF_SCHOOL)}
        shares["least"] = str(LOST_LEAST)
        for entity, school, lost, whole in self._run("lost", **shares):
            place = f" of school {school}" if school else ""
            limit = LOST_OF_SCHOOL if school else LOST_OF_ENTITY
            return (
                f"{lost:,} of {whole:,} {entity}{place} are lost with rejected records "
                f"({roots}); limit {limit:.0%}."
            )
        return None


def _too_many(cap: RejectCap, what: str, reasons: str) -> IncompleteExtractError:
    return IncompleteExtractError(
        f"FAILED bundle.too_many_rejects  {what}.",
        where=reasons,
        rule=f"At most {cap.ratio:.0%} of a file, or fewer than {cap.minimum} rows.",
        not_done="Nothing was staged; the roster is unchanged.",
        next_step="Correct the mapping or the source: docs/reference/staging.md",
    )
