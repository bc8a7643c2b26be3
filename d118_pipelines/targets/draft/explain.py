"""Each column of a file, explained by the data: a source, a shape, a constant, a map.

Called by `file_draft.py`. What agrees on most lines wins; of equals the simplest, and
of those the one whose name is most like the header. Page: docs/reference/drafting.md.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from d118_pipelines.kernel.sql_text import literal
from d118_pipelines.targets.draft.combine import Part, combined
from d118_pipelines.targets.draft.conditions import (
    MOST_VALUES,
    Rows,
    fields_of,
    is_code,
)
from d118_pipelines.targets.draft.people import are_names, is_personal
from d118_pipelines.targets.draft.sample import Sample, as_text, school_days_known
from d118_pipelines.targets.draft.shapes import (
    COST_OF_CONSTANT,
    Candidate,
    days,
    families,
    plain,
)

if TYPE_CHECKING:
    import numpy as np

# On so many lines a column agrees that needs no further search.
GOOD = 0.995
# Below this share of what a constant would leave open, a column is not explained.
LEAST_LIFT = 0.8
LEAST_SHARE = 0.9
_LOOKED_AT = 160
_WORTH_KEEPING = 0.1


@dataclass(frozen=True, slots=True)
class Explained:
    """One column. share: of the lines of the sample. sql is empty where nothing was found."""

    header: str
    sql: str
    words: str
    share: float
    next_best: str = ""


@dataclass(slots=True)
class _Column:
    """A column of the file while it is explained; `found` grows."""

    place: int
    header: str
    distinct: int
    usual: str
    usual_share: float
    is_personal: bool
    """Whether its header, or its few values, say that it holds what is a person's."""
    good: float = GOOD
    """The share that needs no further search: all lines, where the column names a line."""
    found: list[tuple[float, Candidate]] = field(default_factory=list)

    def add(self, share: float, candidate: Candidate) -> None:
        self.found.append((share, candidate))

    @property
    def ranked(self) -> list[tuple[float, Candidate]]:
        def rank(one: tuple[float, Candidate]) -> tuple[float, float, str]:
            share, candidate = one
            likeness = _likeness(self.header, candidate.source)
            return -round(share, 3), candidate.cost - likeness, candidate.sql

        return sorted(self.found, key=rank)

    @property
    def is_good(self) -> bool:
        return any(share >= self.good for share, _ in self.found)

    def lift(self, share: float) -> float:
        """How much of what a constant leaves open is explained."""
        left = 1 - self.usual_share
        return (share - self.usual_share) / left if left > 0 else 1.0


def explained(
    sample: Sample, headers: Sequence[str], encoding: str = "utf-8"
) -> list[Explained]:
    """Every column of the file, in its order. encoding: of the file, that may lack letters."""
    columns = _columns(sample, headers)
    for column in columns:
        if column.distinct <= 1:
            column.add(1.0, _constant(column.usual))
    near = [c for alias, r, far in sample.aliased for c in plain(alias, r, far)]
    known = _Known(sample, [*days(school_days_known(sample.duck)), *near])
    known.offer(columns)
    _shape(sample, [c for c in columns if not c.is_good], known)
    open_ones = [c for c in columns if not c.is_good]
    _combine(sample, open_ones, near, encoding)
    open_ones = [c for c in open_ones if not c.is_good]
    if open_ones:
        near_ones = [one for one in sample.aliased if one[2] < 2]
        rows = Rows(sample.duck, "s", fields_of(near_ones))
    for column in open_ones:
        _map_codes(sample, column)
        _default(sample, column, known)
        _decide(sample, column, known, rows)
    return [_chosen(column) for column in columns]


def quick_score(sample: Sample) -> float:
    """How much of the file the relations explain as they are; to choose between keys."""
    near = [c for alias, r, far in sample.aliased for c in plain(alias, r, far)]
    _, shares = sample.agreement(near)
    lines = sample.lines
    several = [place for place in range(len(lines)) if len(set(lines[place])) > 1]
    return float(sum(shares[:, place].max() for place in several)) / (len(lines) or 1)


def _columns(sample: Sample, headers: Sequence[str]) -> list[_Column]:
    made = []
    keys = {place for place, _ in sample.key.pairs}
    for place, header in enumerate(headers):
        [(distinct, usual, count, rows)] = sample.duck.execute(
            f"SELECT count(DISTINCT c{place}), mode(c{place}), "
            f"count(*) FILTER (c{place} = (SELECT mode(c{place}) FROM f)), count(*) FROM f"
        ).fetchall()
        is_own = is_personal(header) or _holds_names(sample, place, distinct)
        good = 1.0 if place in keys else GOOD
        made.append(_Column(place, header, distinct, usual, count / rows, is_own, good))
    return made


