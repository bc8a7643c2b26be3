"""The guard's decisions: every default just below, at and just above (faults 13, 14).

What a plan counts is tested in `test_guarded_plans.py`; here are counts and verdicts.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from pydantic import ValidationError

from d118_pipelines.config.guard_limits import (
    CSV_REJECTS,
    RosterGuard,
    guard_warnings,
    merged_guard,
)
from d118_pipelines.kernel.guard_rule import GuardRule, verdict
from d118_pipelines.roster.planning.guard import RULES, SchoolConflict, judge
from d118_pipelines.roster.planning.plan_counts import Counts, SchoolCounts

TODAY = dt.date(2026, 11, 2)
USERS = "users/students"


def judged(
    counts: dict[str, Counts] | None = None,
    schools: list[SchoolCounts] | None = None,
    day: dt.date = TODAY,
    **more: Any,
) -> dict[str, GuardRule]:
    """The rules by code; `settings` are keys as in the YAML."""
    guard = merged_guard(RosterGuard(), more.pop("settings", {}))
    rules = judge(counts or {}, schools or [], guard, day, **more)
    assert [r.code for r in rules] == [c for c in RULES if c in {r.code for r in rules}]
    return {rule.code: rule for rule in rules}


def broken(rules: dict[str, GuardRule]) -> set[str]:
    return {code for code, rule in rules.items() if not rule.passed}


def at_school(leaving: int, active: int) -> SchoolCounts:
    none = (0, 0, 0, 0, 0, 0, 0)
    return SchoolCounts("users", "students", "id", "2005", active, leaving, *none)


def test_nothing_changed_is_ready() -> None:
    rules = judged({"users": Counts(active=100, fetched=100)}, [at_school(0, 100)])

    assert broken(rules) == set()
    assert verdict(list(rules.values())) == "ready"


SHARES = [
    ("guard.deactivated.per_entity", "missing", 0.10, 10),
    ("guard.deactivated.per_entity", "retired", 0.10, 10),
    ("guard.deactivated.per_entity", "unlinked", 0.10, 10),
    ("guard.updated", "updated", 0.75, 10),
]


@pytest.mark.parametrize("scope", ["orgs", "terms", "courses", "classes", "users",
                                   USERS, "users/staff", "enrollments/teacher"])  # fmt: skip
@pytest.mark.parametrize(("code", "count", "share", "minimum"), SHARES)
def test_share_of_an_entity_just_below_at_and_above(
    scope: str, code: str, count: str, share: float, minimum: int
) -> None:
    limit = round(1000 * share)
    for figure, held in [(limit - 1, False), (limit, False), (limit + 1, True)]:
        counts = Counts(active=1000, fetched=1000, **{count: figure})
        assert broken(judged({scope: counts})) == ({code} if held else set()), figure


@pytest.mark.parametrize(("code", "count", "share", "minimum"), SHARES)
def test_share_needs_the_minimum_count(
    code: str, count: str, share: float, minimum: int
) -> None:
    for figure, held in [(minimum - 1, False), (minimum, True), (minimum + 1, True)]:
        counts = Counts(active=minimum, fetched=minimum, **{count: figure})
        assert broken(judged({"users": counts})) == ({code} if held else set()), figure


@pytest.mark.parametrize(
    ("figure", "active", "held"),
    [(199, 1000, False), (200, 1000, False), (201, 1000, True), (1, 3, False),
     (4, 4, False), (5, 5, True), (5, 25, False), (6, 29, True), (5, 0, False)],
)  # fmt: skip
def test_share_of_a_school(figure: int, active: int, held: bool) -> None:
    rules = judged(schools=[at_school(figure, active)])

    assert broken(rules) == ({"guard.deactivated.per_school"} if held else set())


@pytest.mark.parametrize(
    ("figure", "active", "held"),
    [(19, 1000, False), (20, 1000, False), (21, 1000, True), (9, 20, False),
     (10, 20, True)],
)  # fmt: skip
def test_id_churn(figure: int, active: int, held: bool) -> None:
    rules = judged({"users": Counts(active=active, fetched=active, churned=figure)})

    assert broken(rules) == ({"guard.id_churn"} if held else set())


@pytest.mark.parametrize(
    ("created", "limit", "held"),
    [(10_000, None, False), (100, 0.1, False), (101, 0.1, True)],
)
def test_creates_are_limited_only_where_a_limit_stands(
    created: int, limit: float | None, held: bool
) -> None:
    counts = Counts(active=1000, fetched=1000, created=created)

    rules = judged({"users": counts}, settings={"created": limit})

    assert ("guard.created" in rules) == (limit is not None)
    assert broken(rules) == ({"guard.created"} if held else set())


def test_first_import_has_no_shares() -> None:
    counts = Counts(fetched=5000, created=5000)

    assert broken(judged({"users": counts}, settings={"created": 0.1})) == set()


@pytest.mark.parametrize(
    ("entity", "kind"),
    [("orgs", "failed"), ("users", "failed"), ("terms", "held"), ("classes", "held"),
     ("enrollments", "held")],
)  # fmt: skip
def test_a6_fault_d5_zero_rows_can_be_approved_but_for_schools_and_people(
    entity: str, kind: str
) -> None:
    rules = judged({entity: Counts(active=1)})

    assert broken(rules) == {"guard.zero_rows"}
    assert rules["guard.zero_rows"].kind == kind


def test_zero_rows_of_an_empty_baseline_or_of_a_delta_pass() -> None:
    assert broken(judged({"users": Counts()})) == set()
    assert broken(judged({"users": Counts(active=5)}, deltas=["users"])) == set()


@pytest.mark.parametrize(("active", "held"), [(9, False), (10, True)])
def test_a_group_that_comes_back_empty_is_held_from_the_minimum_on(
    active: int, held: bool
) -> None:
    counts = {
        "users": Counts(active=active + 2, fetched=active + 2),
        "users/students": Counts(active=active),
    }
    settings = {"minimum_count": {"per_entity": 10}}

    rules = judged(counts, settings=settings)

    assert broken(rules) == ({"guard.zero_rows"} if held else set())


@pytest.mark.parametrize(
    ("errors", "fetched", "csv", "held"),
    [(19, 20, False, False), (20, 400, False, False), (20, 399, False, True),
     (21, 400, False, True), (100, 200, True, False), (101, 10_100, True, False),
     (101, 10_099, True, True), (150, 20_000, True, False)],
)  # fmt: skip
def test_too_many_rejected_rows(
    errors: int, fetched: int, csv: bool, held: bool
) -> None:
    settings = {"rejected": CSV_REJECTS.model_dump()} if csv else {}

    rules = judged({"users": Counts(fetched=fetched, errors=errors)}, settings=settings)

    assert broken(rules) == ({"guard.too_many_rejects"} if held else set())


def test_dropped_duplicates_are_no_rejected_rows() -> None:
    counts = Counts(active=100, fetched=100, errors=50, duplicates=50)

    assert broken(judged({"users": counts})) == set()


def test_reason_of_staging_to_hold_is_passed_on() -> None:
    rule = judged(held_reason="pupils.csv: too many")["guard.too_many_rejects"]

    assert (rule.passed, rule.kind, rule.message) == (
        False,
        "held",
        "pupils.csv: too many",
    )


def test_school_that_is_not_linked_is_held_and_named() -> None:
    rules = judged(school_conflicts=[SchoolConflict("c9", "sis_id")])

    assert broken(rules) == {"guard.schools_linked"}
    assert "School c9" in rules["guard.schools_linked"].message


WINDOW = {
    "name": "back to school",
    "from": dt.date(2026, 8, 1),
    "to": dt.date(2026, 9, 15),
    "deactivated": {"per_entity": 0.60, "per_school": 0.60},
    "updated": 1.0,
}


@pytest.mark.parametrize(
    ("day", "held"),
    [((7, 31), True), ((8, 1), False), ((9, 15), False), ((9, 16), True)],
)
def test_fault_14_window_raises_limits_between_its_dates_only(
    day: tuple[int, int], held: bool
) -> None:
    counts = Counts(active=100, fetched=100, missing=60, updated=100)

    rules = judged(
        {"users": counts},
        [at_school(60, 100)],
        dt.date(2026, *day),
        settings={"windows": [WINDOW]},
    )

    limits = {"guard.deactivated.per_entity", "guard.deactivated.per_school"}
    assert broken(rules) == (limits | {"guard.updated"} if held else set())


def test_window_has_an_upper_limit_too() -> None:
    rules = judged(
        {"users": Counts(active=100, missing=61, fetched=100)},
        day=dt.date(2026, 8, 1),
        settings={"windows": [WINDOW]},
    )

    assert broken(rules) == {"guard.deactivated.per_entity"}


@pytest.mark.parametrize(
    ("day", "held"),
    [((6, 4), False), ((6, 5), True), ((7, 20), True), ((7, 21), False)],
)
def test_fault_14_blackout_holds_on_its_days(day: tuple[int, int], held: bool) -> None:
    blackout = {"from": dt.date(2026, 6, 5), "to": dt.date(2026, 7, 20)}

    rules = judged(
        day=dt.date(2026, *day),
        settings={"blackouts": [{**blackout, "reason": "summer"}]},
    )

    assert broken(rules) == ({"guard.blackout"} if held else set())


@pytest.mark.parametrize(
    ("last", "today", "count"),
    [((9, 29), (8, 1), 0), ((9, 30), (8, 1), 1), ((9, 15), (9, 15), 0),
     ((9, 15), (9, 16), 1)],
)  # fmt: skip
def test_windows_too_long_or_past_are_warnings(
    last: tuple[int, int], today: tuple[int, int], count: int
) -> None:
    window = {**WINDOW, "to": dt.date(2026, *last)}
    guard = merged_guard(RosterGuard(), {"windows": [window]})

    assert len(guard_warnings(guard, dt.date(2026, *today))) == count


def test_provider_overrides_single_keys() -> None:
    merged = merged_guard(RosterGuard(), {"deactivated": {"per_entity": 0.3}})

    assert merged.deactivated.per_entity == 0.3
    assert merged.deactivated.per_school == 0.2


@pytest.mark.parametrize(
    "wrong", [{"deactivate": 1}, {"updated": 1.5}, {"windows": [{**WINDOW, "to": dt.date(2026, 7, 1)}]}]
)  # fmt: skip
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        merged_guard(RosterGuard(), wrong)


def test_message_names_the_ten_largest_with_figure_limit_and_base() -> None:
    schools = [
        SchoolCounts("users", "students", str(i), str(i), 100, 30 + i, *(0,) * 7)
        for i in range(12)
    ]

    rule = judged(schools=schools)["guard.deactivated.per_school"]

    lines = rule.message.splitlines()
    assert lines[0] == (
        "school 11, users/students: 41 of 100 active records would be deactivated or "
        "leave the school (41.0 %, limit 20 %, minimum 5)."
    )
    assert len(lines) == 11
    assert lines[-1] == "And 2 more."


def test_check_names_say_what_holds() -> None:
    names = {rule.code: rule.check_name for rule in judged().values()}

    assert names["guard.deactivated.per_school"] == "deactivated_per_school"
    assert len(set(names.values())) == len(names)
