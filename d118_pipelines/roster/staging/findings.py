"""Rules as bits of a row, and the findings that are made from them.

Called by `staging.py` and the modules of rules beside it. Every rule that a row may
break has one bit in the columns `m0`, `m1` and so on of a relation; one grouped read
counts them all, and details are fetched only for rules that were broken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from d118_pipelines.kernel.finding import DETAILED, STORED_COLUMNS, Level
from d118_pipelines.kernel.sql_text import literal

if TYPE_CHECKING:
    import duckdb

_BITS = 62

REJECTED_COLUMNS = {
    "entity": "VARCHAR",
    "external_id": "VARCHAR",
    "code": "VARCHAR",
    "source_file": "VARCHAR",
    "source_line": "BIGINT",
    "raw_collection": "VARCHAR",
    "raw_row": "BIGINT",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule that a row may break; `detail` is SQL over the relation's columns.

    is_counted: its rows are one finding with their number. word: SQL of the unknown
    word, null where it is not shown; each word of several rows has a finding of its
    own.
    """

    code: str
    severity: Level
    field: str = ""
    detail: str = "''"
    is_counted: bool = False
    word: str = ""


@dataclass(slots=True)
class RuleSet:
    """The rules of one relation, each with its bit."""

    rules: list[Rule] = field(default_factory=list)

    def add(self, rule: Rule) -> int:
        """The number of the rule; the same rule keeps its number."""
        if rule not in self.rules:
            self.rules.append(rule)
        return self.rules.index(rule)

    @property
    def columns(self) -> list[str]:
        """The names of the mask columns."""
        return [f"m{i}" for i in range(-(-len(self.rules) // _BITS))]

    def masks(self, conditions: Mapping[int, str]) -> list[str]:
        """SQL of each mask column; a condition is true where its rule is broken."""
        parts: dict[int, list[str]] = {i: [] for i in range(len(self.columns))}
        for number, condition in conditions.items():
            bit = 1 << (number % _BITS)
            parts[number // _BITS].append(
                f"CASE WHEN {condition} THEN CAST({bit} AS BIGINT) ELSE 0 END"
            )
        return [
            f"{' | '.join(parts[i]) or 'CAST(0 AS BIGINT)'} AS {name}"
            for i, name in enumerate(self.columns)
        ]

    def broken(self, number: int, of: str = "") -> str:
        """SQL: the row breaks this rule; `of` is an alias with its point."""
        column = f"{of}m{number // _BITS}"
        return f"({column} & {1 << (number % _BITS)}) <> 0"

    def any_broken(self, severity: Level | None = None) -> str:
        """SQL: the row breaks any rule (of that severity)."""
        wanted: dict[str, int] = {}
        for number, rule in enumerate(self.rules):
            if severity in (None, rule.severity):
                column = f"m{number // _BITS}"
                wanted[column] = wanted.get(column, 0) | 1 << (number % _BITS)
        tests = [f"({column} & {bits}) <> 0" for column, bits in wanted.items()]
        return " OR ".join(tests) or "false"

    def rejecting_code(self) -> str:
        """SQL: the code of the first rule that rejects the row, else null."""
        branches = " ".join(
            f"WHEN {self.broken(number)} THEN {literal(rule.code)}"
            for number, rule in enumerate(self.rules)
            if rule.severity == "reject"
        )
        return f"CASE {branches} END" if branches else "CAST(NULL AS VARCHAR)"


def create_tables(duck: duckdb.DuckDBPyConnection) -> None:
    """Make the tables `findings` and `rejected`."""
    for name, columns in (
        ("findings", STORED_COLUMNS),
        ("rejected", REJECTED_COLUMNS),
    ):
        layout = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
        duck.execute(f"CREATE OR REPLACE TABLE {name} ({layout})")


def judge_table(
    duck: duckdb.DuckDBPyConnection,
    entity: str,
    table: str,
    select: str,
    broken: Iterable[tuple[Rule, str]],
) -> RuleSet:
    """Make a table of a SELECT with its mask columns, and report what its rows break.

    broken: rules, each with SQL over the SELECT's columns that is true where it is
    broken.
    """
    rules = RuleSet()
    masks = rules.masks({rules.add(rule): condition for rule, condition in broken})
    duck.execute(
        f"CREATE OR REPLACE TABLE {table} AS SELECT *, {', '.join(masks)} FROM ({select})"
    )
    report(duck, entity, table, rules)
    return rules


def leave_out(
    duck: duckdb.DuckDBPyConnection, entity: str, relation: str, rules: RuleSet
) -> None:
    """Report what rows of the relation break, and add those rejected to `out.<entity>`."""
    broken = report(duck, entity, relation, rules)
    if all(rules.rules[number].severity != "reject" for number in broken):
        return
    duck.execute(
        f"INSERT INTO out.{entity} SELECT n, {rules.rejecting_code()} "
        f"FROM {relation} WHERE {rules.any_broken('reject')}"
    )


def report(
    duck: duckdb.DuckDBPyConnection, entity: str, relation: str, rules: RuleSet
) -> set[int]:
    """Add findings for every rule that rows of the relation break; their numbers.

    The relation has the mask columns, external_id, source_file and source_line, and
    what the rules' details read.
    """
    if not rules.rules:
        return set()
    room: Counter[tuple[str, str]] = Counter()
    counts = _counts(duck, relation, rules)
    for (number, file), count in sorted(counts.items()):
        rule = rules.rules[number]
        left = 0 if rule.is_counted else max(0, DETAILED - room[rule.code, file])
        room[rule.code, file] += count
        fixed = ", ".join(map(literal, (rule.code, rule.severity)))
        if left:
            duck.execute(
                f"INSERT INTO findings SELECT {literal(entity)}, {fixed}, external_id, "
                f"{literal(rule.field)}, source_file, source_line, {rule.detail}, 1 "
                f"FROM {relation} WHERE {rules.broken(number)} AND source_file = ? "
                f"ORDER BY source_line, external_id LIMIT {left}",
                [file],
            )
        if count > left:
            further = "" if rule.is_counted else "further rows"
            duck.execute(
                f"INSERT INTO findings SELECT {literal(entity)}, {fixed}, NULL, "
                f"{literal(rule.field)}, ?, NULL, {literal(further)}, {count - left}",
                [file],
            )
        if rule.word:
            duck.execute(
                f"INSERT INTO findings SELECT {literal(entity)}, {literal(rule.code)}, "
                f"'warn', NULL, {literal(rule.field)}, ?, NULL, "
                f"format('{rule.field} \"{{}}\": {{:,}} {entity}', {rule.word}, count(*)), "
                f"count(*) FROM {relation} WHERE {rules.broken(number)} "
                f"AND source_file = ? AND {rule.word} IS NOT NULL "
                f"GROUP BY {rule.word} HAVING count(*) > 1",
                [file, file],
            )
    return {number for number, _ in counts}


def _counts(
    duck: duckdb.DuckDBPyConnection, relation: str, rules: RuleSet
) -> Counter[tuple[int, str]]:
    """(number of the rule, file) -> rows that break it; one read for all rules."""
    columns = ", ".join(rules.columns)
    rows = duck.execute(
        f"SELECT source_file, {columns}, count(*) FROM {relation} "
        f"WHERE {rules.any_broken()} GROUP BY ALL"
    ).fetchall()
    counts: Counter[tuple[int, str]] = Counter()
    for file, *masks, count in rows:
        for number in range(len(rules.rules)):
            if masks[number // _BITS] & (1 << (number % _BITS)):
                counts[number, file] += count
    return counts