def _holds_names(sample: Sample, place: int, distinct: int) -> bool:
    if not 2 <= distinct <= MOST_VALUES:
        return False
    values = sample.duck.execute(f"SELECT DISTINCT c{place} FROM f").fetchall()
    return are_names(sample.duck, (value for (value,) in values))


def _constant(text: str) -> Candidate:
    if not text:
        return Candidate("NULL", "always empty", COST_OF_CONSTANT)
    return Candidate(literal(text), f'always "{text}"', COST_OF_CONSTANT)


class _Known:
    """Candidates with their hashes and how far each agrees with each column."""

    def __init__(self, sample: Sample, candidates: Sequence[Candidate]) -> None:
        self.candidates = list(candidates)
        self.hashes, self.shares = sample.agreement(candidates)

    def offer(self, columns: Iterable[_Column], most: int = 4) -> None:
        """Give each column those that agree best."""
        for column in columns:
            shares = self.shares[:, column.place]
            order = sorted(
                range(len(shares)),
                key=lambda n: (
                    -round(float(shares[n]), 3),
                    self.candidates[n].cost
                    - _likeness(column.header, self.candidates[n].source),
                ),
            )
            for n in order[:most]:
                column.add(float(shares[n]), self.candidates[n])

    def add(
        self,
        sample: Sample,
        candidates: Sequence[Candidate],
        hashes: np.ndarray[Any, Any],
        columns: Sequence[_Column],
    ) -> None:
        """Those of more candidates that agree with one of the columns now and then."""
        import numpy as np  # heavy: only where a target is drafted

        shares = sample.shares(hashes)
        places = [column.place for column in columns]
        good = np.flatnonzero(shares[:, places].max(axis=1) > _WORTH_KEEPING)
        for n in map(int, good):
            for column in columns:
                column.add(float(shares[n, column.place]), candidates[n])
        self.candidates += [candidates[int(n)] for n in good]
        self.hashes = np.concatenate([self.hashes, hashes[good]])
        self.shares = np.concatenate([self.shares, shares[good]])


def _shape(sample: Sample, columns: Sequence[_Column], known: _Known) -> None:
    if not columns:
        return
    sizes = _sizes(sample, columns)
    for family in families([one for one in sample.aliased if one[2] < 2], sizes):
        sources = [x for x, _, _, _ in family.columns]
        hashes = sample.shape_hashes(sources, [sql for sql, _ in family.shapes])
        for place in range(len(family.shapes)):
            found = [family.candidate(n, place) for n in range(len(sources))]
            known.add(sample, found, hashes[:, place], columns)


def _sizes(sample: Sample, columns: Sequence[_Column]) -> frozenset[int]:
    """The lengths of values that may be cut or padded to."""
    made = ", ".join(
        f"max(length(c{c.place})), mode(length(c{c.place}))" for c in columns
    )
    [found] = sample.duck.execute(f"SELECT {made} FROM f").fetchall()
    return frozenset(n for n in found if n and n <= 40)


def _combine(
    sample: Sample,
    columns: Sequence[_Column],
    near: Sequence[Candidate],
    encoding: str,
) -> None:
    close = [c for c in near if c.cost < 2]
    forms: tuple[str, ...] = (
        "{x}",
        "lower({x})",
        "upper({x})",
        "left({x}, 1)",
        "lower(left({x}, 1))",
    )
    forms += ("lower(regexp_replace(strip_accents({x}), '[^A-Za-z0-9]', '', 'g'))",)
    forms += ("right({x}, 2)", "right({x}, 4)", "trim({x})")
    parts = [
        (form.format(x=f"CAST({c.sql} AS VARCHAR)" if form != "{x}" else c.sql), c, n)
        for c in close
        for n, form in enumerate(forms)
    ]
    if not columns or not parts:
        return
    texts: list[list[str]] = []
    for start in range(0, len(parts), 300):
        some = [sql for sql, _, _ in parts[start : start + 300]]
        texts += sample.texts(some, _LOOKED_AT)
    made = [
        Part(sql, c.words, c.cost + 0.1 * n, [_carried(v, encoding) for v in values])
        for (sql, c, n), values in zip(parts, texts, strict=True)
    ]
    for column in columns:
        [wanted] = sample.texts([f"f.c{column.place}"], _LOOKED_AT)
        ways = combined(wanted, made)
        if ways:
            found = [Candidate(w.sql, w.words, w.cost + 0.5) for w in ways]
            _Known(sample, found).offer([column])


def _carried(text: str, encoding: str) -> str:
    """A text as a file shows it: letters that the encoding lacks are `?`."""
    return text.encode(encoding, errors="replace").decode(encoding)


