"""Transforms of mapping files as DuckDB expressions, and the checks that go with them.

Called by `field_rules.py`, which decides how severe a problem is, and by
`role_rules.py`. Each takes a text that is trimmed and never empty, and gives the
value's expression and the problems to look for, in which `{v}` is the value's own
column. Rule: docs/reference/mapping_files.md, transforms.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from d118_pipelines.kernel.sql_text import literal, statement
from d118_pipelines.roster.model import vocabulary

VALUE = "{v}"
# What may be around a value without being part of it; U+00A0 is a no-break space.
BLANKS = "E' \\t\\r\\n\u00a0'"
_BLANK_ENDS = ["' '", "E'\\t'", "E'\\r'", "E'\\n'", "'\u00a0'"]
# No-break, narrow and wide blanks, the no-break hyphen.
_NO_BREAK = (
    "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
)
_NO_BREAK += "\u202f\u205f\u2011"
# Controls but tabs and line breaks, soft hyphens, zero-width blanks, direction marks,
# separators, byte order marks.
_INVISIBLE = "[\u0001-\u0008\u000b\u000c\u000e-\u001f\u007f\u0080-\u009f\u00ad\u034f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e"
_INVISIBLE += "\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb]"
_CONTROLS = "*[\u0001-\u001f\u007f]*"  # of GLOB, which is faster than a pattern
_MANY = 40
# In no text that `without_invisible` has been through.
_SEPARATOR = "\x1f"
_JOINERS = "(^|[^\u0600-\u0dff])[\u200c\u200d]+"
LONGEST_EMAIL = 254
_EMAIL = r'[^@\s,;:<>()\[\]"\\]+@[^@\s,;:<>()\[\]"\\.]+(\.[^@\s,;.]+)+'
SLASH_FORMATS = {"mdy": "%m/%d/%Y", "dmy": "%d/%m/%Y"}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look for: its code, and SQL that is true where it is.

    is_lost: the value could not be read; a row that needs it is rejected.
    """

    code: str
    condition: str
    is_lost: bool = False


@dataclass(frozen=True, slots=True)
class Converted:
    """A value as SQL, and what to look for in it."""

    sql: str
    checks: tuple[Check, ...] = ()


def _lost(code: str, column: str) -> Check:
    return Check(code, f"{column} IS NOT NULL AND {VALUE} IS NULL", is_lost=True)


def words(values: Sequence[str]) -> str:
    """Texts as a list for `IN`."""
    return "(" + ", ".join(map(literal, values)) + ")"


def among(subject: str, values: Iterable[str]) -> str:
    """SQL: whether a text without control characters is one of many words.

    DuckDB plans one long literal in no time, and hundreds of short ones in a tenth of a
    second for each statement.
    """
    listed = _SEPARATOR.join(("", *values, ""))
    return f"contains({literal(listed)}, '{_SEPARATOR}' || {subject} || '{_SEPARATOR}')"


def choose(subject: str, table: Mapping[str, str], otherwise: str = "NULL") -> str:
    """A CASE that turns each key of the table into its value."""
    branches = " ".join(
        f"WHEN {literal(key)} THEN {literal(value)}" for key, value in table.items()
    )
    return f"CASE {subject} {branches} ELSE {otherwise} END" if table else otherwise


def choose_of_many(subject: str, table: Mapping[str, str], otherwise: str) -> str:
    """The same for a long table and a text without control characters."""
    keys: dict[str, list[str]] = {}
    for key, value in table.items():
        keys.setdefault(value, []).append(key)
    branches = " ".join(
        f"WHEN {among(subject, words)} THEN {literal(value)}"
        for value, words in keys.items()
    )
    return f"CASE {branches} ELSE {otherwise} END"


def trimmed(text: str) -> str:
    """SQL: the text without blanks around it; null where nothing is left.

    Trimming is ten times dearer than a look at both ends, and hardly ever needed.
    """
    slow = f"nullif(trim({text}, {BLANKS}), '')"
    return f"CASE WHEN {_has_blanks(text)} THEN {slow} ELSE {text} END"


def _has_blanks(text: str) -> str:
    ends = [f"ends_with({text}, {end})" for end in _BLANK_ENDS]
    return f"{text} < '!' OR {text} >= '\u007f' OR {' OR '.join(ends)}"


