"""One condition on one column that separates rows, and chains of them.

Called by `explain.py` for a column, by `population.py` for who is in the file. Page:
docs/reference/drafting.md, conditions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from d118_pipelines.kernel.sql_text import identifier, literal
from d118_pipelines.targets.draft.people import are_names, is_personal
from d118_pipelines.targets.draft.relations import Relation
from d118_pipelines.targets.draft.sample import column_arrays

if TYPE_CHECKING:
    import duckdb
    import numpy as np

    Array = np.ndarray[Any, Any]

MOST_VALUES = 40
_NUMBERS = ("BIGINT", "INTEGER", "DOUBLE")
# Accounts that are no people, as systems of schools know them: no name of a person.
NO_PERSON = (
    *("test", "testing", "tester", "training", "training1", "trianing2", "trianing3"),
    *(
        "trianing4",
        "planning",
        "admin",
        "administrator",
        "nurse",
        "user",
        "use",
        "demo",
    ),
    *("sub", "substitute", "teacher", "student", "tech", "plugin", "payroll", "human"),
    *("benefits", "do not", "mba", "testtt", "test22", "teststudent", "karentest"),
    *("new student test", "returning student", "returning student test", "whs", "wgs"),
    *("rcs", "ccs", "mms", "wms", "use ", "user ", "vacant", "unassigned", "staff"),
)


@dataclass(frozen=True, slots=True)
class Condition:
    """SQL that is true for rows to keep.

    lost: rows to keep for which it is not; stopped: others for which it is not.
    """

    sql: str
    words: str
    lost: int
    stopped: int
    cost: float = 0.0
    is_of_accounts: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """A column that a condition may name."""

    sql: str
    words: str
    kind: str
    distinct: int
    name: str
    cost: float = 0.0


def fields_of(aliased: Iterable[tuple[str, Relation, int]]) -> list[Field]:
    """The columns of relations under their aliases; the nearer is the simpler."""
    return [
        Field(
            f"{alias}.{identifier(c.name)}",
            f"{alias}.{c.name}",
            c.kind,
            c.distinct,
            c.name,
            distance * 0.6,
        )
        for alias, relation, distance in aliased
        for c in relation.columns.values()
        if c.filled
    ]


class Rows:
    """What conditions can test on the rows of a table of the session, as arrays."""

    def __init__(
        self, duck: duckdb.DuckDBPyConnection, table: str, fields: Sequence[Field]
    ) -> None:
        import numpy as np  # heavy: only where a target is drafted

        self.duck, self.table, self.fields = duck, table, fields
        self.empties = column_arrays(duck, table, [_empty(f) for f in fields])
        few = [f for f in fields if is_code(f.kind, f.distinct, f.name)]
        texts = [f"CAST({f.sql} AS VARCHAR)" for f in few]
        hashes = column_arrays(duck, table, [f"hash({text})" for text in texts])
        self.codes: list[tuple[Field, Array, list[str | None]]] = []
        for field, text, row in zip(few, texts, hashes, strict=True):
            known, code = np.unique(row, return_inverse=True)
            values = dict(
                duck.execute(
                    f"SELECT DISTINCT hash({text}), {text} FROM {table}"
                ).fetchall()
            )
            if field.kind != "VARCHAR" or not are_names(duck, values.values()):
                self.codes.append((field, code, [values[int(one)] for one in known]))

        tests = list(_tests(fields))
        self.tests = list(
            zip(
                tests,
                column_arrays(duck, table, [sql for sql, _, _ in tests]),
                strict=True,
            )
        )
        near = [f for f in fields if f.kind in _NUMBERS and f.distinct > MOST_VALUES]
        near = [f for f in near if f.cost == 0]
        numbers = [f"coalesce(CAST({f.sql} AS DOUBLE), 'nan'::DOUBLE)" for f in near]
        self.numbers = list(zip(near, column_arrays(duck, table, numbers), strict=True))
        names = [f for f in fields if _is_name(f)]
        listed = ", ".join(map(literal, NO_PERSON))
        words = [f"if(lower({f.sql}) IN ({listed}), lower({f.sql}), '')" for f in names]
        self.names = list(zip(names, column_arrays(duck, table, words), strict=True))

    def chain(
        self, keep: Array, *, most: int, least: int, alive: Array, limits: bool = False
    ) -> tuple[list[Condition], Array]:
        """Conditions one by one, those first that stop most; and the rows left by them.

        keep: true for the rows to keep; alive: for those that count; least: how many
        others a condition must stop. limits: numbers may have one.
        """
        kept, chain = int((keep & alive).sum()), list[Condition]()
        while len(chain) < most:
            found = list(self.conditions(keep, alive, limits=limits))
            chosen = best(found, kept=kept, least=least) or best(
                [c for c in found if c.is_of_accounts], kept=kept, least=1
            )
            if chosen is None:
                break
            chain.append(chosen)
            [holds] = column_arrays(
                self.duck, self.table, [f"coalesce({chosen.sql}, false)"]
            )
            alive = alive & holds
        return chain, alive

    def conditions(
        self, keep: Array, alive: Array, *, limits: bool = False
    ) -> Iterator[Condition]:
        """Every simple condition, and what it would do; as `chain`."""
        if limits and (keep & alive).any():
            yield from self._limited(keep, alive)
        yield from self._filled(keep, alive)
        for (sql, words, cost), holds in self.tests:
            yield _condition(sql, words, holds, keep, alive, cost)
        for field, words_there in self.names:
            yield from _named(field, words_there, keep, alive)
        for field, code, values in self.codes:
            yield from _listed(field, code, values, keep, alive)

    def _limited(self, keep: Array, alive: Array) -> Iterator[Condition]:
        """A number from or up to which all rows are to keep."""
        for field, numbers in self.numbers:
            own = numbers[keep & alive]
            for sign, limit, holds in (
                ("<=", own.max(), numbers <= own.max()),
                (">=", own.min(), numbers >= own.min()),
            ):
                if limit == limit:  # no number is missing
                    sql, words = (
                        f"{field.sql} {sign} {limit:.0f}",
                        f"{field.words} {sign} {limit:.0f}",
                    )
                    yield _condition(sql, words, holds, keep, alive, 1.0)

    def _filled(self, keep: Array, alive: Array) -> Iterator[Condition]:
        for field, empty in zip(self.fields, self.empties, strict=True):
            test = _empty(field)
            there = (
                f"NOT {test}" if field.kind == "VARCHAR" else f"{field.sql} IS NOT NULL"
            )
            yield _condition(
                there, f"{field.words} is there", ~empty, keep, alive, field.cost
            )
            yield _condition(
                test, f"{field.words} is empty", empty, keep, alive, field.cost + 0.2
            )


def is_code(kind: str, distinct: int, name: str) -> bool:
    """Whether a column holds a few values that are neither a person's nor of one day."""
    if kind in ("DATE", "TIMESTAMP", "UUID") or name.endswith(("_ids", "roles")):
        return False
    return distinct <= MOST_VALUES and not is_personal(name)


