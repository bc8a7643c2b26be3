"""A query made ready for the embedded engine, kept on disk between runs.

Called by `embedded.py`. Parsing takes as long as all the rest of a small extract, so
what comes of it is kept under a name that changes with query, schema and both engines'
versions.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from d118_pipelines.sources.powerschool import schema
from d118_pipelines.sources.powerschool.source import Query

_DUCKDB_TYPES = {
    "int64": "BIGINT",
    "double": "DOUBLE",
    "string": "VARCHAR",
    "timestamp[us]": "TIMESTAMP",
}


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that the embedded engine needs of a query.

    sql: DuckDB text whose result has exactly the promised columns and types, '' as
    null. tables: base table -> column -> DuckDB type. columns: base table -> columns
    read. views: statements that make the views it reads. binds: names, in lower case.
    """

    sql: str
    tables: Mapping[str, Mapping[str, str]]
    columns: Mapping[str, list[str]]
    views: list[str]
    binds: list[str]


def prepare(query: Query, cache: Path | None = None) -> Prepared:
    """The query made ready, from `cache` if it is there, else made and put there.

    Raises: as `schema.translate` and `schema.expected_schema`.
    """
    if cache is None:
        return _make(query)
    path = cache / f"{query.name}-{_key(query)}.json"
    if path.is_file():
        return Prepared(**json.loads(path.read_text(encoding="utf-8")))
    made = _make(query)
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = path.with_suffix(f".{os.getpid()}.part")
    partial.write_text(json.dumps(asdict(made)), encoding="utf-8")
    partial.chmod(0o600)
    partial.replace(path)
    return made


def _key(query: Query) -> str:
    digest = hashlib.sha256(query.sql.encode("utf-8"))
    digest.update(schema.schema_file().read_bytes())
    digest.update(f"{version('sqlglot')} {version('duckdb')}".encode())
    return digest.hexdigest()[:16]


def _make(query: Query) -> Prepared:
    names = schema.tables_read(query)
    columns = schema.columns_read(query)
    return Prepared(
        sql=_promised(query),
        tables={name: dict(schema.table(name).columns) for name in names},
        columns={name: sorted(columns[name]) for name in names},
        views=schema.view_statements(names),
        binds=sorted(schema.bind_names(query)),
    )


def _promised(query: Query) -> str:
    """The translated query, cast to the types that every source promises."""
    shown = []
    for field in schema.expected_schema(query):
        kind = str(field.type)
        duckdb_type = _DUCKDB_TYPES.get(kind, kind.replace("decimal128", "DECIMAL"))
        value = f'CAST("{field.name}" AS {duckdb_type})'
        text = f"nullif({value}, '')" if duckdb_type == "VARCHAR" else value
        shown.append(f'{text} AS "{field.name}"')
    return f"SELECT {', '.join(shown)} FROM ({schema.translate(query)})"