def without_invisible(text: str) -> str:
    """SQL: the text without marks that nobody sees, and with plain blanks and hyphens.

    Joiners stay behind letters of scripts that are written with them.
    """
    blanks = " " * (len(_NO_BREAK) - 1) + "-"
    plain = f"translate({text}, {literal(_NO_BREAK)}, '{blanks}')"
    plain = f"regexp_replace({plain}, {literal(_INVISIBLE)}, '', 'g')"
    plain = f"regexp_replace({plain}, {literal(_JOINERS)}, '\\1', 'g')"
    is_plain = (
        f"strlen({text}) = length({text}) AND NOT {text} GLOB {literal(_CONTROLS)}"
    )
    return f"CASE WHEN {is_plain} THEN {text} ELSE {plain} END"


def without_placeholder(text: str, placeholders: Sequence[str]) -> str:
    """SQL: the text, null where it is a word for nothing, as NULL and N/A."""
    if not placeholders:
        return text
    return f"CASE WHEN lower({text}) NOT IN {words(placeholders)} THEN {text} END"


def elements_without_placeholder(texts: str, placeholders: Sequence[str]) -> str:
    """SQL: the list without elements that are words for nothing."""
    return f"list_filter({texts}, lambda e: lower(e) NOT IN {words(placeholders)})"


def trimmed_list(texts: str) -> str:
    """SQL: the list without blanks around its elements and without empty ones."""
    clean = f"list_filter({texts}, lambda e: NOT ({_has_blanks('e')}))"
    slow = (
        f"list_filter(list_transform({texts}, lambda e: trim(e, {BLANKS})), "
        "lambda e: e <> '')"
    )
    return f"CASE WHEN len({clean}) = len({texts}) THEN {texts} ELSE {slow} END"


def distinct_list(texts: str, *, is_sorted: bool) -> str:
    """SQL: the list with every element once; sorted, or in the order that it has."""
    slow = f"list_sort(list_distinct({texts}))"
    if not is_sorted:
        slow = f"list_filter({texts}, lambda e, i: list_position({texts}, e) = i)"
    return f"CASE WHEN len({texts}) < 2 THEN {texts} ELSE {slow} END"


def _sql(name: str, **values: str) -> str:
    return statement(f"roster/values.{name}", **values)


def parse_date(column: str, date_order: str | None, plus_days: int = 0) -> Converted:
    """`YYYY-MM-DD`; other forms with `row.date_form`; slash dates only by an order."""
    plain = _sql("plain_date", c=column)
    forms = [plain, _sql("longer_date", c=column), _sql("compact_date", c=column)]
    if date_order is not None:
        forms.append(_sql("slash_date", c=column, form=SLASH_FORMATS[date_order]))
    value = f"coalesce({', '.join(forms)})"
    form = f"{column} IS NOT NULL AND {plain} IS NULL AND {VALUE} IS NOT NULL"
    return Converted(
        f"CAST({value} + {plus_days} AS DATE)" if plus_days else value,
        (_lost("row.bad_date", column), Check("row.date_form", form)),
    )


def parse_boolean(column: str) -> Converted:
    """`true` and `false`; other words and another case with `row.bool_form`."""
    other_form = f"{column} NOT IN ('true', 'false') AND {VALUE} IS NOT NULL"
    words_of = parse_boolean_words(column)
    return Converted(
        words_of.sql, (*words_of.checks, Check("row.bool_form", other_form))
    )


def parse_boolean_words(column: str) -> Converted:
    """`yes`, `no`, `y`, `n`, `1`, `0` as well: the mapping asks for parseBoolean."""
    sql = _sql(
        "boolean",
        c=column,
        true_words=words(vocabulary.TRUE_WORDS),
        false_words=words(vocabulary.FALSE_WORDS),
    )
    return Converted(sql, (_lost("row.bad_bool", column),))


def parse_number(column: str, kind: str) -> Converted:
    """A number as SQL type `kind`; a whole number may be written as `3.0`."""
    pattern = r"[+-]?\d+(\.0+)?" if kind == "INTEGER" else r"[+-]?(\d+\.?\d*|\.\d+)"
    sql = _sql("number", c=column, pattern=pattern, kind=kind)
    return Converted(sql, (_lost("row.bad_number", column),))


