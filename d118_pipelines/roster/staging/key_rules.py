"""Keys of one entity: no two rows may have the same, and which of them are kept.

Belongs here: duplicates and collisions of case. Not here: references.
Rule: docs/reference/staging.md, keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d118_pipelines.roster.staging.findings import Rule, RuleSet, report

if TYPE_CHECKING:
    import duckdb


def judge_keys(duck: duckdb.DuckDBPyConnection, entity: str, content: str) -> None:
    """Report repeated keys of `work.<entity>` and add what is left out to `out`.

    content: SQL of a row's hash. Rows of an API: the later one counts. Rows of a file:
    one of several equal ones counts, and none where they differ.
    """
    rules = RuleSet("k")
    is_first = "external_id IS NOT NULL AND place > 1"
    conditions = {
        rules.add(Rule("id.duplicate", "reject", "external_id")): (
            "NOT is_api AND times > 1 AND differs"
        ),
        rules.add(Rule("id.duplicate_identical", "warn", "external_id")): (
            f"NOT is_api AND NOT differs AND {is_first}"
        ),
        rules.add(Rule("rest.duplicate_row", "warn", "external_id")): (
            f"is_api AND {is_first}"
        ),
        rules.add(Rule("id.case_collision", "warn", "external_id")): (
            "other_case AND place = 1"
        ),
    }
    masks = ", ".join(rules.masks(conditions))
    duck.execute(
        f"CREATE OR REPLACE TABLE hits AS SELECT *, {masks} FROM ({_repeated(entity, content)})"
    )
    report(duck, entity, "hits", rules)
    duck.execute(
        f"INSERT INTO out.{entity} SELECT n, {rules.rejecting_code()} FROM hits "
        f"WHERE (times > 1 AND differs AND NOT is_api OR {is_first}) "
        f"AND n NOT IN (SELECT n FROM out.{entity})"
    )


def _repeated(entity: str, content: str) -> str:
    """The rows whose key, compared without case, occurs more than once."""
    # Hashes are grouped in place of texts: a tenth of the memory; what collides by
    # chance falls out below.
    key = "hash(lower(external_id))"
    later_wins = "CASE WHEN is_api THEN -raw_row ELSE raw_row END"
    return f"""
        SELECT *, count(*) OVER same AS times,
            min(content) OVER same <> max(content) OVER same AS differs,
            row_number() OVER (PARTITION BY external_id
                ORDER BY raw_collection, {later_wins}, n) AS place,
            min(external_id) OVER folded <> max(external_id) OVER folded AS other_case
        FROM (
            SELECT n, external_id, source_file, source_line, raw_collection, raw_row,
                is_api, {content} AS content
            FROM work.{entity}
            WHERE external_id IS NOT NULL AND {key} IN (
                SELECT {key} FROM work.{entity} WHERE external_id IS NOT NULL
                GROUP BY 1 HAVING count(*) > 1))
        WINDOW same AS (PARTITION BY external_id),
            folded AS (PARTITION BY lower(external_id))"""
