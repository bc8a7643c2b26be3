"""Raw collections and the queries of a mapping as relations of the session.

Called by `staging.py`. Every collection is `raw.<collection>` with its own columns and
`_file`, `_line`, `_collection` and `_row`; what the columns mean is said by the mapping
and compiled in `compile.py`.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d118_pipelines.config.yaml_files import shown_path
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.absence import Absence
from d118_pipelines.kernel.sql_text import identifier, literal
from d118_pipelines.roster.model.mapping import Endpoint
from d118_pipelines.roster.model.source_paths import Source
from d118_pipelines.roster.staging.compile import RECORD, Relation
from d118_pipelines.roster.staging.findings import Rule, judge_table

if TYPE_CHECKING:
    import duckdb

NEVER_NUL = {"record", "_file", "_collection"}
_PARAMETER = re.compile(r"\$([a-z_][a-z0-9_]*)")


@dataclass(frozen=True, slots=True)
class RawCollection:
    """One collection of a stored pull. `path` is that of `file` below `D118_HOME`."""

    name: str
    file: Path
    path: str
    absence: Absence
    is_delta: bool
    rows: int


def attach_raw(
    duck: duckdb.DuckDBPyConnection, collections: Iterable[RawCollection]
) -> None:
    """Make the schema `raw` with one view per collection."""
    duck.execute("CREATE SCHEMA raw")
    shapes = {one: duck.sql(f"FROM {_rows_of(one)} LIMIT 0") for one in collections}
    texts = {one: _texts(shape) for one, shape in shapes.items()}
    with_nul = _with_nul(duck, texts)
    for one, shape in shapes.items():
        own = [
            c for c in ("_file", "_line", "_collection", "_row") if c in shape.columns
        ]
        clean = ""
        if one in with_nul:
            clean = _without_nul(duck, one, shape.columns[0], texts[one])
        hidden = ", ".join([*own, "file_row_number"])
        line = "_line" if "_line" in own else "file_row_number + 1"
        file = "_file" if "_file" in own else literal(one.name)
        duck.execute(
            f"CREATE VIEW raw.{identifier(one.name)} AS SELECT * EXCLUDE ({hidden}){clean}, "
            f"{file} AS _file, {line} AS _line, {literal(one.name)} AS _collection, "
            f"file_row_number AS _row FROM {_rows_of(one)}"
        )


def _rows_of(one: RawCollection) -> str:
    return f"read_parquet({literal(str(one.file))}, file_row_number = true)"


def _texts(shape: duckdb.DuckDBPyRelation) -> list[str]:
    """The columns that may have a NUL. JSON has none: it is taken out while the pull is
    written."""
    kinds = zip(shape.columns, map(str, shape.types), strict=True)
    return [c for c, kind in kinds if kind == "VARCHAR" and c not in NEVER_NUL]


def _has_nul(texts: Iterable[str]) -> str:
    return f"contains(concat_ws('', {', '.join(map(identifier, texts))}), chr(0))"


def _with_nul(
    duck: duckdb.DuckDBPyConnection, texts: Mapping[RawCollection, Sequence[str]]
) -> set[RawCollection]:
    """The collections with a NUL in any row: one statement for all of them."""
    asked = {one: _has_nul(names) for one, names in texts.items() if names}
    if not asked:
        return set()
    found = ", ".join(
        f"EXISTS (FROM {_rows_of(one)} WHERE {has_nul})"
        for one, has_nul in asked.items()
    )
    [answers] = duck.execute(f"SELECT {found}").fetchall()
    return {one for one, answer in zip(asked, answers, strict=True) if answer}


def _without_nul(
    duck: duckdb.DuckDBPyConnection,
    one: RawCollection,
    key: str,
    texts: Sequence[str],
) -> str:
    """Report the rows of a table that have a NUL; the SQL that takes it out."""
    names = [identifier(c) for c in texts]
    fields = ", ".join(
        f"CASE WHEN contains({name}, chr(0)) THEN {literal(text)} END"
        for name, text in zip(names, texts, strict=True)
    )
    # Files that are made of others are not reported twice.
    select = (
        f"SELECT replace(CAST({identifier(key)} AS VARCHAR), chr(0), '')"
        f" AS external_id, {literal(one.name)} AS source_file, "
        "file_row_number + 1 AS source_line, "
        f"concat_ws(', ', {fields}) AS fields FROM {_rows_of(one)} "
        f"WHERE {_has_nul(texts)}"
    )
    if one.path:
        rule = Rule("row.bad_character", "warn", detail="'NUL; removed: ' || fields")
        judge_table(duck, "", "with_nul", select, [(rule, "true")])
    changed = ", ".join(f"replace({n}, chr(0), '') AS {n}" for n in names)
    return f" REPLACE ({changed})"


def endpoint_relation(
    duck: duckdb.DuckDBPyConnection,
    endpoint: Endpoint,
    parameters: Mapping[str, Any],
) -> str:
    """The relation that an endpoint's sources are looked up in.

    Raises: ConfigurationError if the endpoint's query cannot run.
    """
    if endpoint.query is None:
        return f"raw.{identifier(endpoint.collection)}"
    import duckdb  # heavy: only while staging

    sql = endpoint.query.read_text(encoding="utf-8").strip().rstrip(";")
    filled = _PARAMETER.sub(lambda m: _value(m[1], parameters, endpoint.query), sql)
    name = f"shaped.{identifier(endpoint.name)}"
    try:
        duck.execute(f"CREATE VIEW {name} AS {filled}")
    except duckdb.Error as exc:
        raise _unusable(endpoint.query, str(exc).splitlines()[0]) from None
    return name


def empty_targets(
    duck: duckdb.DuckDBPyConnection,
    relation: str,
    columns: Relation,
    fields: Mapping[str, Source],
) -> frozenset[str]:
    """The targets whose sources are null in every row, or not there."""
    roots = sorted({path[0].name for one in fields.values() for path in one.paths})
    if columns.is_json:
        paths = ", ".join(literal(f'$."{root}"') for root in roots)
        rows = f"(SELECT json_extract_string({RECORD}, [{paths}]) AS f FROM {relation})"
        counted = [f"count(f[{i}])" for i in range(1, len(roots) + 1)]
    else:
        rows = relation
        roots = [root for root in roots if root in columns.columns]
        counted = [f"count({identifier(root)})" for root in roots]
    if not roots:
        return frozenset()
    [counts] = duck.execute(f"SELECT {', '.join(counted)} FROM {rows}").fetchall()
    filled = {root for root, count in zip(roots, counts, strict=True) if count}
    return frozenset(
        name
        for name, one in fields.items()
        if one.value is None and not any(path[0].name in filled for path in one.paths)
    )


def _value(name: str, parameters: Mapping[str, Any], query: Path | None) -> str:
    if name not in parameters:
        raise _unusable(query, f"${name} is not known")
    value = parameters[name]
    if value is None:
        return "NULL"
    if isinstance(value, dt.date):
        return f"DATE '{value:%Y-%m-%d}'"
    return literal(value) if isinstance(value, str) else str(value)


def _unusable(query: Path | None, problem: str) -> ConfigurationError:
    shown = shown_path(query) if query else ""
    return ConfigurationError(
        f"{shown} cannot be run: {problem}",
        where=shown,
        not_done="Nothing was staged.",
        next_step="Correct the query, then run the sync again.",
    )
