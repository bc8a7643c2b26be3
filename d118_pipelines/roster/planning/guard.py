"""The guard of rosters: may this plan be applied without a person looking at it?

Called by `plan.py`: pure decisions on the counts of `plan_counts.py`; limits and
windows are in `config/guard_limits.py`. Shares are compared exactly: a limit of 10 %
lets 10 of 100 pass and holds 11. Rule: docs/reference/matching_and_guard.md.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from d118_pipelines.config.guard_limits import RejectLimits, RosterGuard, blackout_rule
from d118_pipelines.kernel.guard_rule import GuardRule, Kind

if TYPE_CHECKING:
    from d118_pipelines.roster.planning.plan_counts import Counts, SchoolCounts

_SHOWN = 10
# Nobody may approve a roster without schools or without people.
_NEVER_EMPTY = ("orgs", "users")
_SHOWN_NAMES = {"orgs": "schools"}

# Code -> what is true when the rule passes, in the order of evaluation.
RULES = {
    "guard.zero_rows": "No entity or group with active records comes back empty.",
    "guard.deactivated.per_entity": "Few records of each entity and role leave.",
    "guard.deactivated.per_school": "Few records of each school leave it.",
    "guard.updated": "No entity changes in nearly every record.",
    "guard.id_churn": "Few records disappear and return under another id.",
    "guard.created": "New records stay within the limit, where there is one.",
    "guard.schools_linked": "Each school is linked to one record for certain.",
    "guard.too_many_rejects": "Few rows of each entity are rejected.",
    "guard.blackout": "Today is not in a blackout.",
}


@dataclass(frozen=True, slots=True)
class SchoolConflict:
    """A school that the roster may have already; `rule` names the evidence."""

    external_id: str
    rule: str


@dataclass(frozen=True, slots=True)
class _Case:
    """One figure against its base: `what` of an entity, a role or a school."""

    where: str
    figure: int
    whole: int

    @property
    def share(self) -> Fraction:
        return Fraction(self.figure, self.whole) if self.whole else Fraction(0)


def judge(
    counts: Mapping[str, Counts],
    schools: Sequence[SchoolCounts],
    guard: RosterGuard,
    today: dt.date,
    *,
    school_conflicts: Sequence[SchoolConflict] = (),
    held_reason: str | None = None,
    deltas: Collection[str] = (),
) -> list[GuardRule]:
    """Evaluate every rule, in the order of `RULES`.

    counts: scope (`users`, `users/students`) -> counts. today: in the district's zone.
    held_reason: of staging, which counts rejected rows file by file.
    deltas: entities of which only changes were sent; they may be empty.
    """
    limits = guard.on(today)
    entities = {name: c for name, c in counts.items() if "/" not in name}
    least = limits.minimum_count
    rules = [
        _zero_rows(counts, deltas, least.per_entity, is_on=limits.zero_rows),
        _share(
            "guard.deactivated.per_entity",
            "active records would be deactivated",
            (_Case(_name(n), c.leaving, c.active) for n, c in counts.items()),
            limits.deactivated.per_entity,
            least.per_entity,
        ),
        _share(
            "guard.deactivated.per_school",
            "active records would be deactivated or leave the school",
            (_Case(_school(s), s.leaving, s.active) for s in schools),
            limits.deactivated.per_school,
            least.per_school,
        ),
        _share(
            "guard.updated",
            "active records would be changed",
            (_Case(_name(n), c.updated, c.active) for n, c in counts.items()),
            limits.updated,
            least.per_entity,
        ),
        _share(
            "guard.id_churn",
            "active records disappear and return under another id",
            (_Case(_name(n), c.churned, c.active) for n, c in entities.items()),
            limits.id_churn,
            least.per_entity,
        ),
    ]
    if limits.created is not None:
        rules.append(
            _share(
                "guard.created",
                "records would be new, against those that are active",
                (_Case(_name(n), c.created, c.active) for n, c in counts.items()),
                limits.created,
                least.per_entity,
            )
        )
    return [
        *rules,
        _schools_linked(school_conflicts),
        _too_many_rejects(entities, limits.rejected, held_reason),
        blackout_rule(guard.blackouts, today),
    ]


def _name(scope: str) -> str:
    entity, slash, group = scope.partition("/")
    return f"{_SHOWN_NAMES.get(entity, entity)}{slash}{group}"


def _school(counts: SchoolCounts) -> str:
    group = f"/{counts.group}" if counts.group else ""
    return f"school {counts.school}, {counts.entity}{group}"


def _share(
    code: str, what: str, cases: Iterable[_Case], limit: float, minimum: int
) -> GuardRule:
    """Held if a case is above the limit and reaches the minimum; 0 before: passes."""
    known = [case for case in cases if case.whole]
    over = [
        case
        for case in known
        if case.figure >= minimum and case.share > Fraction(str(limit))
    ]
    bounds = f"limit {limit * 100:g} %, minimum {minimum:,}"
    if not over:
        largest = max(known, key=lambda case: case.share, default=None)
        text = "Nothing to compare with yet."
        if largest is not None:
            text = f"{_line(largest, what, bounds)} Nothing is larger."
        return GuardRule(code, "held", True, text)
    over.sort(key=lambda case: (-case.share, case.where))
    lines = _first([_line(case, what, bounds) for case in over])
    return GuardRule(code, "held", False, "\n".join(lines))


def _first(lines: list[str]) -> list[str]:
    more = len(lines) - _SHOWN
    return [*lines[:_SHOWN], f"And {more:,} more."] if more > 0 else lines


def _line(case: _Case, what: str, bounds: str) -> str:
    return (
        f"{case.where}: {case.figure:,} of {case.whole:,} {what} "
        f"({float(case.share) * 100:.1f} %, {bounds})."
    )


def _zero_rows(
    counts: Mapping[str, Counts], deltas: Collection[str], minimum: int, *, is_on: bool
) -> GuardRule:
    """minimum: a group such as users/students may come back empty if it was smaller."""
    code = "guard.zero_rows"
    empty = {
        scope: c
        for scope, c in counts.items()
        if c.active >= (minimum if "/" in scope else 1)
        and not c.fetched
        and scope.partition("/")[0] not in deltas
    }
    if not is_on or not empty:
        return GuardRule(code, "held", True, "No entity came back empty.")
    kind: Kind = "failed" if set(empty) & set(_NEVER_EMPTY) else "held"
    lines = [
        f"{_name(scope)}: no row came, {c.active:,} records are active."
        for scope, c in empty.items()
    ]
    return GuardRule(code, kind, False, "\n".join(lines))


def _schools_linked(conflicts: Sequence[SchoolConflict]) -> GuardRule:
    code = "guard.schools_linked"
    if not conflicts:
        return GuardRule(code, "held", True, "Each school is linked to one record.")
    lines = [
        f"School {c.external_id}: the roster may have it already, but {c.rule} "
        "does not name one record for certain."
        for c in conflicts
    ]
    todo = "Resolve the conflicts; an approval omits these schools and their classes."
    return GuardRule(code, "held", False, "\n".join([*_first(lines), todo]))


def _too_many_rejects(
    entities: Mapping[str, Counts], limits: RejectLimits, held_reason: str | None
) -> GuardRule:
    code = "guard.too_many_rejects"
    if held_reason:
        return GuardRule(code, "held", False, held_reason)
    cases = (
        _Case(_name(name), c.errors - c.duplicates, c.fetched)
        for name, c in entities.items()
    )
    return _share(code, "rows are rejected", cases, limits.share, limits.minimum_count)
