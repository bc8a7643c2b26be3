"""How a set is refused, and what may be shown of a broken record.

Called by every module of this folder; findings are collected by `kernel/finding.py`. No
finding carries a value of a person: lines, column names and identifiers only. Rule:
docs/reference/oneroster_csv.md, findings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from d118_pipelines.errors import IncompleteExtractError
from d118_pipelines.sources.delimited.encodings import UnreadableError

_IDENTIFIER = re.compile(r"[0-9A-Za-z._\-/@:]{1,255}")
# Problem of a record -> the code with which it is rejected.
REJECTED = {
    "bad_quote": "csv.bad_quote",
    "nul": "csv.nul",
    "ragged": "csv.ragged",
    "too_long": "row.too_long",
}
# What was corrected in a record -> the code of the warning.
CORRECTED = {"ragged": "csv.ragged", "line_break": "csv.line_break"}
NOT_DONE = "Nothing of the set was stored; the previous pull stays the newest."


def fatal(code: str, what: str, *, file: str = "", line: int | None = None) -> NoReturn:
    """Refuse the whole set. Raises: IncompleteExtractError."""
    place = f"{file}, line {line}" if line is not None else file
    raise IncompleteExtractError(
        f"FAILED {code}  {what}",
        where=place,
        rule="docs/reference/oneroster_csv.md, codes",
        not_done=NOT_DONE,
        next_step="correct the set at its source, or its settings here",
    )


@contextmanager
def refusing(file: str) -> Iterator[None]:
    """Refuse the set where the file cannot be read. Raises: IncompleteExtractError."""
    try:
        yield
    except UnreadableError as exc:
        fatal(exc.code, exc.what, file=file, line=exc.line)


def certain_key(text: str | None) -> str | None:
    """The identifier of a broken record, if what comes first in it can be one.

    It could be the rest of a name or an address; only what has a digit and no @ counts.
    """
    text = (text or "").strip(" \t\u00a0")
    is_one = _IDENTIFIER.fullmatch(text) and "@" not in text and re.search(r"\d", text)
    return text if is_one else None