def best(found: Iterable[Condition], *, kept: int, least: int) -> Condition | None:
    """The one that stops most and loses next to none of the rows to keep."""
    good = [c for c in found if c.stopped >= least and c.lost <= kept * 0.001]
    return min(good, key=lambda c: -c.stopped + 3 * c.lost + 2 * c.cost, default=None)


def _empty(field: Field) -> str:
    if field.kind == "VARCHAR":
        return f"(coalesce(trim({field.sql}), '') = '')"
    return f"({field.sql} IS NULL)"


def _condition(
    sql: str, words: str, holds: Array, keep: Array, alive: Array, cost: float
) -> Condition:
    fails = ~holds & alive
    lost = int((fails & keep).sum())
    return Condition(sql, words, lost, int(fails.sum()) - lost, cost)


def _tests(fields: Sequence[Field]) -> Iterator[tuple[str, str, float]]:
    """A day that has come, or has not."""
    for field in fields:
        if field.kind not in ("DATE", "TIMESTAMP"):
            continue
        x = field.sql
        yield (
            f"coalesce({x} <= $today, false)",
            f"{field.words} has come",
            field.cost + 0.3,
        )
        yield (
            f"coalesce({x} > $today, false)",
            f"{field.words} is to come",
            field.cost + 0.3,
        )
        yield (
            f"coalesce({x} > $today, true)",
            f"{field.words} is empty or to come",
            field.cost + 0.4,
        )
        yield (
            f"coalesce({x} <= $today, true)",
            f"{field.words} is empty or has come",
            field.cost + 0.4,
        )


def _is_name(field: Field) -> bool:
    return field.kind == "VARCHAR" and field.name.lower() in ("first_name", "last_name")


def _named(
    field: Field, there: Array, keep: Array, alive: Array
) -> Iterator[Condition]:
    """Names that belong to no person: words of `NO_PERSON` alone, never others."""
    inside = set(there[keep & alive])
    words = sorted({word for word in there[alive & ~keep] if word} - inside)
    if words:
        listed = ", ".join(map(literal, words))
        sql = f"lower(coalesce({field.sql}, '')) NOT IN ({listed})"
        stopped = sum(int((there[alive] == word).sum()) for word in words)
        yield Condition(
            sql, f"{field.words} is no account's", 0, stopped, field.cost + 0.5
        )


def _listed(
    field: Field, code: Array, values: Sequence[str | None], keep: Array, alive: Array
) -> Iterator[Condition]:
    """Few values: those that are kept, or those that are not."""
    import numpy as np  # heavy: only where a target is drafted

    size = len(values)
    kept = np.bincount(code[keep & alive], minlength=size)
    others = np.bincount(code[~keep & alive], minlength=size)
    total = int(kept.sum())
    inside = [
        n for n in range(size) if values[n] is not None and kept[n] > total * 0.001
    ]
    outside = [
        n
        for n in range(size)
        if values[n] is not None and n not in inside and others[n]
    ]
    if not inside or not outside:
        return
    x = field.sql
    inside.sort(key=lambda n: _in_order(values[n]))
    outside.sort(key=lambda n: _in_order(values[n]))
    shown = [_value(field, str(values[n])) for n in inside]
    rest = [n for n in range(size) if n not in inside]
    yield Condition(
        f"{x} = {shown[0]}" if len(shown) == 1 else f"{x} IN ({', '.join(shown)})",
        f"{field.words} is one of {len(inside)}",
        int(kept[rest].sum()),
        int(others[rest].sum()),
        field.cost + 0.1 * len(inside),
    )
    shown = [_value(field, str(values[n])) for n in outside]
    one = f"{x} IS DISTINCT FROM {shown[0]}"
    yield Condition(
        one if len(shown) == 1 else f"coalesce({x} NOT IN ({', '.join(shown)}), true)",
        f"{field.words} is not one of {len(outside)}",
        int(kept[outside].sum()),
        int(others[outside].sum()),
        field.cost + 0.1 * len(outside) + 0.05,
    )


def _in_order(value: str | None) -> tuple[bool, int, str]:
    """Numbers by their size, before texts."""
    text = str(value)
    is_number = text.lstrip("-").isdecimal()
    return not is_number, int(text) if is_number else 0, text


def _value(field: Field, value: str) -> str:
    numeric = field.kind in ("BIGINT", "INTEGER", "HUGEINT", "BOOLEAN", "DOUBLE")
    return value if numeric else literal(value)
