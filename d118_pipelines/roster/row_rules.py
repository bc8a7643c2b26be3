"""What one row must be: its values as SQL, and the rules that it may break.

Belongs here: everything that a row shows by itself. Not here: other rows
(`key_rules.py`), other records (`reference_rules.py`), roles (`user_roles.py`).
Rule: docs/reference/staging.md, rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from d118_pipelines.roster import vocabulary
from d118_pipelines.roster.compile import FOUND, Relation
from d118_pipelines.roster.findings import Rule, RuleSet, Severity
from d118_pipelines.roster.mapping import PERSONAL, ROLE_LISTS, Endpoint
from d118_pipelines.roster.model import ENTITIES, Entity, Field
from d118_pipelines.roster.record_rules import record_rules, record_values
from d118_pipelines.roster.source_paths import Source
from d118_pipelines.roster.transforms import (
    Converted,
    choose,
    distinct_list,
    literal,
    parse_boolean,
    parse_boolean_words,
    parse_date,
    parse_enum,
    parse_grade,
    parse_grades,
    parse_number,
    parse_timestamp,
    parse_year,
    trimmed,
    trimmed_list,
    words,
)

ORIGIN = ["source_file", "source_line", "raw_collection", "raw_row"]
YEARS = {"school_year", "graduation_year"}
GRADES = {"grade_level", "low_grade", "high_grade"}
ALIGNED = {"subjects", "subject_codes"}  # element for element; never shortened
LONG, TOO_LONG = 255, 65536
NO_TEXT, NO_LIST = "CAST(NULL AS VARCHAR)", "CAST(NULL AS VARCHAR[])"
_ABSENT = Source()


@dataclass(slots=True)
class EndpointRows:
    """One endpoint of an entity: where its rows come from, and what is compiled."""

    endpoint: Endpoint
    relation: str
    columns: Relation
    role_map: Mapping[str, str]
    date_order: str | None
    is_api: bool
    is_delta: bool
    field_conditions: dict[int, str] = field(default_factory=dict)
    row_conditions: dict[int, str] = field(default_factory=dict)

    def source(self, name: str) -> Source:
        """The source of a target; one without paths where the mapping has none."""
        return self.endpoint.fields.get(name, _ABSENT)

    def has(self, name: str) -> bool:
        """Whether the mapping fills the target."""
        return name in self.endpoint.fields


def staged_fields(entity: Entity) -> list[Field]:
    """The fields that rows are read into: the model's, and the birth data that come
    with demographics."""
    if entity.name != "demographics":
        return list(entity.fields)
    users = ENTITIES["users"]
    return [*entity.fields, *(users.field(name) for name in PERSONAL)]


def enum_name(entity: str, name: str) -> str | None:
    """The vocabulary of a field, as `entity.field`."""
    full = "users.gender" if name == "gender" else f"{entity}.{name}"
    return full if full in vocabulary.ENUMS else None


class RowCompiler:
    """Compiles the endpoints of one entity to one SELECT with the same columns."""

    def __init__(self, entity: str) -> None:
        self.entity = ENTITIES[entity]
        self.field_rules = RuleSet("m")
        self.row_rules = RuleSet("s")
        self._selects: list[EndpointRows] = []
        self._values: list[dict[str, str]] = []

    def add(self, rows: EndpointRows) -> None:
        """Compile the values and rules of one more endpoint."""
        values = {
            "external_id": self._external_id(rows),
            "status": self._status(rows),
            "source_modified_at": self._checked(
                rows, "source_modified_at", parse_timestamp("c_source_modified_at")
            ),
        }
        for one in staged_fields(self.entity):
            values[one.name] = self._field(rows, one)
        if self.entity.name == "users":
            values |= {f"raw_{n}": f"c_{n}" for n in ["roles", *ROLE_LISTS]}
        self._values.append(values)
        self._selects.append(rows)
        self._judge_row(rows)

    @property
    def value_columns(self) -> list[str]:
        """The columns of `sql` that are the record itself."""
        return list(self._final(self._selects[0], list(self._values[0])))

    def sql(self) -> str:
        """The SELECT of all endpoints, with the mask columns of both rule sets."""
        pairs = zip(self._selects, self._values, strict=True)
        return " UNION ALL ".join(self._select(*pair) for pair in pairs)

    def _select(self, rows: EndpointRows, values: Mapping[str, str]) -> str:
        raw, cleaned = self._raw_and_cleaned(rows)
        origin = ", ".join(ORIGIN)
        converted = ", ".join(
            [
                *(f"{sql} AS v_{name}" for name, sql in values.items()),
                *(f"c_{n} AS w_{n}" for n in self._word_fields()),
                *self.field_rules.masks(rows.field_conditions),
            ]
        )
        final = self._final(rows, list(values))
        outer = ", ".join(
            [
                *(f"{sql} AS {name}" for name, sql in final.items()),
                origin,
                *(f"w_{name}" for name in self._word_fields()),
                f"{str(rows.is_api).lower()} AS is_api",
                f"{str(rows.is_delta).lower()} AS is_delta",
                *self.field_rules.columns,
                *self.row_rules.masks(rows.row_conditions),
            ]
        )
        found = rows.columns.found_column() if rows.columns.is_json else f"0 AS {FOUND}"
        return (
            f"SELECT {outer} FROM (SELECT {origin}, {converted} FROM ("
            f"SELECT {origin}, {cleaned} FROM (SELECT {_origin(rows)}, {raw} "
            f"FROM (SELECT *, {found} FROM {rows.relation}))))"
        )

    def _word_fields(self) -> list[str]:
        """Fields whose unknown word is shown in the finding."""
        return [
            f.name
            for f in staged_fields(self.entity)
            if f.name == "school_year"
            or (enum_name(self.entity.name, f.name) and f.name != "gender")
        ]

    def _raw_and_cleaned(self, rows: EndpointRows) -> tuple[str, str]:
        raw, cleaned = [], []
        for name, kind in self._inputs().items():
            source = rows.source(name)
            if kind == "list":
                sql = rows.columns.texts(source) if rows.has(name) else NO_LIST
                clean = _clean_list(name)
            else:
                is_date = kind == "date"
                sql = NO_TEXT
                if rows.has(name):
                    sql = rows.columns.text(source, is_date=is_date)
                clean = f"nullif({trimmed(f'r_{name}')}, '')"
                clean = _cased(clean, source.transform)
            cleaned.append(f"r_{name}")
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

    # One field

    def _field(self, rows: EndpointRows, one: Field) -> str:
        if self.entity.name == "users" and one.name == "roles":
            return NO_TEXT  # made in user_roles.py
        if one.kind == "list":
            return self._list(rows, one)
        source = rows.source(one.name)
        column = f"c_{one.name}"
        if source.default is not None:
            self._rule(
                rows, Rule("row.defaulted", "warn", one.name), f"{column} IS NULL"
            )
            column = f"coalesce({column}, {literal(source.default)})"
        is_required = (one.required or source.required) and source.default is None
        if is_required and one.name not in ("first_name", "last_name"):
            missing = Rule("row.missing_required", "reject", one.name)
            self._rule(rows, missing, f"{column} IS NULL")
        if one.kind == "text":
            self._text_rules(rows, one.name, source.max_length)
        return self._checked(
            rows, one.name, self._converted(rows, one, column), is_required
        )

    def _converted(self, rows: EndpointRows, one: Field, column: str) -> Converted:
        transform = rows.source(one.name).transform
        vocabulary_of = enum_name(self.entity.name, one.name)
        if transform in ("parseDate", "nextDay") or one.kind == "date":
            return parse_date(column, rows.date_order, int(transform == "nextDay"))
        if one.kind == "boolean":
            is_lenient = transform == "parseBoolean"
            return parse_boolean_words(column) if is_lenient else parse_boolean(column)
        if one.name in YEARS:
            return parse_year(column)
        if one.kind in ("integer", "number"):
            kind = "INTEGER" if one.kind == "integer" else "DOUBLE"
            return parse_number(column, kind)
        if vocabulary_of is not None:
            return parse_enum(column, vocabulary_of, self._aliases(rows, one.name))
        if one.name in GRADES or transform == "gradeCode":
            return parse_grade(column)
        return Converted(column)

    def _aliases(self, rows: EndpointRows, name: str) -> dict[str, str]:
        if name == "gender":
            lenient = rows.source(name).transform == "normalizeGender"
            return dict(vocabulary.GENDER_ALIASES) if lenient else {}
        if name != "role":
            return {}
        known = vocabulary.ENUMS["enrollments.role"]
        return {w.lower(): r for w, r in rows.role_map.items() if r in known}

    def _list(self, rows: EndpointRows, one: Field) -> str:
        """JSON text of a list that is trimmed already; null when it is empty."""
        column, name = f"c_{one.name}", one.name
        if name == "grades":
            column = self._checked(rows, name, parse_grades(column))
        if name not in (*ALIGNED, "user_ids"):
            column = distinct_list(column, is_sorted=one.refers_to is not None)
        if rows.has(name):
            code = "row.bad_user_id" if name == "user_ids" else "row.list_form"
            shorter = f"len({column}) <> len(r_{name})"
            self._rule(rows, Rule(code, "warn", name), shorter)
        text = f"CAST(to_json({column}) AS VARCHAR)"
        if name == "user_ids":  # its elements are JSON already
            text = f"'[' || array_to_string(list_sort({column}), ',') || ']'"
        return f"CASE WHEN len({column}) > 0 THEN {text} END"

    def _external_id(self, rows: EndpointRows) -> str:
        column = "c_external_id"
        value = column
        is_derived = self.entity.name == "enrollments" and not (
            rows.source("external_id").required
        )
        if is_derived:
            value = f"coalesce({column}, {_derived_key()})"
        self._rule(
            rows,
            Rule("row.missing_required", "reject", "external_id"),
            f"{value} IS NULL",
        )
        odd = f"NOT regexp_full_match({column}, '[0-9A-Za-z._/@-]+')"
        unusable = (
            f"length({column}) > {LONG} OR regexp_matches({column}, '[\\x00-\\x1f]')"
        )
        self._rule(rows, Rule("row.bad_guid", "reject", "external_id"), unusable)
        self._rule(rows, Rule("row.bad_guid", "warn", "external_id"), odd)
        return value

    def _status(self, rows: EndpointRows) -> str:
        """`active`, `tobedeleted`, or null where the word is unknown."""
        table = {
            **dict.fromkeys(vocabulary.LIVE_WORDS, "active"),
            **dict.fromkeys(vocabulary.DELETED_WORDS, "tobedeleted"),
            **dict.fromkeys(vocabulary.INACTIVE_WORDS, "tobedeleted"),
        }
        if rows.source("status").transform == "parseBoolean":
            table |= dict.fromkeys(vocabulary.TRUE_WORDS, "active")
            table |= dict.fromkeys(
                [*vocabulary.FALSE_WORDS, "suspended"], "tobedeleted"
            )
        sql = choose("lower(c_status)", table)
        self._rule(
            rows,
            Rule("row.bad_status", "reject", "status"),
            f"c_status IS NOT NULL AND {sql} IS NULL",
        )
        if rows.source("status").transform != "parseBoolean":
            inactive = f"lower(c_status) IN {words(vocabulary.INACTIVE_WORDS)}"
            self._rule(rows, Rule("row.bad_status", "warn", "status"), inactive)
            cased = f"c_status <> lower(c_status) AND {sql} IS NOT NULL"
            self._rule(rows, Rule("row.enum_case", "warn", "status"), cased)
        return f"CASE WHEN c_status IS NULL THEN 'active' ELSE {sql} END"

    def _text_rules(
        self, rows: EndpointRows, name: str, max_length: int | None
    ) -> None:
        if not rows.has(name):
            return
        spaced = f"strlen(r_{name}) <> strlen(c_{name})"
        self._rule(rows, Rule("row.whitespace", "warn", name), spaced)
        limit = max_length or TOO_LONG
        self._rule(
            rows, Rule("row.too_long", "reject", name), f"length(c_{name}) > {limit}"
        )
        if max_length is None:
            long = f"length(c_{name}) > {LONG}"
            self._rule(rows, Rule("row.too_long", "warn", name), long)

    def _checked(
        self,
        rows: EndpointRows,
        name: str,
        converted: Converted,
        is_required: bool = False,
    ) -> str:
        for check in converted.checks:
            severity: Severity = "reject" if check.is_lost and is_required else "warn"
            detail = "''"
            if check.code == "row.bad_enum" and name in self._word_fields():
                detail = shown_word(f"w_{name}")
            self._rule(rows, Rule(check.code, severity, name, detail), check.condition)
        return converted.sql

    def _rule(self, rows: EndpointRows, rule: Rule, condition: str) -> None:
        rows.field_conditions[self.field_rules.add(rule)] = condition

    # The row as a whole

    def _judge_row(self, rows: EndpointRows) -> None:
        for rule, condition in record_rules(rows, self.entity.name):
            rows.row_conditions[self.row_rules.add(rule)] = condition

    def _final(self, rows: EndpointRows, names: list[str]) -> dict[str, str]:
        changed = record_values(rows, self.entity.name)
        final = {name: f"v_{name}" for name in names} | changed
        first = ["external_id", "status", "inactive_reason", "source_modified_at"]
        return {name: final[name] for name in [*first, *final]}


def _clean_list(name: str) -> str:
    raw = f"r_{name}"
    if name in ("roles", *ROLE_LISTS):
        return raw  # they stay aligned; user_roles.py cleans the elements
    if name == "user_ids":
        objects = (
            f"list_filter({raw}, lambda e: starts_with(e, '{{') AND json_valid(e))"
        )
        pairs = (
            f"list_transform({objects}, "
            "lambda e: json_extract_string(e, ['$.type', '$.identifier']))"
        )
        filled = (
            f"list_filter({pairs}, lambda p: trim(p[1]) <> '' AND trim(p[2]) <> '')"
        )
        return (
            f"list_transform({filled}, lambda p: CAST(json_object('type', trim(p[1]), "
            "'identifier', trim(p[2])) AS VARCHAR))"
        )
    if name in ALIGNED:
        raw = f"list_transform({raw}, lambda e: replace(e, ',', ''))"
    return trimmed_list(raw)


def shown_word(column: str) -> str:
    """SQL: the unknown word, where it is a plain word; values of people are not."""
    plain = f"regexp_full_match({column}, '[A-Za-z][A-Za-z:_ -]{{0,29}}')"
    return f"CASE WHEN {plain} THEN 'the word is ' || {column} ELSE '' END"


def _cased(sql: str, transform: str | None) -> str:
    if transform == "lowercase":
        return f"lower({sql})"
    return f"upper({sql})" if transform == "uppercase" else sql


def _derived_key() -> str:
    """The key of an enrollment that has none: class, user, role and begin date."""
    parts = "c_class_external_id, c_user_external_id, lower(coalesce(c_role, ''))"
    return (
        "CASE WHEN c_class_external_id IS NOT NULL AND c_user_external_id IS NOT NULL "
        f"THEN 'e-' || md5(concat_ws(chr(10), {parts}, coalesce(c_begin_date, ''))) END"
    )


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
