"""One file drafted: its key, columns, population and order, checked on every line.

Called by `workflows/targets/draft.py`. Nothing is written here. Page:
docs/reference/drafting.md.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.sql_text import identifier
from d118_pipelines.targets.draft.explain import (
    LEAST_SHARE,
    Explained,
    explained,
    quick_score,
)
from d118_pipelines.targets.draft.keys import Key, possible_keys
from d118_pipelines.targets.draft.order import order_of
from d118_pipelines.targets.draft.people import note_names
from d118_pipelines.targets.draft.population import Population, population
from d118_pipelines.targets.draft.recognise import GivenFile
from d118_pipelines.targets.draft.relations import Join, Relation, joins_of
from d118_pipelines.targets.draft.sample import Sample, as_text, set_days

if TYPE_CHECKING:
    import duckdb

SHOWN_KEYS = 3
_TRIED = 3
_MOST_PARTS = 4
_ALL_EXPLAINED = 0.99
_IDS = ("users_dcid", "students_dcid", "dcid", "id", "external_id")


@dataclass(frozen=True, slots=True)
class ColumnDraft:
    """One column: what was found, on how many lines it agrees, and where it does not.

    sql: empty where nothing explains it. differ: up to three keys.
    """

    header: str
    sql: str
    found: str
    agrees: int
    lines: int
    next_best: str = ""
    differ: list[str] = field(default_factory=list)

    @property
    def share(self) -> float:
        """0 to 1."""
        return self.agrees / self.lines if self.lines else 0.0


@dataclass(frozen=True, slots=True)
class FileDraft:
    """One file: where its rows come from, who is in it, in which order, and its columns."""

    given: GivenFile
    key: Key | None
    joins: list[Join]
    record_key: str
    columns: list[ColumnDraft]
    population: Population | None
    order: list[str]
    parts: list[FileDraft] = field(default_factory=list)
    """Where a row has several lines: a draft for each value of the column `split_by`."""
    split_by: str = ""

    @property
    def open_columns(self) -> list[ColumnDraft]:
        """Those that nothing explains."""
        return [column for column in self.columns if not column.sql]


def draft_file(
    duck: duckdb.DuckDBPyConnection,
    given: GivenFile,
    relations: Sequence[Relation],
    *,
    day: dt.date,
    wanted_key: str | None = None,
) -> FileDraft:
    """Find what makes the file.

    day: the day of the file, for dates. wanted_key: header of the column that names a
    line. Raises: ConfigurationError if there is no such column.
    """
    set_days(duck, {"today": day})
    note_names(duck, relations)
    width = len(given.headers)
    _load(duck, given)
    place = _place_of(given, wanted_key)
    keys = possible_keys(duck, relations, width, place)
    found = _best(duck, keys, relations, given) if keys else None
    if found is None:
        return _in_parts(duck, given, relations, day) or _unknown(given)
    sample, columns = found
    checked = _checked(duck, sample, columns)
    who = population(duck, sample.key, sample.joins, len(given.rows))
    made = [column.sql for column in checked]
    order = order_of(duck, sample.key, given.headers, made)
    return FileDraft(
        given,
        sample.key,
        _needed(sample.joins, [*made, *order, *(c.sql for c in who.conditions)]),
        _record_key(sample.key),
        checked,
        who,
        order,
    )


def _load(duck: duckdb.DuckDBPyConnection, given: GivenFile) -> None:
    """The table `f`: the file's columns c0, c1, ... as text, and `_row`."""
    import numpy as np  # heavy; Arrow would import pandas to make these arrays

    columns: dict[str, Any] = {"_row": np.arange(len(given.rows))}
    for place, values in enumerate(zip(*given.rows, strict=True)):
        columns[f"c{place}"] = np.array(values, dtype=object)
    duck.register("incoming", columns)
    kinds = ", ".join(
        f"CAST(c{place} AS VARCHAR) AS c{place}" for place in range(len(given.headers))
    )
    duck.execute(f"CREATE OR REPLACE TABLE f AS SELECT _row, {kinds} FROM incoming")
    duck.unregister("incoming")


def _place_of(given: GivenFile, header: str | None) -> int | None:
    if header is None:
        return None
    if header in given.headers:
        return given.headers.index(header)
    raise ConfigurationError(
        f"{given.name} has no column {header}.",
        rule=f"Its columns are: {', '.join(given.headers)}.",
        not_done="Nothing was written.",
    )


def _best(
    duck: duckdb.DuckDBPyConnection,
    keys: Sequence[Key],
    relations: Sequence[Relation],
    given: GivenFile,
) -> tuple[Sample, list[Explained]] | None:
    """The key whose relation explains most of the file, and how it explains it.

    None where no line finds a row of its own.
    """
    width = len(given.headers)

    def part(key: Key) -> float:
        # A line without a row is never sent; a line with two is sent twice.
        return float(
            (key.matched / keys[0].matched) ** 3 * (key.matched / key.rows) ** 0.5
        )

    def rank(one: tuple[float, Key]) -> tuple[float, bool, int, str]:
        points, key = one
        return -round(points, 2), not key.is_exact, len(key.pairs), key.relation.name

    def score(key: Key) -> float:
        sample = Sample.make(duck, key, [], width)
        return quick_score(sample) * part(key) if sample.rows else 0.0

    scored = sorted(((score(key), key) for key in keys), key=rank)
    first_of: dict[str, Key] = {}
    for _, key in scored:
        first_of.setdefault(key.relation.name, key)
    best: tuple[float, Key, list[Join], list[Explained]] | None = None
    for key in list(first_of.values())[:_TRIED]:
        joins = joins_of(duck, key.relation, relations)
        sample = Sample.make(duck, key, joins, width)
        if not sample.rows:
            continue
        columns = explained(sample, given.headers, given.layout.encoding)
        points = sum(c.share for c in columns if c.sql) / width * part(key)
        if best is None or points > best[0] + 0.005:
            best = points, key, joins, columns
        if points > _ALL_EXPLAINED:
            break
    if best is None:
        return None
    return Sample.make(duck, best[1], best[2], width), best[3]