def _map_codes(sample: Sample, column: _Column) -> None:
    """A few values of a source column, each with the same value in the file."""
    if not 2 <= column.distinct <= MOST_VALUES or column.is_personal:
        return
    import numpy as np  # heavy: only where a target is drafted

    fields = [
        (alias, far, c)
        for alias, relation, far in sample.aliased
        for c in relation.columns.values()
        if c.distinct >= 2 and is_code(c.kind, c.distinct, c.name)
    ]
    if not fields:
        return
    expressions = [f'{alias}."{c.name}"' for alias, _, c in fields]
    hashes = sample.hashes(expressions)
    _, line = np.unique(sample.lines[column.place], return_inverse=True)
    for (alias, far, source), sql, row in zip(fields, expressions, hashes, strict=True):
        _, code = np.unique(row, return_inverse=True)
        counts = np.zeros((code.max() + 1, line.max() + 1), dtype=int)
        np.add.at(counts, (code, line), 1)
        share = float(counts.max(axis=1).sum()) / len(line)
        rare = int((counts.sum(axis=1) < 3).sum())
        if column.lift(share) >= LEAST_LIFT and rare * 4 <= len(counts):
            words = f"{alias}.{source.name}, mapped"
            column.add(
                share, Candidate(f"MAP {sql}", words, 1.0 + far, alias, source.name)
            )
    maps = [(s, c) for s, c in column.found if c.sql.startswith("MAP ")]
    maps.sort(
        key=lambda one: (
            -round(one[0], 3),
            one[1].cost - _likeness(column.header, one[1].source),
        )
    )
    column.found = [one for one in column.found if one not in maps]
    for share, candidate in maps[:2]:
        if made := _with_map(sample, column, candidate):
            column.add(share, made)


def _with_map(
    sample: Sample, column: _Column, candidate: Candidate
) -> Candidate | None:
    """The map as SQL, from all rows of the sample; None for one from names of people."""
    x = candidate.sql.removeprefix("MAP ")
    rows = sample.duck.execute(
        f"SELECT CAST({x} AS VARCHAR), mode(f.c{column.place}) FROM s GROUP BY 1 ORDER BY 1"
    ).fetchall()
    pairs = dict(rows)
    if are_names(sample.duck, pairs):
        return None
    targets = Counter(pairs.values())
    [(usual, count)] = targets.most_common(1)
    rest = usual if count * 2 > len(pairs) and count > 2 else pairs.get(None, "")
    whens = " ".join(
        f"WHEN {literal(value)} THEN {literal(text)}"
        for value, text in pairs.items()
        if value is not None and text != rest
    )
    otherwise = f" ELSE {literal(rest)}" if rest else ""
    null_first = ""
    if None in pairs and pairs[None] != rest:
        null_first = f"WHEN {x} IS NULL THEN {literal(pairs[None])} "
        whens = re.sub(
            r"WHEN ('(?:[^']|'')*') THEN",
            rf"WHEN CAST({x} AS VARCHAR) = \1 THEN",
            whens,
        )
        return replace(candidate, sql=f"CASE {null_first}{whens}{otherwise} END")
    return replace(candidate, sql=f"CASE CAST({x} AS VARCHAR) {whens}{otherwise} END")


def _default(sample: Sample, column: _Column, known: _Known) -> None:
    """A source that agrees where it has a value, and what stands where it has none."""
    import numpy as np  # heavy: only where a target is drafted

    [[nothing]] = sample.hashes(["''"])[:, :1]
    wanted = sample.lines[column.place]
    filled = known.hashes != nothing
    hits = known.hashes == wanted
    there = filled.sum(axis=1)
    good = np.flatnonzero(
        (there >= 5)
        & (there < sample.rows)
        & ((hits & filled).sum(axis=1) >= there * GOOD)
    )
    for n in sorted(map(int, good), key=lambda n: known.candidates[n].cost)[:6]:
        first, rest = known.candidates[n], ~filled[n]
        alternatives = (known.hashes[:, rest] == wanted[rest]).mean(axis=1)
        second = int(np.argmax(alternatives))
        x = f"nullif(CAST({first.sql} AS VARCHAR), '')"
        usual = _usual(sample, column, f"{as_text(first.sql)} = ''")
        made = []
        if not column.is_personal or there[n] < sample.rows - 2:
            words = f'{first.words}, else "{usual}"'
            sql = f"coalesce({x}, {literal(usual)})"
            made = [Candidate(sql, words, first.cost + 0.3, first.alias, first.source)]
        if alternatives[second] > 0.9:
            other = known.candidates[second]
            made.append(
                Candidate(
                    f"coalesce({x}, CAST({other.sql} AS VARCHAR))",
                    f"{first.words}, else {other.words}",
                    first.cost + other.cost + 0.4,
                    first.alias,
                    first.source,
                )
            )
        _Known(sample, made).offer([column])


