"""SQL as text: texts and names quoted, and the named statements of `sql/`.

Called by every room that writes SQL. Sessions are in `frames.py`. A file of statements
has each below a line `-- name: <name>`; places to fill are `{{'name'}}` for a text, and
`{{name}}` for SQL that the caller has made, such as an entity's name or an expression.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.shipped import SHIPPED

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_COMMENT_LINES = re.compile(r"^\s*--.*\n", re.MULTILINE)
_PLACE = re.compile(r"\{\{('?)(\w+)\1\}\}")


def literal(text: str | Path) -> str:
    """A text or a path as an SQL literal."""
    return "'" + str(text).replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A name as an SQL identifier, whatever letters it has."""
    return '"' + name.replace('"', '""') + '"'


def statement(reference: str, **values: str) -> str:
    """A statement of a file below `sql/`, its places filled.

    reference: `roster/matching.people` is `people` in `sql/roster/matching.sql`.
    Raises: ConfigurationError if it is not there, or if its places are not exactly
    those of `values`.
    """
    file, _, name = reference.rpartition(".")
    known = _statements(file)
    if name not in known:
        raise _unusable(file, f"has no statement {name}")
    text = known[name]
    different = {found[2] for found in _PLACE.finditer(text)} ^ set(values)
    if different:
        listed = ", ".join(sorted(different))
        raise _unusable(file, f"and its caller disagree on places of {name}: {listed}")
    return _PLACE.sub(
        lambda found: literal(values[found[2]]) if found[1] else values[found[2]], text
    )


@cache
def _statements(file: str) -> dict[str, str]:
    """Name -> statement, of one file; read once per process."""
    try:
        text = (SHIPPED / "sql" / f"{file}.sql").read_text(encoding="utf-8")
    except OSError as exc:
        raise _unusable(file, f"cannot be read: {exc.strerror}") from exc
    _, *parts = _NAME.split(text)
    return {
        name: _COMMENT_LINES.sub("", body).strip().rstrip(";")
        for name, body in zip(parts[::2], parts[1::2], strict=True)
    }


def _unusable(file: str, problem: str) -> ConfigurationError:
    return ConfigurationError(
        f"sql/{file}.sql {problem}.",
        where=f"sql/{file}.sql",
        not_done="Nothing was changed.",
        next_step="Install the sql/ folder and the package of one version.",
    )
