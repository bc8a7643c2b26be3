"""The guard's decisions, one limit at a time: just below, at and just above.

Whole runs that are held and approved: `faults/test_guard_holds.py`.
"""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from d118_pipelines.config.guard_limits import Blackout
from d118_pipelines.kernel.guard_rule import GuardRule, verdict
from d118_pipelines.targets.definition import Target
from d118_pipelines.targets.guard import judge, rule_meanings
from d118_pipelines_tests.targets.examples import plan_of, target

NOW = dt.datetime(2026, 11, 2, 11, 0, tzinfo=dt.UTC)
TARGETS = ("hr_records", "smartfind")


def judged(
    name: str,
    *,
    baseline: str | None = "yesterday",
    broken: dict[str, list[str]] | None = None,
    is_ledger_empty: bool = False,
    age: dt.timedelta = dt.timedelta(0),
    now: dt.datetime = NOW,
    guard: dict[str, Any] | None = None,
    **main: Any,
) -> dict[str, GuardRule]:
    """The rules by code, for a plan whose main file has these counts."""
    wanted = target(name)
    if guard is not None:
        limits = wanted.model.guard.model_copy(update=guard)
        model = wanted.model.model_copy(update={"guard": limits})
        wanted = Target(wanted.path, model, wanted.path)
    rules = judge(
        wanted,
        plan_of(name, baseline=baseline, **{"rows": 100, "rows_before": 100, **main}),
        broken=broken or {},
        is_ledger_empty=is_ledger_empty,
        data_at=now - age,
        now=now,
        zone=ZoneInfo("America/Chicago"),
    )
    assert [rule.code for rule in rules] == list(rule_meanings(wanted))
    return {rule.code: rule for rule in rules}


JULY = {"from": dt.date(2026, 6, 5), "to": dt.date(2026, 7, 20)}


@pytest.mark.parametrize(
    ("at", "waits"),
    [("06-05T04:59", False), ("06-05T05:00", True), ("07-21T04:59", True),
     ("07-21T05:00", False)],
)  # fmt: skip
def test_a_set_waits_on_the_days_of_a_blackout_in_the_district_s_zone(
    at: str, waits: bool
) -> None:
    guard = {"blackouts": [Blackout(**JULY, reason="summer")]}
    now = dt.datetime.fromisoformat(f"2026-{at}+00:00")

    rules = judged("hr_records", guard=guard, now=now)

    assert broken_codes(rules) == ({"guard.blackout"} if waits else set())
    found = verdict(list(rules.values()))
    assert found == ("waiting" if waits else "ready")
    if waits:
        text = "waiting: summer until 2026-07-20"
        assert rules["guard.blackout"].message == text
        both = judged("hr_records", guard=guard, now=now, rows=10)
        assert verdict(list(both.values())) == "held"


@pytest.mark.parametrize(("count", "passes"), [(5, True), (6, False)])
def test_more_user_names_than_the_limit_are_held(count: int, passes: bool) -> None:
    rules = judged(
        "hr_records", guard={"max_user_names": 5}, changed_fields={"userName": count}
    )

    held = set() if passes else {"guard.user_names_within_limit"}
    assert broken_codes(rules) == held


def broken_codes(rules: dict[str, GuardRule]) -> set[str]:
    return {code for code, rule in rules.items() if not rule.passed}


@pytest.mark.parametrize("name", TARGETS)
def test_set_within_every_limit_is_ready(name: str) -> None:
    rules = judged(name)

    assert broken_codes(rules) == set()
    assert verdict(list(rules.values())) == "ready"


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize(
    ("before", "rows", "passes"),
    [(100, 91, True), (100, 90, True), (100, 89, False), (1000, 899, False),
     (30, 27, True), (30, 26, False), (10, 200, True), (1, 1, True)],
)  # fmt: skip
def test_drop_of_ten_percent_passes_and_more_is_held(
    name: str, before: int, rows: int, passes: bool
) -> None:
    rules = judged(name, rows_before=before, rows=rows)

    assert broken_codes(rules) == (set() if passes else {"guard.drop_within_limit"})


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize(("count", "passes"), [(24, True), (25, True), (26, False)])
def test_more_than_25_deactivations_are_held(
    name: str, count: int, passes: bool
) -> None:
    rules = judged(name, deactivated=count)

    held = set() if passes else {"guard.deactivations_within_limit"}
    assert broken_codes(rules) == held


