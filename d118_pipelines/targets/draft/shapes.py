"""The closed list of shapes in which a source column may stand in a file.

Called by `explain.py`. Each shape is SQL with `{x}` for the column. The list, for
people: docs/reference/drafting.md, shapes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from d118_pipelines.kernel.sql_text import identifier
from d118_pipelines.targets.draft.relations import Relation, Source

DATE_FORMATS = (
    *("%Y-%m-%d", "%m/%d/%Y", "%-m/%-d/%Y", "%Y%m%d", "%m-%d-%Y", "%m%d%Y", "%m/%d/%y"),
    *(
        "%-m/%-d/%y",
        "%d.%m.%Y",
        "%d/%m/%Y",
        "%Y/%m/%d",
        "%d-%b-%Y",
        "%d-%b-%y",
        "%B %-d, %Y",
    ),
    *("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M", "%m/%d/%Y %H:%M"),
    *("%m/%d/%Y %I:%M %p", "%Y", "%H:%M", "%H:%M:%S", "%I:%M %p", "%-I:%M %p"),
)
# A constant is simpler than a source, unless the source has the name of the column.
COST_OF_CONSTANT = -0.25
_DIGITS = "regexp_replace({x}, '[^0-9]', '', 'g')"
_TEXTS = {
    "trim({x})": "trimmed",
    "upper({x})": "in capitals",
    "lower({x})": "in small letters",
    "upper(trim({x}))": "trimmed, in capitals",
    "lower(trim({x}))": "trimmed, in small letters",
    "upper(left({x}, 1)) || lower({x}[2:])": "capitalised",
    "replace({x}, ' ', '')": "without spaces",
    "strip_accents({x})": "without accents",
    "lower(strip_accents({x}))": "without accents, in small letters",
    "regexp_replace({x}, '[^A-Za-z0-9]', '', 'g')": "letters and digits only",
    "lower(regexp_replace(strip_accents({x}), '[^A-Za-z0-9]', '', 'g'))": (
        "letters and digits only, without accents, in small letters"
    ),
    _DIGITS: "digits only",
    "ltrim({x}, '0')": "without leading zeros",
    "split_part({x}, '@', 1)": "before the @",
    "split_part({x}, '@', 2)": "after the @",
    "split_part({x}, ' ', 1)": "the first word",
}
_PHONES = {
    r"'\1-\2-\3'": "as 999-999-9999",
    r"'(\1) \2-\3'": "as (999) 999-9999",
    r"'\1.\2.\3'": "as 999.999.9999",
}
_NUMBERS = ("BIGINT", "INTEGER", "HUGEINT", "SMALLINT")


@dataclass(frozen=True, slots=True)
class Candidate:
    """SQL that may be a file's column. cost: the lower of two that agree is the simpler.

    source: the column that it is made of, for a map of codes and for names.
    """

    sql: str
    words: str
    cost: float
    alias: str = ""
    source: str = ""


def days(school_days: Sequence[str]) -> Iterator[Candidate]:
    """The day of the file and days of the school year, in every form of a date.

    Simpler than a constant date, those of the school year first; but a year alone is
    a constant.
    """
    names = {name: 0.5 - 0.1 * n for n, name in enumerate(school_days)} | {
        "today": 0.05
    }
    for shape in DATE_FORMATS:
        if re.search("[HIMS]", shape):
            continue
        for name, less in names.items():
            words = "the day" if name == "today" else f"the {name.replace('_', ' ')}"
            is_year = shape == "%Y"
            if is_year and name != "today":
                continue
            cost = 0.5 if is_year else COST_OF_CONSTANT - less
            yield Candidate(
                f"strftime(${name}, '{shape}')", f"{words}, as {shape}", cost
            )


def plain(alias: str, relation: Relation, distance: int) -> list[Candidate]:
    """Every column as it is; a number of the source without its `.0`."""
    found = []
    for column in relation.columns.values():
        x = f"{alias}.{identifier(column.name)}"
        words, cost = f"{alias}.{column.name}", 1.0 * distance
        found.append(Candidate(x, words, cost, alias, column.name))
        if column.kind == "DOUBLE" or column.kind.startswith("DECIMAL"):
            whole = f"CAST({x} AS BIGINT)"
            found.append(
                Candidate(whole, f"{words}, whole", cost + 0.1, alias, column.name)
            )
        if column.kind == "BOOLEAN":
            bit = f"CAST({x} AS INTEGER)"
            found.append(
                Candidate(bit, f"{words}, 1 or 0", cost + 0.1, alias, column.name)
            )
    return found


@dataclass(frozen=True, slots=True)
class Family:
    """Columns of one type, and the shapes that fit it: SQL of `{x}` and words."""

    columns: list[tuple[str, float, str, str]]
    """SQL, cost, alias and name of each."""
    shapes: list[tuple[str, str]]

    def candidate(self, column: int, shape: int) -> Candidate:
        """One column in one shape."""
        (x, cost, alias, name), (sql, words) = self.columns[column], self.shapes[shape]
        told = f"{alias}.{name}, {words}"
        return Candidate(sql.format(x=x), told, cost + 0.2 + shape * 0.01, alias, name)


def families(
    aliased: Sequence[tuple[str, Relation, int]], sizes: frozenset[int]
) -> list[Family]:
    """Every column in every shape that fits its type. sizes: lengths of values to try."""
    dates = [(f"strftime({{x}}, '{shape}')", f"as {shape}") for shape in DATE_FORMATS]
    kinds: dict[str, list[tuple[str, str]]] = {
        "text": [*_TEXTS.items(), *_phones(), *_cut("{x}", sizes)],
        "whole": [("{x} // 100", "hundreds"), *_cut("CAST({x} AS VARCHAR)", sizes)],
        "number": list(_cut("CAST(CAST({x} AS BIGINT) AS VARCHAR)", sizes)),
        "date": dates,
        "text date": [
            (sql.replace("{x}", "TRY_CAST({x} AS TIMESTAMP)"), words)
            for sql, words in dates
        ],
    }
    columns: dict[str, list[tuple[str, float, str, str]]] = {kind: [] for kind in kinds}
    for alias, relation, distance in aliased:
        for column in relation.columns.values():
            x = f"{alias}.{identifier(column.name)}"
            for kind in _kinds(column):
                columns[kind].append((x, float(distance), alias, column.name))
    return [
        Family(columns[kind], shapes)
        for kind, shapes in kinds.items()
        if columns[kind] and shapes
    ]


def _kinds(column: Source) -> Iterator[str]:
    if not column.filled:
        return
    if column.kind in ("DATE", "TIMESTAMP"):
        yield "date"
    elif column.kind in _NUMBERS:
        yield "whole"
    elif column.kind == "DOUBLE" or column.kind.startswith("DECIMAL"):
        yield "number"
    elif column.kind == "VARCHAR":
        yield "text"
        if _may_be_dates(column):
            yield "text date"


def _phones() -> Iterator[tuple[str, str]]:
    ten = f"regexp_full_match({_DIGITS}, '[0-9]{{{{10}}}}')"
    for sql, words in _PHONES.items():
        parts = "'([0-9]{{3}})([0-9]{{3}})([0-9]{{4}})'"
        made = f"regexp_replace({_DIGITS}, {parts}, {sql})"
        yield f"CASE WHEN {ten} THEN {made} ELSE {{x}} END", words


def _cut(text: str, sizes: frozenset[int]) -> Iterator[tuple[str, str]]:
    for size in sorted(sizes):
        yield f"left({text}, {size})", f"first {size} characters"
        yield f"right({text}, {size})", f"last {size} characters"
        if size > 1:
            padded = (
                f"CASE WHEN length({text}) < {size} THEN lpad({text}, {size}, '0') "
            )
            yield f"{padded}ELSE {text} END", f"padded with zeros to {size}"


def _may_be_dates(column: Source) -> bool:
    name = column.name.lower()
    return any(word in name for word in ("date", "dob", "birth", "day", "time"))
