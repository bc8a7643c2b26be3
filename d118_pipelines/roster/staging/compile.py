"""Sources of a mapping as DuckDB expressions over a raw relation.

Called by `row_rules.py`. A relation has a column `record` with JSON, or typed columns;
a path that leads nowhere gives null in both. The grammar of sources is in
`model/source_paths.py`, what the values must be in `field_rules.py`. Rule:
docs/reference/mapping_files.md, sources.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from d118_pipelines.kernel.sql_text import identifier, literal
from d118_pipelines.roster.model.source_paths import Path, Source, Step

if TYPE_CHECKING:
    from duckdb.sqltypes import DuckDBPyType

RECORD = "record"
FOUND = "_found"  # the column with the values of all plain JSON paths
_INTEGERS = {"tinyint", "smallint", "integer", "bigint", "hugeint", "utinyint"} | {
    "usmallint",
    "uinteger",
    "ubigint",
    "uhugeint",
}
_FRACTIONS = {"decimal", "float", "double"}


@dataclass(slots=True)
class Relation:
    """The columns that sources are looked up in; collects the JSON paths wanted."""

    columns: dict[str, DuckDBPyType]
    json_paths: list[str] = field(default_factory=list)

    @property
    def is_json(self) -> bool:
        """Whether rows are JSON records."""
        return RECORD in self.columns

    def found_column(self) -> str:
        """All collected JSON paths in one look at the record, as `_found`."""
        if not self.json_paths:
            return f"CAST(NULL AS VARCHAR[]) AS {FOUND}"
        paths = ", ".join(map(literal, self.json_paths))
        return f"json_extract_string({RECORD}, [{paths}]) AS {FOUND}"

    def text(self, source: Source, *, is_date: bool = False) -> str:
        """The source as one text (VARCHAR)."""
        if source.value is not None:
            return literal(source.value)
        found = [self._text(path, is_date) for path in source.paths]
        text = _first(found, lambda sql: f"nullif(trim({sql}), '')")
        return f"{literal(source.prefix)} || ({text})" if source.prefix else text

    def texts(self, source: Source) -> str:
        """The source as a list of texts (VARCHAR[]); objects are JSON text."""
        if source.value is not None:
            return f"[{literal(source.value)}]"
        found = [self._texts(path) for path in source.paths]
        filled = "lambda v: v IS NOT NULL AND v <> ''"
        text = _first(
            found,
            lambda sql: (
                f"CASE WHEN len(list_filter({sql}, {filled})) > 0 THEN {sql} END"
            ),
        )
        if not source.prefix:
            return text
        return f"list_transform({text}, lambda v: {literal(source.prefix)} || v)"

    def _text(self, path: Path, is_date: bool) -> str:
        if self.is_json:
            return self._json_text(path)
        if path[0].name not in self.columns:
            return "CAST(NULL AS VARCHAR)"
        return _typed_text(
            identifier(path[0].name), self.columns[path[0].name], path, is_date
        )

    def _texts(self, path: Path) -> str:
        if self.is_json:
            return json_texts(RECORD, path)
        if path[0].name not in self.columns:
            return "CAST(NULL AS VARCHAR[])"
        return _typed_texts(identifier(path[0].name), self.columns[path[0].name], path)

    def _json_text(self, path: Path) -> str:
        if any(step.match or step.each for step in path):
            return json_text(RECORD, path)
        last = path[-1]
        value = self._plain(path)
        if last.index != 0:
            return value
        # A list that comes as one text is read as a list with one element.
        return f"coalesce({value}, {self._plain((*path[:-1], Step(last.name)))})"

    def _plain(self, path: Path) -> str:
        where = _json_path(path)
        if where not in self.json_paths:
            self.json_paths.append(where)
        found = f"{FOUND}[{self.json_paths.index(where) + 1}]"
        return _scalar(found, f"json_type({RECORD}, {literal(where)})")


def json_text(base: str, path: Path) -> str:
    """One text out of JSON by any path."""
    split = _special(path)
    if split is None:
        where = literal(_json_path(path))
        return _scalar(
            f"json_extract_string({base}, {where})", f"json_type({base}, {where})"
        )
    step, rest = path[split], path[split + 1 :]
    if step.each:
        return f"({json_texts(base, path)})[1]"
    assert step.match is not None
    elements = (
        f"json_extract({base}, {literal(_json_path(path[:split], step) + '[*]')})"
    )
    wanted = literal(_folded_text(step.match[1]))
    key = f"json_extract_string(e, {literal(_json_path((Step(step.match[0]),)))})"
    element = f"list_filter({elements}, lambda e: {_folded(key)} = {wanted})[1]"
    return json_text(element, rest) if rest else f"json_extract_string({element}, '$')"


def json_texts(base: str, path: Path) -> str:
    """A list of texts out of JSON; `[]` keeps a null for every element without value."""
    split = next((i for i, step in enumerate(path) if step.each), None)
    if split is None:
        return _json_list(base, literal(_json_path(path)), path[-1])
    step, rest = path[split], path[split + 1 :]
    where = _json_path(path[:split], step)
    if not rest:
        return _json_list(base, literal(where), step)
    elements = f"json_extract({base}, {literal(where + '[*]')})"
    value = f"json_extract_string(e, {literal(_json_path(rest))})"
    return f"list_transform({elements}, lambda e: {value})"


def _json_list(base: str, where: str, last: Step) -> str:
    elements = f"json_extract({base}, {where[:-1]}[*]')"
    one = f"[json_extract_string({base}, {where})]"
    return (
        f"CASE json_type({base}, {where}) WHEN 'ARRAY' THEN list_transform({elements}, "
        f"lambda e: json_extract_string(e, '$')) WHEN 'NULL' THEN NULL ELSE "
        f"CASE WHEN {one}[1] IS NOT NULL THEN {one} END END"
    )


def _scalar(value: str, kind: str) -> str:
    """Null where the value is an object or a list: those are no text."""
    looks_so = f"starts_with({value}, '{{') OR starts_with({value}, '[')"
    return (
        f"CASE WHEN ({looks_so}) AND {kind} IN ('OBJECT', 'ARRAY') "
        f"THEN NULL ELSE {value} END"
    )


def _json_path(path: Path, last: Step | None = None) -> str:
    steps = "".join(
        f'."{step.name}"' + (f"[{step.index}]" if step.index is not None else "")
        for step in path
    )
    return f'${steps}."{last.name}"' if last else f"${steps}"


def _special(path: Path) -> int | None:
    return next((i for i, step in enumerate(path) if step.match or step.each), None)


def _folded(sql: str) -> str:
    return f"replace(replace(lower({sql}), ' ', ''), '_', '')"


def _folded_text(text: str) -> str:
    return text.lower().replace(" ", "").replace("_", "")


def _first(found: list[str], filled: object) -> str:
    assert callable(filled)
    if len(found) == 1:
        return found[0]
    return "coalesce(" + ", ".join(map(filled, found)) + ")"


def _typed_text(
    value: str, kind: DuckDBPyType, path: Path, is_date: bool = False
) -> str:
    """One text out of a typed value; `path[0]` is the step that led to it."""
    if str(kind) == "JSON":
        return json_text(value, (Step("$"), *path[1:]))
    step, rest = path[0], path[1:]
    if step.each:
        return f"({_typed_texts(value, kind, path)})[1]"
    if kind.id == "list" and (step.index is not None or step.match):
        value, kind = _element(value, kind, step)
    elif step.index or step.match:
        return "CAST(NULL AS VARCHAR)"
    if not rest:
        return _cast(value, kind, is_date)
    child = _child(value, kind, rest[0].name)
    return _typed_text(*child, rest, is_date) if child else "CAST(NULL AS VARCHAR)"


def _typed_texts(value: str, kind: DuckDBPyType, path: Path) -> str:
    step, rest = path[0], path[1:]
    if kind.id == "list" and (step.each or not rest):
        element = _types(kind)["child"]
        inner = _typed_text("e", element, (Step(step.name), *rest))
        if not rest and element.id in ("struct", "list"):
            inner = "CAST(to_json(e) AS VARCHAR)"
        return f"list_transform({value}, lambda e: {inner})"
    if rest and not step.each:
        if kind.id == "list":
            value, kind = _element(value, kind, step)
        child = _child(value, kind, rest[0].name)
        return _typed_texts(*child, rest) if child else "CAST(NULL AS VARCHAR[])"
    text = _typed_text(value, kind, (Step(step.name), *rest))
    return f"CASE WHEN {text} IS NOT NULL THEN [{text}] END"


def _element(value: str, kind: DuckDBPyType, step: Step) -> tuple[str, DuckDBPyType]:
    element = _types(kind)["child"]
    if step.match is None:
        return f"{value}[{(step.index or 0) + 1}]", element
    child = _child("e", element, step.match[0])
    key = _typed_text(*child, (Step(step.match[0]),)) if child else "NULL"
    wanted = literal(_folded_text(step.match[1]))
    return f"list_filter({value}, lambda e: {_folded(key)} = {wanted})[1]", element


def _child(
    value: str, kind: DuckDBPyType, name: str
) -> tuple[str, DuckDBPyType] | None:
    if kind.id != "struct" or name not in _types(kind):
        return None
    return f"struct_extract({value}, {literal(name)})", _types(kind)[name]


def _types(kind: DuckDBPyType) -> dict[str, DuckDBPyType]:
    """The fields of a structure, or `child` of a list."""
    return {name: cast("DuckDBPyType", part) for name, part in kind.children}


def _cast(value: str, kind: DuckDBPyType, is_date: bool) -> str:
    """A scalar as a source would write it; structures give null."""
    if kind.id == "varchar":
        return value
    if kind.id.startswith("timestamp"):
        if is_date:
            return f"CAST(CAST({value} AS DATE) AS VARCHAR)"
        return f"strftime({value}, '%Y-%m-%dT%H:%M:%S.%gZ')"
    if kind.id in _FRACTIONS:
        return f"regexp_replace(CAST({value} AS VARCHAR), '\\.0+$', '')"
    if kind.id in _INTEGERS | {"boolean", "date", "uuid"}:
        return f"CAST({value} AS VARCHAR)"
    return "CAST(NULL AS VARCHAR)"