@pytest.mark.parametrize(("count", "passes"), [(49, True), (50, True), (51, False)])
@pytest.mark.parametrize("baseline", [None, "yesterday"])
def test_more_than_50_adds_are_held_with_or_without_an_earlier_delivery(
    count: int, passes: bool, baseline: str | None
) -> None:
    rules = judged("smartfind", baseline=baseline, commands={"A": count, "C": 3})

    assert broken_codes(rules) == (set() if passes else {"guard.adds_within_limit"})


@pytest.mark.parametrize(
    ("baseline", "added", "passes"), [(None, 99, True), ("b", 2, True), ("b", 3, False)]
)
def test_adds_without_a_command_column_compare_with_the_last_delivery(
    baseline: str | None, added: int, passes: bool
) -> None:
    rules = judged("hr_records", baseline=baseline, added=added, guard={"max_adds": 2})

    assert rules["guard.adds_within_limit"].passed == passes


@pytest.mark.parametrize(("changed", "passes"), [(2, True), (3, False)])
def test_more_changes_than_the_limit_are_held(changed: int, passes: bool) -> None:
    rules = judged("hr_records", changed=changed, guard={"max_changes": 2})

    assert rules["guard.changes_within_limit"].passed == passes


@pytest.mark.parametrize("name", TARGETS)
def test_first_delivery_has_nothing_to_compare_with(name: str) -> None:
    rules = judged(name, baseline=None, rows_before=None, rows=1, added=1)

    assert broken_codes(rules) == set()
    assert "No verified delivery" in rules["guard.drop_within_limit"].message


def test_files_that_are_gone_hold_every_comparison() -> None:
    limits = {"max_adds": 500, "max_changes": 500}

    rules = judged("hr_records", rows_before=None, guard=limits)

    assert broken_codes(rules) == {
        "guard.drop_within_limit",
        "guard.adds_within_limit",
        "guard.changes_within_limit",
        "guard.deactivations_within_limit",
    }


def test_limit_that_is_not_set_makes_no_rule() -> None:
    rules = judged("smartfind", guard={"max_adds": None}, commands={"A": 10_000})

    assert "guard.adds_within_limit" not in rules
    assert broken_codes(rules) == set()


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize(("rows", "passes"), [(0, False), (1, True)])
def test_fewer_rows_than_the_minimum_fail(name: str, rows: int, passes: bool) -> None:
    rules = judged(name, rows=rows, rows_before=rows)

    assert broken_codes(rules) == (set() if passes else {"guard.rows_enough"})
    assert (verdict(list(rules.values())) == "failed") == (not passes)


@pytest.mark.parametrize(
    ("hours", "passes"), [(47.99, True), (48, True), (48.01, False)]
)
def test_data_older_than_48_hours_are_held(hours: float, passes: bool) -> None:
    rules = judged("smartfind", age=dt.timedelta(hours=hours))

    assert broken_codes(rules) == (set() if passes else {"guard.data_fresh"})


def test_empty_ledger_without_seed_fails_where_a_seed_is_needed() -> None:
    assert broken_codes(judged("smartfind", is_ledger_empty=True)) == {
        "guard.ledger_seeded"
    }
    assert broken_codes(judged("hr_records", is_ledger_empty=True)) == set()


@pytest.mark.parametrize("name", TARGETS)
def test_every_broken_fact_fails_and_names_at_most_ten_keys(name: str) -> None:
    facts = [code for code, rule in judged(name).items() if rule.kind == "failed"]
    facts = [c for c in facts if c not in ("guard.rows_enough", "guard.ledger_seeded")]
    assert len(facts) >= 4

    for fact in facts:
        rules = judged(name, broken={fact: [str(key) for key in range(12)]})
        assert broken_codes(rules) == {fact}
        assert verdict(list(rules.values())) == "failed"
        assert rules[fact].message.endswith(
            "Keys: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more."
        )


def test_failure_outweighs_a_hold() -> None:
    held = GuardRule("guard.drop_within_limit", "held", False, "")
    failed = GuardRule("guard.rows_enough", "failed", False, "")
    passed = GuardRule("guard.data_fresh", "held", True, "")

    assert verdict([]) == verdict([passed]) == "ready"
    assert verdict([passed, held]) == "held"
    assert verdict([held, failed, passed]) == "failed"


@pytest.mark.parametrize("name", TARGETS)
def test_name_of_a_check_is_the_code_without_its_family(name: str) -> None:
    rules = judged(name)

    names = [rule.check_name for rule in rules.values()]
    assert [f"guard.{check}" for check in names] == list(rules)
