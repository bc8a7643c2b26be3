"""Who is exported: the population, the rules on it, and the findings of the rules.

Called by `build.py`; bytes are in `render.py`, limits in `guard.py`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from d118_pipelines.errors import ConfigurationError, ExportError
from d118_pipelines.kernel.finding import DETAILED, Finding, Level
from d118_pipelines.kernel.sql_text import statement
from d118_pipelines.targets.definition import Target
from d118_pipelines.targets.model import Rule
from d118_pipelines.targets.workbench import Workbench

if TYPE_CHECKING:
    import duckdb

_WINDOW = re.compile(r"\bover\s*\(", re.IGNORECASE)


# Codes that the renderer finds in any target.
RENDER_CODES: dict[str, tuple[Level, str]] = {
    "control_characters": (
        "warning",
        "Remove tabs, line breaks and other characters that the file cannot carry.",
    ),
    "unencodable_character": (
        "warning",
        "A character that the file's encoding lacks was sent as '?'.",
    ),
}


def apply_rules(target: Target, bench: Workbench) -> list[Finding]:
    """Make `population`, `outcome` and `exported` in the workbench.

    population: the rows of the population SQL. outcome: key VARCHAR, code, action, one
    row per record that a rule stopped. exported: the rows that no rule stopped.
    Returns: the findings of skip, hold and report rules, in rule order.
    Raises: ExportError if a key is missing or occurs twice (nothing can be exported).
    """
    population = target.population
    name = f"sql/exports/{population.sql}"
    bench.run(f"CREATE TABLE population AS {target.sql(population.sql)}", name)
    _check_keys(target, bench)
    bench.run(_sql("begin"), name)
    rules = target.model.rules
    stopping = [rule for rule in rules if rule.action != "report"]
    findings: list[Finding] = []
    for together in _passes(stopping):
        findings += _stop(target, bench, together)
    return findings + _report(target, bench, [r for r in rules if r.action == "report"])


def declared_findings(target: Target, bench: Workbench) -> list[Finding]:
    """Run the target's own finding queries: columns code, key, detail (all text).

    Of a code with more than `DETAILED` findings the rest is one finding with their
    number. Raises: ConfigurationError if a query yields a code that the target lacks.
    """
    found: list[Finding] = []
    for name in target.model.findings:
        query = _sql("findings", query=target.sql(name), most=str(DETAILED))
        rows = bench.rows(query, f"sql/exports/{name}")
        found += [_finding(target, c, key, detail or "") for c, key, detail, _ in rows]
        for code, number in sorted({(row[0], row[3]) for row in rows}):
            if number > DETAILED:
                rest = f"{number - DETAILED:,} more"
                found.append(_finding(target, code, "", rest))
    return found


def record_counts(bench: Workbench) -> dict[str, int]:
    """How many records were read, exported, and stopped per code."""
    [(read, exported)] = bench.rows(_sql("counts"), "")
    stopped = dict(bench.rows(_sql("stopped_by_code"), ""))
    return {"read": read, "exported": exported, **stopped}


def _sql(name: str, **values: str) -> str:
    return statement(f"targets/population.{name}", **values)


def _check_keys(target: Target, bench: Workbench) -> None:
    key = target.population.key
    origin = f"{target.path.name}, population.key"
    rows = bench.rows(_sql("bad_keys", key=key), origin)
    if rows:
        shown = ", ".join(str(row[0]) for row in rows)
        raise ExportError(
            f"FAILED keys_unique  {target.name}: {key} is missing or occurs twice in the "
            f"extract: {shown}.",
            where=f"sql/exports/{target.population.sql}",
            rule=doubled_by(target, key),
            not_done="Nothing was exported, nothing was sent.",
            next_step="Correct the join, or remove the duplicate record in the source; "
            f"then run: d118 run {target.name}",
        )


def doubled_by(target: Target, key: str) -> str:
    """Which joins of the target's SQL can double a record; without any, what it reads."""
    if target.joins:
        return f"Of these joins one finds several rows for {key}: " + "; ".join(
            target.joins
        )
    read = ", ".join(".".join(parts) for parts in target.reads)
    made = ", ".join(f"sql/{system}/{n}.sql" for _, system, n in target.reads)
    return f"{read} has several rows for {key}; see the joins of {made}."


def _passes(rules: Sequence[Rule]) -> list[list[Rule]]:
    """Rules that one pass can decide: a window must see only who is left before it."""
    passes: list[list[Rule]] = []
    for rule in rules:
        if not passes or _WINDOW.search(rule.when):
            passes.append([rule])
        else:
            passes[-1].append(rule)
    return passes


def _condition(target: Target, rule: Rule) -> str:
    """SQL that is true where the rule catches a record, never null."""
    key = target.population.key
    allowed = f" AND NOT list_contains(${rule.allow}, {key})" if rule.allow else ""
    return f"(coalesce(({rule.when}), false){allowed})"


def _stop(target: Target, bench: Workbench, rules: Sequence[Rule]) -> list[Finding]:
    """Take from `exported` whom one of the rules stops; the first true one decides."""
    key = target.population.key
    cases = " ".join(
        f"WHEN {_condition(target, rule)} THEN {place}"
        for place, rule in enumerate(rules)
    )
    _run_rules(target, bench, rules, _sql("marked", cases=cases))
    stopped = bench.rows(_sql("stopped", key=key), target.path.name)
    if not stopped:
        return []
    bench.run(_sql("left"), target.path.name)
    caught = [(record, rules[place]) for record, place in stopped]
    bench.add_rows(
        "stopped",
        {"key": "VARCHAR", "code": "VARCHAR", "action": "VARCHAR"},
        [(record, rule.code, rule.action) for record, rule in caught],
    )
    bench.run("INSERT INTO outcome FROM stopped", target.path.name)
    return [
        _finding(target, rule.code, record)
        for record, rule in caught
        if rule.action != "ignore"
    ]


def _report(target: Target, bench: Workbench, rules: Sequence[Rule]) -> list[Finding]:
    """The findings on records that are exported anyway, in rule order."""
    if not rules:
        return []
    hits = ", ".join(
        f"if({_condition(target, rule)}, {place}, NULL)"
        for place, rule in enumerate(rules)
    )
    sql = _sql("reported", key=target.population.key, hits=hits)
    rows = _run_rules(target, bench, rules, sql).fetchall()
    return [_finding(target, rules[place].code, record) for record, place in rows]


def _run_rules(
    target: Target, bench: Workbench, rules: Sequence[Rule], sql: str
) -> duckdb.DuckDBPyConnection:
    """Run a statement made of several rules; an error names the rule at fault."""
    try:
        return bench.run(sql, f"{target.path.name}, rules")
    except ConfigurationError:
        for rule in rules:
            bench.run(
                f"SELECT {_condition(target, rule)} FROM exported",
                f"{target.path.name}, rule {rule.code}",
            )
        raise


def _finding(target: Target, code: str, key: str, detail: str = "") -> Finding:
    meaning = target.model.codes.get(code)
    if meaning is None:
        raise ConfigurationError(
            f"{target.path.name}: a finding query yields the code {code}, which the key "
            "codes does not declare.",
            not_done="Nothing was exported.",
        )
    return Finding(code, meaning.level, key, meaning.field, detail, meaning.todo)
