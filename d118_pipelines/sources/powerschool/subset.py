"""One Oracle statement: the part of the language that means the same on the embedded
engine, and which tables and columns the statement names.

Called by `schema.py`, which knows the tables. Outside the subset one text can give two
results: `(+)` turns into an inner join, TO_CHAR loses its format, `NULL || 'x'` is 'x'
in Oracle only. Rule: docs/reference/powerschool.md.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlglot import Token, exp

FUNCTIONS = "ABS CAST COALESCE COUNT LOWER MAX MIN TRIM UPPER"
"""The functions that a query may call."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_BEFORE_PARENTHESIS = _words(f"""
    {FUNCTIONS} AND AS BETWEEN BY CASE ELSE EXISTS FROM HAVING IN JOIN LIKE NOT NUMBER ON
    OR SELECT THEN TIMESTAMP VARCHAR2 WHEN WHERE
""")
_PSEUDO_COLUMNS = _words("""
    CURRENT_DATE CURRENT_TIMESTAMP LEVEL LOCALTIMESTAMP ROWID ROWNUM SYSDATE SYSTIMESTAMP
    UID USER
""")
_TABLE_WORDS = ("FROM", "JOIN")
_SIGNS = {
    "JOIN_MARKER": "(+): write LEFT JOIN ... ON",
    "DPIPE": "||: joining text is the work of the targets",
    "SEMICOLON": "a semicolon: the file holds one statement without one",
}
_STRUCTURE = _words("""
    Abs Alias And Between Case Cast Coalesce Column Count CTE DataType DataTypeParam
    Distinct EQ Exists From Group GT GTE Having Identifier If In Is Join Like Literal
    Lower LT LTE Max Min Neg NEQ Not Null Or Order Ordered Paren Placeholder Select Star
    Subquery Table TableAlias Trim Upper Where With
""")
_REPORTED_AS_WORDS = ("DPipe", "Dot", "Prior")
_NAMES = {
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), "arithmetic (+ - * /)"),
    "Connect": "CONNECT BY",
    "Fetch": "FETCH FIRST",
}


def violations(sql: str) -> list[str]:
    """Name everything in the Oracle statement `sql` that the subset does not have."""
    from sqlglot import exp, tokenize
    from sqlglot.errors import SqlglotError

    try:
        tokens = tokenize(sql, read="oracle")
    except SqlglotError:
        return ["text that cannot be read; look for a quotation mark without its pair"]
    found = [
        f"line {token.line}: {rule}"
        for place, token in enumerate(tokens)
        if (rule := _word_rule(tokens, place))
    ]
    try:
        statements = parse(sql)
    except SqlglotError as exc:
        return found or [_where_parsing_stopped(exc)]
    if len(statements) != 1 or not isinstance(statements[0], exp.Select):
        return [*found, "anything other than one SELECT"]
    for node in statements[0].walk():
        rule = _node_rule(node, words_found=bool(found))
        if rule and rule not in found:
            found.append(rule)
    return found


@lru_cache(maxsize=64)
def parse(sql: str) -> tuple[exp.Expr, ...]:
    """Parse Oracle text once; callers must not change the trees.

    Raises: sqlglot's SqlglotError.
    """
    import sqlglot

    return tuple(tree for tree in sqlglot.parse(sql, read="oracle") if tree is not None)


def _where_parsing_stopped(exc: Exception) -> str:
    details = getattr(exc, "errors", None) or [{}]
    line, text = details[0].get("line"), details[0].get("description", "not SQL")
    return f"line {line}: {text}" if line else str(text)


def _word_rule(tokens: Sequence[Token], place: int) -> str:
    """Judge one word or sign by itself and its neighbours."""
    token = tokens[place]
    kind, word = token.token_type.name, token.text.upper()
    after = tokens[place + 1].token_type.name if place + 1 < len(tokens) else ""
    if kind in _SIGNS:
        return _SIGNS[kind]
    if kind == "IDENTIFIER":
        return f'"{token.text}": a quoted name'
    if kind == "STRING":
        return "" if token.text else "'': empty text is NULL in Oracle; write IS NULL"
    if kind == "COLON" and after == "NUMBER":
        return ":1: a bind by position; name it, as in :as_of"
    if kind == "ALIAS" and place > 1 and tokens[place - 2].text.upper() in _TABLE_WORDS:
        return "AS before the alias of a table: Oracle refuses it"
    if word in _PSEUDO_COLUMNS:
        return f"{word}: hand the value in as a bind"
    if after == "L_PAREN" and word[:1].isalpha() and word not in _BEFORE_PARENTHESIS:
        return f"{word}(): a function outside {FUNCTIONS}"
    return ""


def _node_rule(node: exp.Expr, *, words_found: bool) -> str:
    """Judge one node of the parsed statement by its kind."""
    from sqlglot import exp

    name = type(node).__name__
    if name not in _STRUCTURE:
        if words_found and (isinstance(node, exp.Func) or name in _REPORTED_AS_WORDS):
            return ""
        return f"{_NAMES.get(name, name)}: not in the common subset"
    if isinstance(node, exp.Star) and not isinstance(node.parent, exp.Count):
        return "SELECT *: name the columns"
    if isinstance(node, exp.Select) and node.args.get("from_") is None:
        return "a SELECT without FROM"
    if isinstance(node, exp.Cast) and not _is_allowed_target(node.to):
        return (
            f"CAST to {node.to.sql('oracle')}: cast to NUMBER(p), NUMBER(p,s),"
            " VARCHAR2(n) or TIMESTAMP"
        )
    return ""


def _is_allowed_target(target: exp.DataType) -> bool:
    from sqlglot import exp

    if target.this in (exp.DType.DECIMAL, exp.DType.VARCHAR):
        return bool(target.expressions)
    return bool(target.this == exp.DType.TIMESTAMP)


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

    All in lower case, judged by the qualifier alone: without one, every table may own
    it.
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
