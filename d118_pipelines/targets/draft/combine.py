"""Columns made of one to three others and constant texts: `Ruiz, Ana`, `ana.ruiz@d.example`.

Called by `explain.py`. Pure on lists of texts. Page: docs/reference/drafting.md,
shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from d118_pipelines.kernel.sql_text import literal

_AGREES = 0.97
_LEAST_ROWS = 8
_MOST_CONSTANT = 40


@dataclass(frozen=True, slots=True)
class Part:
    """A candidate and its values on the lines that are looked at."""

    sql: str
    words: str
    cost: float
    values: list[str]


@dataclass(frozen=True, slots=True)
class Made:
    """SQL of parts with constants between them."""

    sql: str
    words: str
    cost: float


def combined(wanted: Sequence[str], parts: Sequence[Part]) -> list[Made]:
    """The ways in which one to three of the parts make the values, the simplest first."""
    tail = _domain(wanted)
    bare = [v[: len(v) - len(tail)] if v and tail else v for v in wanted]
    lines = [place for place, value in enumerate(bare) if value]
    if len(lines) < _LEAST_ROWS or len({bare[i] for i in lines}) < 3:
        return []
    usable = [p for p in parts if _is_inside(bare, p, lines)]
    found = [
        (pieces, constants)
        for pieces, constants in _one(bare, usable, lines)
        if constants != ("", "") or tail
    ]
    found += _two(bare, usable, lines)
    if not found:
        found += _three(bare, usable, lines)
    found.sort(key=lambda one: (len(one[0]), sum(part.cost for part in one[0])))
    return [made for one in found[:6] for made in _as_sql(*one, tail)]


Way = tuple[tuple[Part, ...], tuple[str, ...]]


def _domain(values: Sequence[str]) -> str:
    """What follows the @ in every value, with it."""
    tails = {"@" + v.split("@", 1)[1] if "@" in v else "" for v in values if v}
    return tails.pop() if len(tails) == 1 else ""


def _is_inside(wanted: Sequence[str], part: Part, lines: Sequence[int]) -> bool:
    there = [i for i in lines if part.values[i]]
    if len(there) < _LEAST_ROWS or len({part.values[i] for i in there}) < 3:
        return False
    missed, most = 0, int(len(there) * (1 - _AGREES))
    for i in there:
        if part.values[i] not in wanted[i]:
            missed += 1
            if missed > most:
                return False
    return True


def _constant(pairs: Sequence[tuple[str, ...]], lines: int) -> tuple[str, ...] | None:
    """What nearly all lines have in common."""
    if len(pairs) < max(_LEAST_ROWS, lines * 0.3):
        return None
    common = max(set(pairs), key=pairs.count)
    fits = pairs.count(common) >= len(pairs) * _AGREES
    return common if fits and max(map(len, common)) <= _MOST_CONSTANT else None


def _one(
    wanted: Sequence[str], parts: Sequence[Part], lines: Sequence[int]
) -> list[Way]:
    found: list[Way] = []
    for part in parts:
        there = [i for i in lines if part.values[i]]
        for find in (str.find, str.rfind):
            cuts = []
            for i in there:
                at = find(wanted[i], part.values[i])
                end = at + len(part.values[i])
                cuts.append(
                    (wanted[i][:at], wanted[i][end:]) if at >= 0 else ("\0", "")
                )
            constants = _constant(cuts, len(lines))
            if constants is not None and ((part,), constants) not in found:
                found.append(((part,), constants))
    return found


def _ends(
    wanted: Sequence[str], parts: Sequence[Part], lines: Sequence[int]
) -> Iterator[tuple[Part, Part, list[tuple[int, str]]]]:
    """Two parts with which the values begin and end, and what is between them."""
    heads = [p for p in parts if _agrees(wanted, p, lines, str.startswith)]
    tails = [p for p in parts if _agrees(wanted, p, lines, str.endswith)]
    for head in heads:
        for tail in tails:
            if head is tail:
                continue
            middle = []
            for i in lines:
                first, last = head.values[i], tail.values[i]
                if not first or not last:
                    continue
                fits = wanted[i].startswith(first) and wanted[i].endswith(last)
                if fits and len(wanted[i]) >= len(first) + len(last):
                    middle.append(
                        (i, wanted[i][len(first) : len(wanted[i]) - len(last)])
                    )
                else:
                    middle.append((i, "\0"))
            yield head, tail, middle


def _agrees(
    wanted: Sequence[str],
    part: Part,
    lines: Sequence[int],
    test: Callable[[str, str], bool],
) -> bool:
    there = [i for i in lines if part.values[i]]
    hits = sum(test(wanted[i], part.values[i]) for i in there)
    return bool(there) and hits >= len(there) * _AGREES


def _two(
    wanted: Sequence[str], parts: Sequence[Part], lines: Sequence[int]
) -> list[Way]:
    found: list[Way] = []
    for head, tail, middle in _ends(wanted, parts, lines):
        constant = _constant([(text,) for _, text in middle], len(lines))
        if constant is not None and constant != ("\0",):
            found.append(((head, tail), ("", *constant, "")))
    return found


def _three(
    wanted: Sequence[str], parts: Sequence[Part], lines: Sequence[int]
) -> list[Way]:
    found: list[Way] = []
    for head, tail, middle in _ends(wanted, parts, lines):
        for part in parts:
            if part in (head, tail):
                continue
            cuts = []
            for i, text in middle:
                value = part.values[i]
                if value:
                    at = text.find(value)
                    end = at + len(value)
                    cuts.append((text[:at], text[end:]) if at >= 0 else ("\0", ""))
            constants = _constant(cuts, len(lines))
            if constants is not None and constants[0] != "\0":
                found.append(((head, part, tail), ("", *constants, "")))
                if len(found) >= 6:
                    return found
    return found


def _as_sql(
    parts: tuple[Part, ...], constants: tuple[str, ...], tail: str
) -> list[Made]:
    """Where a part is empty, all is empty, or the rest stands with or without constants."""
    words = " + ".join(
        text
        for part, constant in zip((*parts, None), constants, strict=True)
        for text in (f'"{constant}"' * bool(constant), part.words if part else "")
        if text
    )
    words += f' + "{tail}"' * bool(tail)
    cost = sum(part.cost for part in parts) + 0.5 * len(parts)
    last = constants[-1] + tail
    strict, loose = [], []
    for constant, part in zip(constants[:-1], parts, strict=True):
        glue = [literal(constant)] if constant else []
        strict += [*glue, f"nullif(CAST({part.sql} AS VARCHAR), '')"]
        loose += [*glue, f"coalesce({part.sql}, '')"]
    end = [literal(last)] if last else []
    made = [Made(" || ".join([*strict, *end]), words, cost)]
    if len(parts) > 1:
        made.append(Made(" || ".join([*loose, *end]), words, cost + 0.1))
        inner = set(constants[1:-1])
        if len(inner) == 1 and not constants[0] and not last:
            joined = ", ".join(f"nullif({part.sql}, '')" for part in parts)
            sql = f"concat_ws({literal(inner.pop())}, {joined})"
            made.append(Made(sql, words, cost + 0.05))
    return made
