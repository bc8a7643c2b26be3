"""docs/reference/rule_codes.md has every code of the system, and no other."""

from __future__ import annotations

import ast
import datetime as dt
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from d118_pipelines.config.guard_limits import Blackout
from d118_pipelines.targets.definition import Target, read_targets
from d118_pipelines.targets.guard import judge, rule_meanings
from d118_pipelines.targets.plan import FileCounts, Plan
from d118_pipelines.targets.population import RENDER_CODES
from d118_pipelines.workflows.targets.autocomm import NOT_PICKED_UP
from d118_pipelines_tests.docs.markdown import (
    REPOSITORY,
    page,
    tables_headed,
    ticked,
)

[ROWS] = tables_headed(
    page("reference/rule_codes.md"), "code", "meaning", "level", "what to do"
)
TARGETS = read_targets(REPOSITORY)
NOW = dt.datetime(2026, 11, 2, tzinfo=dt.UTC)
TODAY = NOW.date()
# Not the name of a statement, as in roster/plan.digests.
_PREFIXED = re.compile(
    r"(?<![\w/])(guard|extract|plan|internal)\.((?:[a-z_]+(?:\.[a-z_]+)*)?)"
)
_AFTER_VERDICT = re.compile(r"\b(?:FAILED|HELD) ([a-z]+)\.([a-z_]*)")
_FILE_SUFFIXES = {"parquet", "json", "py", "sql"}


def documented_levels() -> dict[str, set[str]]:
    return {ticked(row["code"])[0]: set(row["level"].split(" / ")) for row in ROWS}


def texts(path: Path) -> Iterator[str]:
    """Every string of a module but the docstrings; of f-strings the fixed parts."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}
    constants = (n for n in ast.walk(tree) if isinstance(n, ast.Constant))
    for constant in constants:
        if isinstance(constant.value, str) and id(constant) not in docstrings:
            yield constant.value


def codes_in_the_source() -> set[str]:
    found = set()
    for path in (REPOSITORY / "d118_pipelines").rglob("*.py"):
        for text in texts(path):
            for prefix, name in [
                *_PREFIXED.findall(text),
                *_AFTER_VERDICT.findall(text),
            ]:
                if prefix == "internal":
                    found.add("internal.<class>")
                elif name and name not in _FILE_SUFFIXES:
                    found.add(f"{prefix}.{name}")
    return found


def finding_levels() -> dict[str, set[str]]:
    """Code of a rule or finding -> its levels over all targets."""
    levels: dict[str, set[str]] = defaultdict(set)
    for target in TARGETS:
        for rule in target.model.rules:
            if rule.action == "ignore":
                levels[rule.code].add("ignored")
        for code, meaning in target.model.codes.items():
            levels[code].add(meaning.level)
    for code, (level, _) in RENDER_CODES.items():
        levels[code].add(level)
    levels[NOT_PICKED_UP].add("warning")
    return levels


def with_all_limits(target: Target) -> Target:
    """The target with every limit set, so that every rule is evaluated."""
    most = ("max_adds", "max_changes", "max_deactivations", "max_user_names")
    limits: dict[str, object] = dict.fromkeys(most, 1)
    limits["blackouts"] = [Blackout(**{"from": TODAY, "to": TODAY}, reason="summer")]
    guard = target.model.guard.model_copy(update=limits)
    model = target.model.model_copy(update={"guard": guard})
    return Target(target.path, model, REPOSITORY / "sql/exports")


def guard_levels() -> dict[str, set[str]]:
    """Code of a guard rule -> `failed` or `held`."""
    counts = FileCounts(1, None, 0, 0, 0, 1, 0, {}, {})
    levels: dict[str, set[str]] = defaultdict(set)
    for target in map(with_all_limits, TARGETS):
        rules = judge(
            target,
            Plan("0" * 64, None, {f.name: counts for f in target.record_files}),
            broken={},
            is_ledger_empty=False,
            data_at=NOW,
            now=NOW,
            zone=dt.UTC,
        )
        assert [rule.code for rule in rules] == list(rule_meanings(target))
        for rule in rules:
            levels[rule.code].add(rule.kind)
    return levels


def test_table_has_exactly_the_codes_that_the_project_uses() -> None:
    used = codes_in_the_source() | set(finding_levels()) | set(guard_levels())

    documented = documented_levels()
    assert sorted(documented) == sorted(used)
    assert len(documented) == len(ROWS), "a code stands twice"


@pytest.mark.parametrize("levels", [finding_levels(), guard_levels()])
def test_levels_on_the_page_are_those_of_the_rules(levels: dict[str, set[str]]) -> None:
    documented = documented_levels()

    assert {code: documented.get(code) for code in levels} == levels


@pytest.mark.long
def test_codes_of_the_source_are_found() -> None:
    assert codes_in_the_source() >= {
        "extract.zero_rows",
        "guard.data_fresh",
        "guard.rows_enough",
        "internal.<class>",
        "plan.overtaken",
    }


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["code"].strip("`"))
def test_every_code_says_what_it_means_and_what_to_do(row: dict[str, str]) -> None:
    assert row["meaning"]
    assert row["what to do"]
