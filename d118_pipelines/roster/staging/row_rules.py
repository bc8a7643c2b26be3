"""The statement that reads the rows of one entity and judges each of them.

Called by `staging.py`: nested SELECTs, one level per step. One field is in
`field_rules.py`, fields compared with each other in `record_rules.py`, other rows in
`key_rules.py`, other records in `reference_rules.py`, roles in `role_rules.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from d118_pipelines.kernel.sql_text import literal
from d118_pipelines.roster.model.entities import ENTITIES
from d118_pipelines.roster.model.mapping import ROLE_LISTS
from d118_pipelines.roster.model.vocabulary import NO_CONTACTS, NOBODY, PLACEHOLDERS
from d118_pipelines.roster.staging.compile import FOUND
from d118_pipelines.roster.staging.field_rules import (
    EMAILS,
    FILLED_LATER,
    NO_LIST,
    NO_TEXT,
    EndpointRows,
    FieldCompiler,
    clean_list,
    kept_texts,
    staged_fields,
)
from d118_pipelines.roster.staging.findings import Rule, RuleSet
from d118_pipelines.roster.staging.record_rules import record_rules, record_values
from d118_pipelines.roster.staging.transforms import (
    trimmed,
    without_invisible,
    without_placeholder,
)

ORIGIN = ["source_file", "source_line", "raw_collection", "raw_row"]
# Columns that name the fields of a row, and the rules that they are the detail of.
ODD_TEXTS = ["placeholder", "invisible"]
_NOTHING = dict.fromkeys(("first_name", "last_name"), NOBODY) | dict.fromkeys(
    (*EMAILS, "phone", "sms"), NO_CONTACTS
)


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
        for name in ODD_TEXTS:
            rule = Rule(f"row.{name}", "warn", "", name)
            rows.conditions[self.rules.add(rule)] = f"{name} <> ''"
        for rule, condition in record_rules(rows, self.entity.name):
            rows.conditions[self.rules.add(rule)] = condition

    @property
    def empty(self) -> set[str]:
        """The fields that no row of any endpoint fills."""
        names = (f.name for f in staged_fields(self.entity))
        return {n for n in names if not any(r.fills(n) for r, _ in self._selects)}

    @property
    def value_columns(self) -> list[str]:
        """The columns of `sql` that are the record itself."""
        rows, values = self._selects[0]
        return list(self._final(rows, values))

    def sql(self) -> str:
        """The SELECT of all endpoints, with the mask columns of the rules."""
        return " UNION ALL ".join(self._select(*pair) for pair in self._selects)

    def _select(self, rows: EndpointRows, values: Mapping[str, str]) -> str:
        levels = self._levels(rows)
        converted = ", ".join(f"{sql} AS v_{name}" for name, sql in values.items())
        outer = ", ".join(
            [
                *(f"{sql} AS {n}" for n, sql in self._final(rows, values).items()),
                *ORIGIN,
                *(f"{sql} AS {n}" for n, sql in kept_texts(self.entity.name).items()),
                *ODD_TEXTS,
                f"{str(rows.is_api).lower()} AS is_api",
                *self.rules.masks(rows.conditions),
            ]
        )
        found = rows.columns.found_column() if rows.columns.is_json else f"0 AS {FOUND}"
        relation = f"(SELECT *, {found} FROM {rows.relation})"
        relation = f"(SELECT {_origin(rows)}, {', '.join(levels[0])} FROM {relation})"
        for columns in filter(None, levels[1:]):
            relation = f"(SELECT *, {', '.join(columns)} FROM {relation})"
        return f"SELECT {outer} FROM (SELECT *, {converted} FROM {relation})"

    def _levels(self, rows: EndpointRows) -> list[list[str]]:
        """As sent (`o_`), without what cannot be seen (`r_`), trimmed (`t_`), without
        words that stand for nothing (`c_`); and `ODD_TEXTS`."""
        sent, visible, trim, cleaned = [], [], [], []
        for name, kind in self._inputs().items():
            source, raw = rows.source(name), f"r_{name}"
            if not rows.fills(name):
                sent.append(f"{NO_LIST if kind == 'list' else NO_TEXT} AS c_{name}")
                continue
            if kind == "list":
                sent.append(f"{rows.columns.texts(source)} AS {raw}")
                trim.append(f"{clean_list(name)} AS c_{name}")
                continue
            sql = rows.columns.text(source, is_date=kind == "date")
            sent.append(f"{sql} AS o_{name}")
            is_text = name in self._texts
            visible.append(
                f"{without_invisible(f'o_{name}') if is_text else f'o_{name}'} AS {raw}"
            )
            trim.append(f"{trimmed(raw)} AS t_{name}")
            blank = f"t_{name}"
            if is_text:
                blank = without_placeholder(blank, self._texts[name])
            cleaned.append(f"{_cased(blank, source.transform)} AS c_{name}")
        return [sent, visible, trim, cleaned, self._odd_texts(rows)]

    @property
    def _texts(self) -> dict[str, Sequence[str]]:
        """Field -> words that are no value of it; keys and references stay as sent."""
        texts: dict[str, Sequence[str]] = {}
        for one in staged_fields(self.entity):
            if one.kind == "list" or one.refers_to:
                continue
            texts[one.name] = ()
            is_later = (self.entity.name, one.name) in FILLED_LATER
            if one.kind == "text" and (is_later or not one.required):
                texts[one.name] = _NOTHING.get(one.name, PLACEHOLDERS)
        return texts

    def _odd_texts(self, rows: EndpointRows) -> list[str]:
        """The names of the fields with words for nothing, with marks that nobody sees."""
        texts = [name for name in self._texts if rows.fills(name)]
        words = ((n, f"t_{n} IS NOT NULL AND c_{n} IS NULL") for n in texts)
        marks = ((n, f"o_{n} <> r_{n}") for n in texts)
        return [f"{_listed(words)} AS placeholder", f"{_listed(marks)} AS invisible"]

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


def _listed(fields: Iterable[tuple[str, str]]) -> str:
    """SQL: the names of the fields whose condition is true, as one text."""
    names = [f"CASE WHEN {sql} THEN {literal(name)} END" for name, sql in fields]
    return f"concat_ws(', ', {', '.join(names)})" if names else "''"


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
