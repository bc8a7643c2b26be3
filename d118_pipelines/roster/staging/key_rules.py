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

    columns: the record itself. Rows of an API: the later one counts. Rows of a file:
    one of several equal ones counts, none where they differ; rows that differ in their
    lists alone, as one per term, are merged into the first.
    """
    apart = {*_lists(entity, columns), *_OF_LISTS} if _lists(entity, columns) else set()
    repeated = _sql(
        "repeated_keys",
        entity=entity,
        content=_hash(columns),
        core=_hash([name for name in columns if name not in apart]),
    )
    rules = judge_table(duck, entity, "hits", repeated, _OF_KEYS)
    code = rules.rejecting_code()
    duck.execute(_sql("leave_out_repeated", entity=entity, code=code))
    if count_of(duck, "hits WHERE differs AND NOT is_other AND NOT is_api"):
        _merge(duck, entity, columns, "external_id")


def merge_people(duck: duckdb.DuckDBPyConnection, columns: Collection[str]) -> None:
    """Make one of rows that are one person: the first key, with the lists and roles of all.

    Out: `same_people(external_id, first_id)`, which `point_at_merged` reads.
    """
    same = _sql("same_people", accepted=_sql("accepted", entity="users"))
    merged = _sql("merged_people", same=same)
    rule = Rule("id.merged_person", "warn", "external_id", "'into ' || first_id")
    judge_table(duck, "users", "hits", merged, [(rule, "place > 1")])
    duck.execute(_sql("leave_out_merged"))
    _merge(duck, "users", columns, "first_id")
    _replace(duck, "users", {"agent_external_ids": _sql("agents_of_merged")}, "agents")


def point_at_merged(duck: duckdb.DuckDBPyConnection, entity: str) -> None:
    """Let enrollments and demographics name the key that a person was merged into."""
    key = "user_external_id"
    kept = _sql("merged_key", key=f"w.{key}")
    if entity == "demographics":
        duck.execute(_sql("leave_out_described_twice"))
        key, kept = "external_id", _sql("merged_key", key="w.external_id")
        kept = f"if(w.n IN (SELECT n FROM out.demographics), w.external_id, {kept})"
    _replace(duck, entity, {key: kept}, "people")


def _sql(name: str, **values: str) -> str:
    return statement(f"roster/staging.{name}", **values)


def _hash(columns: Collection[str]) -> str:
    texts = (f"coalesce(CAST({name} AS VARCHAR), chr(30))" for name in columns)
    return f"md5(concat_ws(chr(31), {', '.join(texts)}))"


def _lists(entity: str, columns: Collection[str]) -> list[str]:
    """The columns with lists: those of the model, and those that roles are made of."""
    lists = [f.name for f in ENTITIES[entity].fields if f.kind == "list"]
    return [*lists, *(name for name in columns if name.startswith("raw_"))]


def _merge(
    duck: duckdb.DuckDBPyConnection, entity: str, columns: Collection[str], key: str
) -> None:
    """Give the first of the rows in `hits` the lists of all with its key."""
    lists = _lists(entity, columns)
    joined = (f"{_joined(name)} AS {name}" for name in lists)
    where = {"entity": entity, "what": key}
    duck.execute(_sql("merged", lists=", ".join(joined), key=key, **where))
    values = {name: _sql("value_of_merged", c=name, **where) for name in lists}
    _replace(duck, entity, values, key)


def _joined(name: str) -> str:
    if not name.startswith("raw_"):
        return _sql("joined_list", c=f"w.{name}")
    one = f"CASE WHEN len(w.{name}) = 1 THEN w.{name}[1] END"
    otherwise = {
        "raw_roles": one,
        "raw_school_external_ids": f"{one}, w.primary_school_external_id",
    }
    aligned = _sql("aligned", c=f"w.{name}", otherwise=otherwise.get(name, "NULL"))
    return f"flatten(list({aligned} ORDER BY place))"


def _replace(
    duck: duckdb.DuckDBPyConnection, entity: str, values: dict[str, str], what: str
) -> None:
    """Give columns of `work.<entity>` other values, SQL over its rows `w`."""
    columns = ", ".join(f"{sql} AS {name}" for name, sql in values.items())
    duck.execute(_sql("replaced", entity=entity, columns=columns, what=what))
