"""The file in which a vendor answers a delivery: one row per record, with what became of it.

Called by `workflows/targets/results.py`; opened and split as spreadsheets are. Rule:
docs/reference/vendor_files.md, results.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from d118_pipelines.errors import IncompleteExtractError
from d118_pipelines.kernel.text import clean_text, printable
from d118_pipelines.sources.csv_files.opened import open_readable

LONGEST_REASON = 300


class Answer(NamedTuple):
    """What one row says. key, status: empty where the row cannot be read."""

    line: int
    key: str
    status: str
    reason: str


def read_answers(
    path: Path,
    *,
    key: str,
    status: str,
    reason: str | None,
    encoding: str | None,
    max_size: int,
) -> Iterator[Answer]:
    """The rows of a file. key, status, reason: the names of its columns.

    The reason is the vendor's text on one line, without controls, and cut. Raises:
    IncompleteExtractError for a file that cannot be read as a whole, or lacks one of
    the columns.
    """
    file = open_readable(path, encoding=encoding, max_size=max_size)
    header = [name.strip().casefold() for name in file.header]
    wanted = [key, status, *([reason] if reason else [])]
    for name in wanted:
        if header.count(name.strip().casefold()) != 1:
            raise IncompleteExtractError(
                f"FAILED results.unreadable  The column {name} is not there once.",
                where=f"{path.name}, header",
                rule="`results` of the target names the columns of the vendor's answer",
                not_done="Nothing of this file was recorded.",
                next_step="Correct `results` of the target, or ask the vendor.",
            )
    places = [header.index(name.strip().casefold()) for name in wanted]
    for row in file.rows():
        if row.problem:
            yield Answer(row.line, "", "", "")
            continue
        found = [clean_text(row.cells[place]).strip() for place in places]
        said = printable(found[2], one_line=True)[:LONGEST_REASON] if reason else ""
        yield Answer(row.line, found[0], found[1], said)
    file.check_unchanged()
