"""Which tables and columns one parsed statement names.

Belongs here: walking a statement's tree. Not here: types, dialects, the rules of the
common subset (`subset.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlglot import exp


def table_nodes(statement: exp.Expr) -> list[exp.Table]:
    """Return the tables and views in the order of the text, without WITH names."""
    from sqlglot import exp

    own = {cte.alias.lower() for cte in statement.find_all(exp.CTE)}
    found = statement.find_all(exp.Table, bfs=False)
    return [table for table in found if table.name.lower() not in own]


def table_names(statement: exp.Expr) -> list[str]:
    """Return the lower-case names of `table_nodes`, each once."""
    return list(dict.fromkeys(node.name.lower() for node in table_nodes(statement)))


def bind_names(statement: exp.Expr) -> frozenset[str]:
    """Return the lower-case names of the statement's `:name` binds."""
    from sqlglot import exp

    return frozenset(node.name.lower() for node in statement.find_all(exp.Placeholder))


def columns_of(statement: exp.Expr) -> Iterator[tuple[str, list[str]]]:
    """Yield each mention of a column: its name and the tables it may belong to.

    All in lower case, judged by the qualifier alone: without one, every table may own it.
    """
    from sqlglot import exp

    tables = _by_qualifier(statement)
    for column in statement.find_all(exp.Column):
        yield column.name.lower(), tables.get(column.table.lower(), [])


def columns_cast_to_text(statement: exp.Expr) -> Iterator[tuple[str, list[str]]]:
    """Yield, as `columns_of` does, what is directly inside a CAST to VARCHAR2."""
    from sqlglot import exp

    tables = _by_qualifier(statement)
    for cast in statement.find_all(exp.Cast):
        column = cast.this
        if cast.to.this == exp.DType.VARCHAR and isinstance(column, exp.Column):
            yield column.name.lower(), tables.get(column.table.lower(), [])


def _by_qualifier(statement: exp.Expr) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"": table_names(statement)}
    for table in table_nodes(statement):
        found.setdefault(table.alias_or_name.lower(), []).append(table.name.lower())
    return found
