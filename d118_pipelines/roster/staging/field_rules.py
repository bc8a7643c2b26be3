"""What one field must be: its value as SQL, and the rules that it may break.

Called by `row_rules.py`, which makes the statement. Three levels of columns:
`r_<field>` as it was sent, `c_<field>` without blanks around it, `v_<field>` as the
model wants it. Fields are compared with each other in `record_rules.py`, texts
converted in `transforms.py`. Rule: docs/reference/staging.md, rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from d118_pipelines.kernel.finding import Level
from d118_pipelines.kernel.sql_text import literal, statement
from d118_pipelines.roster.model import vocabulary
from d118_pipelines.roster.model.entities import (
    DUCKDB_TYPES,
    ENTITIES,
    Entity,
    Field,
)
from d118_pipelines.roster.model.mapping import PERSONAL, ROLE_LISTS, Endpoint
from d118_pipelines.roster.model.source_paths import Source
from d118_pipelines.roster.staging.compile import Relation
from d118_pipelines.roster.staging.findings import Rule, RuleSet
from d118_pipelines.roster.staging.transforms import (
    VALUE,
    Check,
    Converted,
    among,
    choose,
    distinct_list,
    elements_without_placeholder,
    parse_boolean,
    parse_boolean_words,
    parse_date,
    parse_email,
    parse_enum,
    parse_grade,
    parse_grades,
    parse_number,
    parse_phone,
    parse_timestamp,
    parse_year,
    trimmed_list,
    words,
)

YEARS = {"school_year", "graduation_year"}
GRADES = {"grade_level", "low_grade", "high_grade"}
EMAILS = ("email", "principal_email")
ALIGNED = {"subjects", "subject_codes"}  # element for element; never shortened
_OF_GRADES = {"row.grade_alias": True, "row.bad_grade": False}
LONG, TOO_LONG = 255, 65536
NO_TEXT, NO_LIST = "NULL::VARCHAR", "NULL::VARCHAR[]"
# The model asks for one of the two; a mapping may ask for each.
_NAMES = ("first_name", "last_name")
# The name of a class can be that of its course (reference_rules.py).
FILLED_LATER = {("classes", "name")}
# Blank it means for ever; what was there and cannot be read does not.
_OPEN_ENDED = ("enrollments", "end_date")
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
    empty: frozenset[str] = frozenset()  # targets that no row fills, as far as known
    conditions: dict[int, str] = field(default_factory=dict)

    def source(self, name: str) -> Source:
        """The source of a target; one without paths where the mapping has none."""
        return self.endpoint.fields.get(name, _ABSENT)

    def requires(self, name: str) -> bool:
        """Whether the mapping itself asks for a value."""
        return self.source(name).required

    def has(self, name: str) -> bool:
        """Whether the mapping fills the target."""
        return name in self.endpoint.fields

    def fills(self, name: str) -> bool:
        """Whether a row may have a value of the target."""
        return self.has(name) and name not in self.empty


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


def kept_texts(entity: str) -> dict[str, str]:
    """Column `w_<field>` -> SQL of the text, where its value is lost, to show it in a
    finding; of a school year always, to recognise a default. Of demographics none."""
    if entity == "demographics":
        return {}
    lost = {
        f.name
        for f in staged_fields(ENTITIES[entity])
        if f.kind in ("boolean", "date") or f.name in YEARS or enum_name(entity, f.name)
    }
    texts = {
        f"w_{name}": f"CASE WHEN v_{name} IS NULL THEN c_{name} END"
        for name in sorted({"status", *lost} - {"gender"})
    }
    if "w_school_year" in texts:
        texts["w_school_year"] = "c_school_year"
    return texts


class FieldCompiler:
    """Gives each field of one entity its value, and adds its rules to `rules`."""

    def __init__(self, entity: Entity, rules: RuleSet) -> None:
        self.entity, self.rules = entity, rules

    def values(self, rows: EndpointRows) -> dict[str, str]:
        """Field -> SQL of its value over the columns `r_*` and `c_*`."""
        values = {
            "external_id": self._external_id(rows),
            "status": self._status(rows),
            "source_modified_at": "CAST(NULL AS TIMESTAMP)",
        }
        if rows.fills("source_modified_at"):
            converted = parse_timestamp("c_source_modified_at")
            values["source_modified_at"] = self._checked(
                rows, "source_modified_at", converted
            )
        for one in staged_fields(self.entity):
            values[one.name] = self._field(rows, one)
        if self.entity.name == "users":
            values |= {f"raw_{n}": f"c_{n}" for n in ["roles", *ROLE_LISTS]}
        return values

    def _field(self, rows: EndpointRows, one: Field) -> str:
        if self.entity.name == "users" and one.name == "roles":
            return NO_TEXT  # made in role_rules.py
        source = rows.source(one.name)
        column = f"c_{one.name}"
        is_required = (one.required or source.required) and source.default is None
        is_later = (self.entity.name, one.name) in FILLED_LATER
        if is_required and (source.required or one.name not in _NAMES) and not is_later:
            missing = Rule("row.missing_required", "reject", one.name)
            self._rule(rows, missing, f"{column} IS NULL")
        if not rows.fills(one.name) and (one.kind == "list" or source.default is None):
            kind = "VARCHAR[]" if one.kind == "list" else DUCKDB_TYPES[one.kind]
            return f"NULL::{kind}"
        if one.kind == "list":
            return self._list(rows, one.name, is_sorted=one.refers_to is not None)
        if source.default is not None:
            default = Rule("row.defaulted", "warn", one.name)
            self._rule(rows, default, f"{column} IS NULL")
            column = f"coalesce({column}, {literal(source.default)})"
        if one.kind == "text" and rows.fills(one.name):
            self._text_rules(rows, one.name, source.max_length)
        converted = self._converted(rows, one, column)
        is_needed = (one.required or source.required or source.default is not None) or (
            self.entity.name,
            one.name,
        ) == _OPEN_ENDED
        return self._checked(rows, one.name, converted, is_needed)

    def _converted(self, rows: EndpointRows, one: Field, column: str) -> Converted:
        transform = rows.source(one.name).transform
        if one.name in EMAILS or transform == "emailAddress":
            return parse_email(column)
        if transform == "phoneDigits":
            return parse_phone(column)
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
            enum = parse_enum(column, vocabulary_of, self._aliases(rows, one.name))
            if one.name != "org_type":
                return enum
            alias = among(f"lower({column})", vocabulary.ORG_TYPE_ALIASES)
            return Converted(enum.sql, (*enum.checks, Check("row.enum_alias", alias)))
        if one.name in GRADES or transform == "gradeCode":
            return parse_grade(column)
        return Converted(column)

    def _aliases(self, rows: EndpointRows, name: str) -> dict[str, str]:
        if name == "gender":
            lenient = rows.source(name).transform == "normalizeGender"
            return dict(vocabulary.GENDER_ALIASES) if lenient else {}
        if name == "org_type":
            return vocabulary.ORG_TYPE_ALIASES
        if name != "role":
            return {}
        known = vocabulary.ENUMS["enrollments.role"]
        return {w.lower(): r for w, r in rows.role_map.items() if r in known}

    def _list(self, rows: EndpointRows, name: str, *, is_sorted: bool) -> str:
        """The list, clean already, as the model wants it."""
        column = f"c_{name}"
        code = "row.bad_user_id" if name == "user_ids" else "row.list_form"
        self._rule(rows, Rule(code, "warn", name), f"len(v_{name}) <> len(r_{name})")
        if name == "grades":
            return self._checked(rows, name, parse_grades(column))
        if name == "user_ids":
            return f"list_sort({column})"
        return column if name in ALIGNED else distinct_list(column, is_sorted=is_sorted)

    def _external_id(self, rows: EndpointRows) -> str:
        column = "c_external_id"
        value = column
        is_derived = self.entity.name == "enrollments" and not (
            rows.source("external_id").required
        )
        if is_derived:
            derived = statement("roster/values.derived_key")
            value = f"coalesce({column}, {derived})"
        self._rule(
            rows,
            Rule("row.missing_required", "reject", "external_id"),
            "v_external_id IS NULL",
        )
        odd = f"NOT regexp_full_match({column}, '[0-9A-Za-z._/@-]+')"
        # A spreadsheet has lost the digits of 2.02601E+11.
        unusable = (
            f"length({column}) > {LONG} OR regexp_matches({column}, '\\p{{Cc}}') "
            f"OR regexp_full_match({column}, '\\d([.,]\\d+)?[Ee]\\+\\d+')"
        )
        self._rule(rows, Rule("row.bad_guid", "reject", "external_id"), unusable)
        kept = f"{odd} AND NOT ({unusable})"
        self._rule(rows, Rule("row.bad_guid", "warn", "external_id"), kept)
        return value

    def _status(self, rows: EndpointRows) -> str:
        """`active`, `tobedeleted`, or null where the word is unknown."""
        if not rows.fills("status"):
            return "'active'"
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
            self._worded(Rule("row.bad_status", "reject", "status")),
            "c_status IS NOT NULL AND v_status IS NULL",
        )
        if rows.source("status").transform != "parseBoolean":
            inactive = f"lower(c_status) IN {words(vocabulary.INACTIVE_WORDS)}"
            self._rule(rows, Rule("row.bad_status", "warn", "status"), inactive)
            cased = "c_status <> lower(c_status) AND v_status IS NOT NULL"
            self._rule(rows, Rule("row.enum_case", "warn", "status"), cased)
        return f"CASE WHEN c_status IS NULL THEN 'active' ELSE {sql} END"

    def _text_rules(
        self, rows: EndpointRows, name: str, max_length: int | None
    ) -> None:
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
        is_needed: bool = False,
    ) -> str:
        """The value; `is_needed`: a row of which it is lost is rejected."""
        for check in converted.checks:
            severity: Level = "reject" if check.is_lost and is_needed else "warn"
            condition = check.condition.replace(VALUE, f"v_{name}")
            rule = self._worded(Rule(check.code, severity, name))
            if check.code in _OF_GRADES:
                # Told once of a row, whose fields say the same; an alias only counts.
                rule = Rule(
                    check.code, severity, "grades", is_counted=_OF_GRADES[check.code]
                )
            self._rule(rows, rule, condition)
        return converted.sql

    def _worded(self, rule: Rule) -> Rule:
        """The rule with the text that could not be read as its detail."""
        column = f"w_{rule.field}"
        if column not in kept_texts(self.entity.name):
            return rule
        if rule.code in ("row.bad_enum", "row.bad_bool", "row.bad_status"):
            way, word = "", f"CASE WHEN {is_shown(column)} THEN {column} END"
            if rule.field == "role":  # staging.py counts them
                way, word = "; add it under role_map of the mapping", ""
            return replace(rule, detail=shown_word(column, way), word=word)
        if rule.code in ("row.bad_date", "row.bad_year"):
            is_public = self.entity.name == "terms"
            return replace(rule, detail=_shown_number(column, is_public=is_public))
        return rule

    def _rule(self, rows: EndpointRows, rule: Rule, condition: str) -> None:
        """A field may break one rule in several ways."""
        number = self.rules.add(rule)
        if number in rows.conditions:
            condition = f"({rows.conditions[number]}) OR ({condition})"
        rows.conditions[number] = condition


# Words, and parts of words, that sources use where OneRoster has none; none is a name.
SHOWN_WORDS = (
    *("observer", "substitute", "volunteer", "coach", "nurse", "librarian", "intern"),
    *("secretary", "support", "specialist", "coordinator", "assistant", "para"),
    *("paraprofessional", "studentteacher", "coteacher", "leadteacher", "instructor"),
    *("professor", "faculty", "employee", "contractor", "guest", "user", "pupil"),
    *("learner", "mentor", "tutor", "counsellor", "advisor", "adviser", "dean"),
    *("headteacher", "superintendent", "manager", "technician", "other", "none"),
    *("unknown", "staff", "admin", "student", "teacher", "parent", "guardian"),
    *("club", "section", "class", "course", "team", "advisory", "campus", "building"),
    *("year", "quarter", "trimester", "summer", "deleted", "retired", "suspended"),
    *("lead", "office", "school", "district", "clerk", "case", "custodian", "social"),
    *("psychologist", "worker", "therapist", "speech", "interpreter", "registrar"),
    *("attendance", "monitor", "security", "director", "supervisor", "resource"),
    *("special", "education", "principal", "counselor", "aide", "administrator"),
    *("ja", "nein", "wahr", "falsch", "oui", "non", "vrai", "faux", "verdadero"),
    *("falso", "maybe", "null", "nan", "undefined", "default", "pending", "blocked"),
    *("locked", "expired", "archived", "terminated", "closed", "open", "enrolled"),
    *("withdrawn", "graduated", "transferred", "current", "former", "aktiv", "inaktiv"),
    *("activo", "inactivo", "actif", "inactif", "checked", "unchecked", "deny"),
    *("not", "active", "inactive", "enabled", "disabled", "yes", "no", "true", "false"),
)


def clean_list(name: str) -> str:
    """SQL: the list `r_<name>` without blanks and empty elements."""
    raw = f"r_{name}"
    if name in ("roles", *ROLE_LISTS):
        return raw  # they stay aligned; role_rules.py cleans the elements
    if name == "user_ids":
        return statement("roster/values.user_ids", list=raw)
    if name in ALIGNED:
        raw = f"list_transform({raw}, lambda e: replace(e, ',', ''))"
    texts = trimmed_list(raw)
    if name in ("grades", "periods"):
        texts = elements_without_placeholder(texts, vocabulary.PLACEHOLDERS)
    return texts


def is_shown(column: str) -> str:
    """SQL: the unknown word is made of words of other vocabularies, or begins with `ext:`.

    Any other text could be a name that slipped into the column; it is not shown.
    """
    known = ", ".join(map(literal, SHOWN_WORDS))
    return statement("roster/values.is_shown", c=column, known=known)


def shown_word(column: str, way: str = "") -> str:
    """SQL: the unknown word for a finding and the way on, if it may be shown."""
    shown = f"'the word is ' || {column} || {literal(way)}"
    return f"CASE WHEN {is_shown(column)} THEN {shown} ELSE '' END"


def _shown_number(column: str, *, is_public: bool) -> str:
    """SQL: the date or year that could not be read; of people its form alone."""
    text = f"'the text is ' || {column}"
    if not is_public:
        text = f"'written as ' || regexp_replace({column}, '[0-9]', '9', 'g')"
    short = f"regexp_full_match({column}, '[A-Z]{{0,2}}[0-9/. -]{{1,10}}')"
    return f"CASE WHEN {short} THEN {text} ELSE '' END"
