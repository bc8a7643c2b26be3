"""Who is exported: the population, the rules on it, and the findings of the rules.

Belongs here: deciding about records. Not here: bytes (`render.py`), limits (`guard.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

from d118_pipelines.errors import ConfigurationError, ExportError
from d118_pipelines.targets.definition import Rule, Target
from d118_pipelines.targets.workbench import Workbench


@dataclass(frozen=True, slots=True)
class Finding:
    """One data-quality problem of one record. No personal data beyond the key."""

    code: str
    level: str
    key: str
    field: str = ""
    detail: str = ""
    todo: str = ""


# Codes that the renderer finds in any target.
RENDER_CODES = {
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
    Raises: ExportError if a key is missing or stands twice (nothing can be exported).
    """
    population = target.model.population
    name = f"sql/exports/{population.sql}"
    bench.run(f"CREATE TABLE population AS {target.sql(population.sql)}", name)
    _check_keys(target, bench)
    bench.run("CREATE TABLE exported AS SELECT * FROM population", name)
    bench.run("CREATE TABLE outcome (key VARCHAR, code VARCHAR, action VARCHAR)", name)
    rules = target.model.rules
    findings: list[Finding] = []
    for rule in rules:
        if rule.action != "report":
            findings += _stop(target, bench, rule)
    for rule in rules:
        if rule.action == "report":
            findings += _report(target, rule, _keys_hit(target, bench, rule))
    return findings


def declared_findings(target: Target, bench: Workbench) -> list[Finding]:
    """Run the target's own finding queries: columns code, key, detail (all text).

    Raises: ConfigurationError if a query yields a code that the target lacks.
    """
    found: list[Finding] = []
    for name in target.model.findings:
        sql = f"SELECT code, CAST(key AS VARCHAR), detail FROM ({target.sql(name)})"
        rows = bench.rows(f"{sql} ORDER BY ALL", f"sql/exports/{name}")
        for code, key, detail in rows:
            found.append(_finding(target, code, key, detail or ""))
    return found


def _check_keys(target: Target, bench: Workbench) -> None:
    key = target.model.population.key
    rows = bench.rows(
        f"SELECT CAST({key} AS VARCHAR) FROM population GROUP BY ALL "
        f"HAVING count(*) > 1 OR CAST({key} AS VARCHAR) IS NULL ORDER BY ALL LIMIT 10",
        f"{target.path.name}, population.key",
    )
    if rows:
        shown = ", ".join(str(row[0]) for row in rows)
        raise ExportError(
            f"FAILED keys_unique  {target.name}: {key} is missing or stands twice in the "
            f"extract: {shown}.",
            where=f"sql/exports/{target.model.population.sql}",
            rule="An extension table has one row per person, and SCHOOLSTAFF one row per "
            "person and school.",
            not_done="Nothing was exported, nothing was sent.",
            next_step="Remove the double record in the source, then run: "
            f"d118 run {target.name}",
        )


def _keys_hit(target: Target, bench: Workbench, rule: Rule) -> list[str]:
    """Mark the rule's hits in `exported` as `_hit` and return their keys, in key order."""
    key = target.model.population.key
    allowed = f"AND NOT list_contains(${rule.allow}, {key})" if rule.allow else ""
    origin = f"{target.path.name}, rule {rule.code}"
    bench.run(
        f"CREATE OR REPLACE TABLE marked AS SELECT *, "
        f"coalesce(({rule.when}), false) {allowed} AS _hit FROM exported",
        origin,
    )
    rows = bench.rows(
        f"SELECT CAST({key} AS VARCHAR) FROM marked WHERE _hit ORDER BY {key}", origin
    )
    return [row[0] for row in rows]


def _stop(target: Target, bench: Workbench, rule: Rule) -> list[Finding]:
    keys = _keys_hit(target, bench, rule)
    if not keys:
        return []
    key = target.model.population.key
    bench.connection.execute(
        f"INSERT INTO outcome SELECT CAST({key} AS VARCHAR), ?, ? FROM marked WHERE _hit",
        [rule.code, rule.action],
    )
    bench.connection.execute(
        "CREATE OR REPLACE TABLE exported AS "
        "SELECT * EXCLUDE (_hit) FROM marked WHERE NOT _hit"
    )
    return [] if rule.action == "ignore" else _report(target, rule, keys)


def _report(target: Target, rule: Rule, keys: list[str]) -> list[Finding]:
    return [_finding(target, rule.code, key) for key in keys]


def _finding(target: Target, code: str, key: str, detail: str = "") -> Finding:
    meaning = target.model.codes.get(code)
    if meaning is None:
        raise ConfigurationError(
            f"{target.path.name}: a finding query yields the code {code}, which the key "
            "codes does not declare.",
            not_done="Nothing was exported.",
        )
    return Finding(code, meaning.level, key, meaning.field, detail, meaning.todo)