def parse_year(column: str) -> Converted:
    """Four digits; `2026-27` and `2026-2027` are taken as the second year."""
    double = _sql("is_double_year", c=column)
    return Converted(
        _sql("year", c=column, is_double=double),
        (_lost("row.bad_year", column), Check("row.bad_year", double)),
    )


def grade_code(column: str) -> str:
    """The grade code of a text, else the text."""
    plain = f"replace(replace(lower({column}), ' ', ''), '_', '')"
    slow = choose_of_many(plain, vocabulary.grade_aliases(), column)
    return (
        f"CASE WHEN {column} IN {words(vocabulary.GRADES)} THEN {column} "
        f"ELSE {slow} END"
    )


def parse_grade(column: str) -> Converted:
    """A grade code; an alias becomes its code, anything else is kept."""
    sql = grade_code(column)
    return Converted(
        sql,
        (
            Check("row.grade_alias", f"{column} <> {VALUE}"),
            Check("row.bad_grade", f"{VALUE} NOT IN {words(vocabulary.GRADES)}"),
        ),
    )


def parse_grades(column: str) -> Converted:
    """A list of grade codes."""
    aliases = vocabulary.grade_aliases()
    keys, codes = (
        f"string_split({literal(' '.join(texts))}, ' ')"
        for texts in (aliases, aliases.values())
    )
    known = words(vocabulary.GRADES)
    is_plain = f"len({column}) = 1 AND {column}[1] IN {known}"
    sql = _sql("grades", c=column, is_plain=is_plain, aliases=keys, codes=codes)
    odd = f"len(list_filter({VALUE}, lambda e: e NOT IN {known})) > 0"
    return Converted(
        sql,
        (
            Check("row.grade_alias", f"{VALUE} <> {column}"),
            Check("row.bad_grade", f"CASE WHEN {is_plain} THEN false ELSE {odd} END"),
        ),
    )


def parse_enum(column: str, field: str, aliases: Mapping[str, str]) -> Converted:
    """A word of the vocabulary of `entity.field`; aliases are compared in lower case."""
    known = vocabulary.ENUMS[field]
    table = {**aliases, **{word.lower(): word for word in known}}
    kept = f"starts_with({column}, 'ext:') AND length({column}) > 4"
    otherwise = "NULL"
    if field in vocabulary.EXTENSIBLE:
        otherwise = f"CASE WHEN {kept} THEN {column} END"
    chosen = choose_of_many if len(table) > _MANY else choose
    sql = chosen(f"lower({column})", table, otherwise)
    return Converted(
        sql,
        (
            _lost("row.bad_enum", column),
            Check(
                "row.enum_case",
                f"{column} <> {VALUE} AND lower({column}) = lower({VALUE})",
            ),
        ),
    )


def parse_email(column: str) -> Converted:
    """An e-mail address as it is written; any other text is none, and a longer one."""
    is_address = f"regexp_full_match({column}, {literal(_EMAIL)})"
    short = f"length({column}) <= {LONGEST_EMAIL}"  # no consumer may cut one
    sql = f"CASE WHEN {is_address} AND {short} THEN {column} END"
    return Converted(sql, (_lost("row.bad_email", column),))


def parse_phone(column: str) -> Converted:
    """The digits of a phone number, and a leading `+`."""
    digits = f"regexp_replace({column}, '[^0-9]', '', 'g')"
    plus = f"if(starts_with({column}, '+'), '+', '')"
    sql = f"CASE WHEN {digits} <> '' THEN {plus} || {digits} END"
    return Converted(sql, (_lost("row.bad_phone", column),))


def parse_timestamp(column: str) -> Converted:
    """A time in UTC; without an offset it is taken as UTC."""
    sql = f"CAST(try_cast({column} AS TIMESTAMPTZ) AS TIMESTAMP)"
    strict = f"length({column}) = 24 AND ends_with({column}, 'Z')"
    return Converted(
        sql,
        (
            _lost("row.bad_datetime", column),
            Check("row.datetime_form", f"NOT ({strict}) AND {VALUE} IS NOT NULL"),
        ),
    )
