"""The statement that reads the rows of one entity and judges each of them.

Called by `staging.py`: nested SELECTs, one level per step. One field is in
`field_rules.py`, fields compared with each other in `record_rules.py`, other rows in
`key_rules.py`, other records in `reference_rules.py`, roles in `role_rules.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from d118_pipelines.kernel.sql_text import literal
from d118_pipelines.roster.model.entities import ENTITIES
from d118_pipelines.roster.model.mapping import ROLE_LISTS
from d118_pipelines.roster.staging.compile import FOUND
from d118_pipelines.roster.staging.field_rules import (
    NO_LIST,
    NO_TEXT,
    EndpointRows,
    FieldCompiler,
    clean_list,
    staged_fields,
    word_fields,
)
from d118_pipelines.roster.staging.findings import RuleSet
from d118_pipelines.roster.staging.record_rules import record_rules, record_values
from d118_pipelines.roster.staging.transforms import trimmed

ORIGIN = ["source_file", "source_line", "raw_collection", "raw_row"]


class RowCompiler:
    """Compiles the endpoints of one entity to one SELECT with the same columns."""

    def __init__(self, entity: str) -> None:
        self.entity = ENTITIES[entity]
        self.rules = RuleSet()
        self._fields = FieldCompiler(self.entity, self.rules)
        self._selects: list[tuple[EndpointRows, dict[str, str]]] = []

    def add(self, rows: EndpointRows) -> None:
        """Compile the values and rules of one more endpoint."""
        self._selects.append((rows, self._fields.values(rows)))
        for rule, condition in record_rules(rows, self.entity.name):
            rows.conditions[self.rules.add(rule)] = condition

    @property
    def value_columns(self) -> list[str]:
        """The columns of `sql` that are the record itself."""
        rows, values = self._selects[0]
        return list(self._final(rows, values))

    def sql(self) -> str:
        """The SELECT of all endpoints, with the mask columns of the rules."""
        return " UNION ALL ".join(self._select(*pair) for pair in self._selects)

    def _select(self, rows: EndpointRows, values: Mapping[str, str]) -> str:
        raw, cleaned = self._raw_and_cleaned(rows)
        converted = ", ".join(f"{sql} AS v_{name}" for name, sql in values.items())
        outer = ", ".join(
            [
                *(f"{sql} AS {n}" for n, sql in self._final(rows, values).items()),
                *ORIGIN,
                *(f"c_{name} AS w_{name}" for name in word_fields(self.entity.name)),
                f"{str(rows.is_api).lower()} AS is_api",
                *self.rules.masks(rows.conditions),
            ]
        )
        found = rows.columns.found_column() if rows.columns.is_json else f"0 AS {FOUND}"
        return (
            f"SELECT {outer} FROM (SELECT *, {converted} FROM (SELECT *, {cleaned} "
            f"FROM (SELECT {_origin(rows)}, {raw} "
            f"FROM (SELECT *, {found} FROM {rows.relation}))))"
        )

    def _raw_and_cleaned(self, rows: EndpointRows) -> tuple[str, str]:
        raw, cleaned = [], []
        for name, kind in self._inputs().items():
            source, sql, clean = rows.source(name), NO_TEXT, f"r_{name}"
            if kind == "list":
                sql = rows.columns.texts(source) if rows.has(name) else NO_LIST
                clean = clean_list(name) if rows.has(name) else clean
            elif rows.has(name):
                sql = rows.columns.text(source, is_date=kind == "date")
                clean = _cased(trimmed(clean), source.transform)
            raw.append(f"{sql} AS r_{name}")
            cleaned.append(f"{clean} AS c_{name}")
        return ", ".join(raw), ", ".join(cleaned)

    def _inputs(self) -> dict[str, str]:
        """Every target that an endpoint of the entity may have, with its kind."""
        inputs: dict[str, str] = dict.fromkeys(
            ["external_id", "status", "source_modified_at"], "text"
        )
        inputs |= {f.name: f.kind for f in staged_fields(self.entity)}
        if self.entity.name == "users":
            inputs |= dict.fromkeys(["roles", *ROLE_LISTS], "list")
        return inputs

    def _final(self, rows: EndpointRows, values: Mapping[str, str]) -> dict[str, str]:
        """Column -> SQL over `v_*`; lists become JSON text."""
        final = {name: f"v_{name}" for name in values}
        for one in self.entity.fields:
            if one.kind == "list" and one.name != "roles":
                final[one.name] = _json(f"v_{one.name}", one.name)
        final |= record_values(rows, self.entity.name, final)
        first = ["external_id", "status", "inactive_reason", "source_modified_at"]
        return {name: final[name] for name in [*first, *final]}


def _json(column: str, name: str) -> str:
    text = f"CAST(to_json({column}) AS VARCHAR)"
    if name == "user_ids":  # its elements are JSON already
        text = f"'[' || array_to_string({column}, ',') || ']'"
    return f"CASE WHEN len({column}) > 0 THEN {text} END"


def _cased(sql: str, transform: str | None) -> str:
    if transform == "lowercase":
        return f"lower({sql})"
    return f"upper({sql})" if transform == "uppercase" else sql


def _origin(rows: EndpointRows) -> str:
    known = rows.columns.columns
    collection = literal(rows.endpoint.collection)
    collection = "_collection" if "_collection" in known else collection
    row = "CAST(_row AS BIGINT)" if "_row" in known else "CAST(NULL AS BIGINT)"
    line = "CAST(_line AS BIGINT)" if "_line" in known else f"{row} + 1"
    file = "_file" if "_file" in known else collection
    return (
        f"{file} AS source_file, {line} AS source_line, "
        f"{collection} AS raw_collection, {row} AS raw_row"
    )