def _checked(
    duck: duckdb.DuckDBPyConnection, sample: Sample, columns: Sequence[Explained]
) -> list[ColumnDraft]:
    """Each column on every line that finds its row, not only on the sample."""
    tried = [c.sql or "NULL" for c in columns]
    joins = " ".join(join.sql for join in _needed(sample.joins, tried))
    counts = ", ".join(
        f"count(*) FILTER (f.c{place} = {as_text(sql)}), "
        f"min({_record_key(sample.key)}, {SHOWN_KEYS}) FILTER (f.c{place} <> {as_text(sql)})"
        for place, sql in enumerate(tried)
    )
    [(lines, *found)] = duck.execute(
        f"SELECT count(*), {counts} FROM f JOIN {sample.key.relation.name} AS b "
        f"ON {sample.key.on} {joins}"
    ).fetchall()
    made = []
    for place, column in enumerate(columns):
        agrees, differ = found[place * 2], found[place * 2 + 1] or []
        if not column.sql:
            agrees, differ = 0, []
        made.append(
            ColumnDraft(
                column.header,
                column.sql,
                column.words if column.sql else "",
                agrees,
                lines,
                column.next_best
                if column.sql
                else f"{column.words} ({column.share:.1%})",
                [str(key) for key in differ],
            )
        )
    return made


def _needed(joins: Sequence[Join], texts: Sequence[str]) -> list[Join]:
    """The joins that some SQL names, and those that they hang on."""
    wanted = {j.alias for j in joins if any(f"{j.alias}." in text for text in texts)}
    for join in reversed(joins):
        if join.alias in wanted:
            wanted.add(join.of)
    return [join for join in joins if join.alias in wanted]


def _record_key(key: Key) -> str:
    """SQL that names a row of the relation, whatever the vendor calls it."""
    relation = key.relation
    for name in (*_IDS, *(column for _, column in key.pairs)):
        column = relation.columns.get(name)
        if column and column.filled == column.distinct == relation.rows:
            return f"CAST(b.{identifier(name)} AS VARCHAR)"
    parts = [f"CAST(b.{identifier(column)} AS VARCHAR)" for _, column in key.pairs]
    return " || '/' || ".join(parts)


def _in_parts(
    duck: duckdb.DuckDBPyConnection,
    given: GivenFile,
    relations: Sequence[Relation],
    day: dt.date,
) -> FileDraft | None:
    """A file in which a row has several lines, told apart by a column of few values."""
    columns = list(zip(*given.rows, strict=True))
    for place, values in enumerate(columns):
        kinds = sorted(set(values))
        if not 2 <= len(kinds) <= _MOST_PARTS:
            continue
        if not any(
            len(set(zip(values, other, strict=True))) == len(values) > 2 * len(kinds)
            for n, other in enumerate(columns)
            if n != place
        ):
            continue
        files = [
            replace(given, rows=[row for row in given.rows if row[place] == kind])
            for kind in kinds
        ]
        parts = [draft_file(duck, file, relations, day=day) for file in files]
        if all(part.key for part in parts):
            return _together(given, parts, place)
    return None


def _together(given: GivenFile, parts: list[FileDraft], place: int) -> FileDraft:
    for n in range(len(given.headers)):
        several = [part.columns[n] for part in parts]
        known = sum(one.agrees for one in several if one.sql)
        if known >= LEAST_SHARE * sum(one.lines for one in several):
            for part, one in zip(parts, several, strict=True):
                if not one.sql:
                    part.columns[n] = replace(one, sql="NULL", found="nothing: empty")
    columns = [
        ColumnDraft(
            given.headers[n],
            "" if not all(one.sql for one in several) else several[0].sql,
            " / ".join(dict.fromkeys(one.found for one in several)),
            sum(one.agrees for one in several),
            sum(one.lines for one in several),
            several[0].next_best,
            [key for one in several for key in one.differ][:SHOWN_KEYS],
        )
        for n, several in enumerate(zip(*(part.columns for part in parts), strict=True))
    ]
    first, who = parts[0], [part.population for part in parts if part.population]
    population = Population(
        who[0].conditions,
        sum(one.wanted for one in who),
        sum(one.missing for one in who),
        sum(one.extra for one in who),
        sum(one.unmatched for one in who),
    )
    return FileDraft(
        given,
        first.key,
        [],
        first.record_key,
        columns,
        population,
        first.order,
        parts,
        given.headers[place],
    )


def _unknown(given: GivenFile) -> FileDraft:
    columns = [ColumnDraft(h, "", "", 0, len(given.rows)) for h in given.headers]
    return FileDraft(given, None, [], "", columns, None, [])
