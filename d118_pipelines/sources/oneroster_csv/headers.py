"""The header of a data file against its table.

Called by `source.py` for every data file; the tables are in `tables.py`.
Rule: docs/reference/oneroster_csv.md, header.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from d118_pipelines.kernel.finding import Findings
from d118_pipelines.sources.delimited.splitter import BLANKS
from d118_pipelines.sources.denied import is_denied
from d118_pipelines.sources.oneroster_csv.findings import fatal
from d118_pipelines.sources.oneroster_csv.limits import Limits
from d118_pipelines.sources.oneroster_csv.tables import Column

METADATA = "metadata."
PASSWORD = "password"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the columns of a file are: name -> number from 0, of those that are kept."""

    width: int
    positions: dict[str, int] = field(default_factory=dict)
    password_at: int | None = None


def check_header(
    names: Sequence[str],
    file: str,
    table: Sequence[Column] | None,
    findings: Findings,
    limits: Limits,
    *,
    is_delta: bool,
) -> Layout:
    """Compare a header with its table; without a table only its form is checked.

    Raises: IncompleteExtractError `csv.header_missing`, `csv.header_duplicate`,
    `csv.nul`, `csv.record_too_long`.
    """
    if len(names) > limits.max_columns:
        what = f"The header has more than {limits.max_columns} columns."
        fatal("csv.record_too_long", what, file=file, line=1)
    if any("\0" in name for name in names):
        fatal("csv.nul", "The header has a NUL character.", file=file, line=1)
    known = [column.name for column in table or ()]
    corrected = _corrected(names, known, file, findings)
    _refuse_twice(corrected, file)
    if table is None:
        return Layout(len(names))
    _check_missing(corrected, table, file, findings, is_delta=is_delta)
    _check_order(corrected, known, file, findings)
    positions = {
        name: number
        for number, name in enumerate(corrected)
        if name in known or (name.startswith(METADATA) and not is_denied(name))
    }
    return Layout(len(names), positions, positions.pop(PASSWORD, None))


def plain_name(name: str) -> str:
    """A header name without case and outer blanks."""
    return name.strip(BLANKS).lower()


def _corrected(
    names: Sequence[str], known: Sequence[str], file: str, findings: Findings
) -> list[str]:
    """The names as in the table, where case and blanks are all that differs."""
    wanted = {plain_name(name): name for name in known}
    counts = Counter(map(plain_name, names))
    corrected = []
    for name in names:
        right = wanted.get(plain_name(name), name.strip(BLANKS))
        if right != name and right in known and counts[plain_name(name)] > 1:
            right = name  # two columns could be meant
        if right != name and right in known:
            findings.add("csv.header_case", "warn", file, line=1, field=right)
        if known and right not in known and not right.startswith(METADATA):
            findings.add("csv.header_unknown", "warn", file, line=1, detail="ignored")
        corrected.append(right)
    return corrected


def _refuse_twice(names: Sequence[str], file: str) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1 and name]
    if twice:
        fatal("csv.header_duplicate", "A column occurs twice.", file=file, line=1)


def _check_missing(
    names: Sequence[str],
    table: Sequence[Column],
    file: str,
    findings: Findings,
    *,
    is_delta: bool,
) -> None:
    missing = [column for column in table if column.name not in names]
    for column in missing:
        if column.is_required or (is_delta and column.is_required_in_delta):
            what = f"The column {column.name} is missing."
            if len(names) == 1:
                what += " The header is one column: is the delimiter a comma?"
            fatal("csv.header_missing", what, file=file, line=1)
    for column in missing:
        findings.add("csv.header_missing", "warn", file, line=1, field=column.name)


def _check_order(
    names: Sequence[str], known: Sequence[str], file: str, findings: Findings
) -> None:
    places = [known.index(n) for n in names if n in known]
    last = max((i for i, name in enumerate(names) if name in known), default=-1)
    own = [i for i, name in enumerate(names) if name.startswith(METADATA)]
    if places != sorted(places) or (own and min(own) < last):
        findings.add("csv.header_order", "warn", file, line=1)