def _usual(sample: Sample, column: _Column, where: str) -> str:
    """The most frequent value of the column on some lines."""
    [(value,)] = sample.duck.execute(
        f"SELECT coalesce(mode(f.c{column.place}), '') FROM s WHERE {where}"
    ).fetchall()
    return str(value)


def _decide(sample: Sample, column: _Column, known: _Known, rows: Rows) -> None:
    """One condition on one column: a source or constant where it holds, another where not."""
    wanted, shares = sample.lines[column.place], known.shares[:, column.place]
    order = sorted(
        range(len(shares)), key=lambda n: (-shares[n], known.candidates[n].cost)
    )
    first = [
        (known.candidates[n], known.hashes[n] == wanted)
        for n in order[:4]
        if 0.02 < shares[n] < GOOD
    ]
    if 2 <= column.distinct <= 5 and not column.is_personal:
        usual = _constant(column.usual)
        first.append((usual, sample.hashes([usual.sql])[0] == wanted))
    for one, hits in first:
        for other, others in _others(sample, column, known, hits):
            clear = hits != others
            open_ones = int((others & clear).sum())
            chain, left = rows.chain(
                hits, most=3, least=max(2, open_ones // 50), alive=clear, limits=True
            )
            kept = int((hits & clear).sum())
            wrong = int((left & ~hits).sum()) + kept - int((left & hits).sum())
            if chain and wrong <= max(open_ones, kept) * 0.02:
                test = " AND ".join(c.sql for c in chain)
                sql = f"CASE WHEN {test} THEN {_cast(one)} ELSE {_cast(other)} END"
                told = " and ".join(c.words for c in chain)
                words = f"where {told}: {one.words}; else {other.words}"
                cost = one.cost + other.cost + len(chain) + sum(c.cost for c in chain)
                made = Candidate(sql, words, cost, one.alias, one.source)
                _Known(sample, [made]).offer([column])


def _cast(candidate: Candidate) -> str:
    """A text, whatever the type of the source."""
    is_text = candidate.sql == "NULL" or candidate.sql[0] == "'"
    return candidate.sql if is_text else f"CAST({candidate.sql} AS VARCHAR)"


def _others(
    sample: Sample, column: _Column, known: _Known, hits: np.ndarray[Any, Any]
) -> Iterator[tuple[Candidate, np.ndarray[Any, Any]]]:
    """What stands on the lines on which a candidate does not agree: a constant, a source."""
    import numpy as np  # heavy: only where a target is drafted

    wanted, rest = sample.lines[column.place], ~hits
    if rest.sum() < 2:
        return
    values, counts = np.unique(wanted[rest], return_counts=True)
    if counts.max() >= rest.sum() * 0.95:
        where = int(np.flatnonzero(wanted == values[counts.argmax()])[0])
        [(text,)] = sample.duck.execute(
            f"SELECT f.c{column.place} FROM s LIMIT 1 OFFSET {where}"
        ).fetchall()
        if not text or (not column.is_personal and counts.max() > 2):
            constant = _constant(text)
            yield constant, sample.hashes([constant.sql])[0] == wanted
    shares = (known.hashes[:, rest] == wanted[rest]).mean(axis=1)
    good = list(np.flatnonzero(shares >= 0.95))
    for n in sorted(good, key=lambda n: known.candidates[n].cost)[:2]:
        yield known.candidates[n], known.hashes[n] == wanted


def _chosen(column: _Column) -> Explained:
    ranked = column.ranked
    if not ranked:
        return Explained(column.header, "", "", 0.0)
    share, winner = ranked[0]
    others = [
        (s, c) for s, c in ranked[1:] if c.sql != winner.sql and c.words != winner.words
    ]
    seen = others[0] if others else None
    told = f"{seen[1].words} ({seen[0]:.1%})" if seen else ""
    is_explained = column.lift(share) >= LEAST_LIFT and share >= LEAST_SHARE
    if column.distinct <= 1:
        is_explained = True
    return Explained(
        column.header,
        winner.sql if is_explained else "",
        winner.words,
        share,
        told,
    )


def _likeness(header: str, source: str) -> float:
    """0 to 0.7: how much a header and a column's name have in common."""
    if not source:
        return 0.0
    one, other = _letters(header), _letters(source)
    if one == other:
        return 0.7
    if one and other and (one in other or other in one):
        return 0.4
    words, theirs = _words(header), _words(source)
    return 0.3 * len(words & theirs) / max(len(words | theirs), 1)


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _words(name: str) -> set[str]:
    return set(
        re.findall(r"[a-z]+|[0-9]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower())
    )
