"""Keys of one entity: no two rows may have the same, and which of them are kept.

Called by `staging.py` for each entity; the SQL is in sql/roster/staging.sql, references
are judged in `reference_rules.py`. Rule: docs/reference/staging.md, keys.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from d118_pipelines.kernel.frames import count_of
from d118_pipelines.kernel.sql_text import statement
from d118_pipelines.roster.model.entities import ENTITIES
from d118_pipelines.roster.staging.findings import Rule, judge_table

if TYPE_CHECKING:
    import duckdb

_OF_KEYS = [
    (
        Rule("id.duplicate", "reject", "external_id"),
        "NOT is_api AND times > 1 AND is_other",
    ),
    (
        Rule("id.merged", "warn", "external_id"),
        "NOT is_api AND differs AND NOT is_other AND place > 1",
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


# Fields that are the first element of a list, or change with every row.
_OF_LISTS = {"subject", "grade_level", "period", "primary_school_external_id"}
_OF_LISTS |= {"source_modified_at"}


def judge_keys(
    duck: duckdb.DuckDBPyConnection, entity: str, columns: Collection[str]
) -> None:
    """Report repeated keys of `work.<entity>` and add the omitted rows to `out`.

    columns: the record itself. Rows of an API: the later one counts. Rows of a file: one
    of several equal ones counts, none where they differ; rows that differ in their lists
    alone, as one per term, are merged into the first.
    """
    lists = [f.name for f in ENTITIES[entity].fields if f.kind == "list"]
    raw = [name for name in columns if name.startswith("raw_")]
    apart = {*lists, *raw, *_OF_LISTS} if lists else set()
    repeated = statement(
        "roster/staging.repeated_keys",
        entity=entity,
        content=_hash(columns),
        core=_hash([name for name in columns if name not in apart]),
    )
    rules = judge_table(duck, entity, "hits", repeated, _OF_KEYS)
    code = rules.rejecting_code()
    duck.execute(
        statement("roster/staging.leave_out_repeated", entity=entity, code=code)
    )
    if count_of(duck, "hits WHERE differs AND NOT is_other AND NOT is_api"):
        _merge(duck, entity, lists, raw)


def _hash(columns: Collection[str]) -> str:
    texts = (f"coalesce(CAST({name} AS VARCHAR), chr(30))" for name in columns)
    return f"md5(concat_ws(chr(31), {', '.join(texts)}))"


def _merge(
    duck: duckdb.DuckDBPyConnection, entity: str, lists: list[str], raw: list[str]
) -> None:
    joined = [
        f"{statement('roster/staging.joined_list', c=f'w.{n}')} AS {n}" for n in lists
    ]
    joined += [f"flatten(list(w.{n} ORDER BY place)) AS {n}" for n in raw]
    merged = statement("roster/staging.merged", entity=entity, lists=", ".join(joined))
    duck.execute(merged)
    chosen = (
        f"CASE WHEN m.n IS NULL THEN w.{n} ELSE m.{n} END AS {n}"
        for n in [*lists, *raw]
    )
    duck.execute(
        statement(
            "roster/staging.replace_merged", entity=entity, lists=", ".join(chosen)
        )
    )
