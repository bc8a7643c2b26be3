"""Keys of one entity: no two rows may have the same, and which of them are kept.

Called by `staging.py` for each entity; the SQL is in sql/roster/staging.sql, references
are judged in `reference_rules.py`. Rule: docs/reference/staging.md, keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from d118_pipelines.kernel.sql_text import statement
from d118_pipelines.roster.staging.findings import Rule, judge_table

if TYPE_CHECKING:
    import duckdb

_OF_KEYS = [
    (
        Rule("id.duplicate", "reject", "external_id"),
        "NOT is_api AND times > 1 AND differs",
    ),
    (
        Rule("id.duplicate_identical", "warn", "external_id"),
        "NOT is_api AND NOT differs AND external_id IS NOT NULL AND place > 1",
    ),
    (
        Rule("rest.duplicate_row", "warn", "external_id"),
        "is_api AND external_id IS NOT NULL AND place > 1",
    ),
    (Rule("id.case_collision", "warn", "external_id"), "other_case AND place = 1"),
]


def judge_keys(duck: duckdb.DuckDBPyConnection, entity: str, content: str) -> None:
    """Report repeated keys of `work.<entity>` and add the omitted rows to `out`.

    content: SQL of a row's hash. Rows of an API: the later one counts. Rows of a file:
    one of several equal ones counts, and none where they differ.
    """
    repeated = statement("roster/staging.repeated_keys", entity=entity, content=content)
    rules = judge_table(duck, entity, "hits", repeated, _OF_KEYS)
    code = rules.rejecting_code()
    duck.execute(
        statement("roster/staging.leave_out_repeated", entity=entity, code=code)
    )
