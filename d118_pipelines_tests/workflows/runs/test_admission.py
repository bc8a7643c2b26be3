"""What a plan that may not go says: of a provider and of a target in the same form."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from d118_pipelines.config.project import Project
from d118_pipelines.errors import ExportError, FatalError, HeldError
from d118_pipelines.kernel.guard_rule import GuardRule, verdict
from d118_pipelines.state.plans import Approval, StoredPlan
from d118_pipelines.workflows.monitoring.all_feeds import named_feed
from d118_pipelines.workflows.runs.admission import refusal
from d118_pipelines.workflows.runs.feed import Feed
from d118_pipelines_tests.support.project import REPOSITORY

MADE = dt.datetime(2026, 8, 4, 7, 10, tzinfo=dt.UTC)
LEAVING = GuardRule(
    *("guard.deactivated.per_entity", "held", False),
    "users: 11 of 100 active records would be deactivated.\nAnd 2 more.",
)
EMPTY = GuardRule("guard.rows_enough", "failed", False, "No record (at least 1).")
PASSED = GuardRule("guard.blackout", "held", True, "No blackout today.")
NOT_DONE = {
    "powerschool": "Nothing was changed in the roster.",
    "hr_records": "Nothing was sent; the vendor keeps the last delivered files.",
}
SIZE = {
    "powerschool": "9,713 changes, kept until 2026-09-03 02:10 CDT",
    "hr_records": "9,713 changes",
}
either = pytest.mark.parametrize("name", ["powerschool", "hr_records"])


def feed(name: str, tmp_path: Path) -> Feed:
    return named_feed(Project(REPOSITORY, tmp_path), name)


def plan(name: str, *rules: GuardRule) -> StoredPlan:
    file = {"added": 9700, "changed": 10, "removed": 3}
    return StoredPlan(
        id="1",
        target=name,
        destination="somewhere",
        plan_hash="9f3c61d2" + "0" * 56,
        baseline=None,
        run_id="run",
        verdict=verdict(rules),
        rules=list(rules),
        counts={"changes": 9713, "files": {"staff": file}},
        files=[],
        folder="exports/hr_records/made",
        demonstration=False,
        data_at=MADE,
        created_at=MADE,
    )


def test_a_held_plan_of_a_target_says_where_its_files_are(tmp_path: Path) -> None:
    made = plan("hr_records", LEAVING)
    (tmp_path / made.folder).mkdir(parents=True)

    held = refusal(feed("hr_records", tmp_path), made, None, now=MADE)

    assert f"changes; the files are in {tmp_path / made.folder}\n" in str(held)


@either
def test_a_held_plan_says_what_was_not_done_and_how_to_go_on(
    tmp_path: Path, name: str
) -> None:
    held = refusal(feed(name, tmp_path), plan(name, PASSED, LEAVING), None, now=MADE)

    assert isinstance(held, HeldError)
    assert str(held).splitlines() == [
        f"HELD guard.deactivated.per_entity  {name}: "
        "users: 11 of 100 active records would be deactivated.",
        "  And 2 more.",
        f"  Where: plan 9f3c61d2, made 2026-08-04 02:10 CDT: {SIZE[name]}",
        f"  Not done: {NOT_DONE[name]}",
        f"  Next: Review: d118 plan {name}. Release: d118 approve {name} 9f3c61d2 "
        f'--reason "...", then: d118 run {name}',
    ]


@either
def test_a_failed_plan_offers_no_approval(tmp_path: Path, name: str) -> None:
    failed = refusal(feed(name, tmp_path), plan(name, EMPTY, LEAVING), None, now=MADE)

    assert isinstance(failed, ExportError if name == "hr_records" else FatalError)
    assert str(failed).splitlines() == [
        f"FAILED guard.rows_enough  {name}: No record (at least 1).",
        f"  Not done: {NOT_DONE[name]}",
        f"  Next: d118 plan {name}; d118 findings {name}",
    ]


@either
def test_a_released_plan_goes_and_a_failed_one_never(tmp_path: Path, name: str) -> None:
    word = Approval("1", "9f3c61d2" + "0" * 56, "tester", MADE)
    one = feed(name, tmp_path)

    assert refusal(one, plan(name, LEAVING), word, now=MADE) is None
    assert refusal(one, plan(name, EMPTY), word, now=MADE) is not None


@either
def test_a_sound_plan_goes_while_its_data_is_fresh(tmp_path: Path, name: str) -> None:
    later = MADE + dt.timedelta(days=3)
    one, sound = feed(name, tmp_path), plan(name, PASSED)

    assert refusal(one, sound, None, now=MADE) is None
    refused = refusal(one, sound, None, now=later)

    if name == "powerschool":  # its plan ends when the roster changes, not with time
        assert refused is None
    else:
        assert isinstance(refused, HeldError)
        assert refused.what.startswith("HELD guard.data_fresh  hr_records: ")
        assert refused.next_step == "Make a new one: d118 run hr_records"
