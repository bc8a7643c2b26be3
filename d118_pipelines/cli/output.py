"""How commands answer: a table for people, JSON for programs, CSV for spreadsheets.

Called by every command.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from d118_pipelines.kernel.csv_text import Row, csv_text, shown
from d118_pipelines.kernel.text import printable
from d118_pipelines.kernel.workbook import write_workbook

NARROW = 80
# A command in a text: `d118 run ...`, not the end of a path or of a word.
_COMMAND = re.compile(r"(?<![\w./-])d118(?= [a-z])")


def console(*, piped_width: int = 1000) -> Console:
    """Standard output; wide when it is not a terminal, so that nothing is truncated."""
    return Console(width=None if sys.stdout.isatty() else piped_width, soft_wrap=False)


def show_lines(title: str, rows: Sequence[Row], *, empty: str = "Nothing.") -> None:
    """Print rows as a table for 80 columns: its last column wraps, nothing is cut.

    The same when piped; COLUMNS sets another width.
    """
    if not rows:
        show_table(title, rows, empty=empty)
        return
    table = Table(
        title=printable(title),
        title_justify="left",
        title_style="bold",
        box=None,
        padding=(0, 2, 0, 0),
        show_edge=False,
        header_style="dim",
    )
    for place, (name, value) in enumerate(rows[0].items(), 1):
        is_last = place == len(rows[0])
        table.add_column(
            name,
            justify="right" if isinstance(value, int | float) else "left",
            overflow="fold",
            # A very long name folds, so that room is left for the last column.
            max_width=None if is_last else 34,
            no_wrap=not is_last and all(len(shown(row[name])) <= 34 for row in rows),
        )
    for row in rows:
        table.add_row(*(Text(as_typed(shown(value))) for value in row.values()))
    _narrow().print(table)


def say_narrow(text: str) -> None:
    """Print one message, wrapped as `show_lines` does."""
    _narrow().print(Text(printable(as_typed(text))))


def _narrow() -> Console:
    return console(piped_width=int(os.environ.get("COLUMNS") or NARROW))


def show_table(title: str, rows: Sequence[Row], *, empty: str = "Nothing.") -> None:
    """Print rows of equal keys as a table; the keys are the headings."""
    if not rows:
        console().print(Text(printable(title), style="bold"))
        say(empty)
        return
    table = Table(
        title=Text(printable(title), "table.title"),
        title_justify="left",
        header_style="bold",
    )
    for name, value in rows[0].items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        table.add_column(name.replace("_", " "), justify="right" if number else "left")
    for row in rows:
        # Text, because square brackets in a plain string would be read as markup.
        table.add_row(*(Text(as_typed(shown(value))) for value in row.values()))
    console().print(table)


def show_json(value: Any) -> None:
    """Print a value as JSON; times as ISO 8601, dataclasses as objects."""
    show_text(json.dumps(value, indent=2, default=_plain, ensure_ascii=False) + "\n")


def show_csv(rows: Sequence[Row]) -> None:
    """Print rows as CSV, safe to open in a spreadsheet."""
    show_text(csv_text(rows))


def show_text(text: str) -> None:
    """Print a document that ends with its own line break; no control character of it."""
    print(printable(text), end="")


def show_rows(
    title: str,
    rows: Sequence[Row],
    *,
    as_json: bool,
    as_csv: bool = False,
    empty: str = "Nothing.",
) -> None:
    """Print rows in the form that was asked for: JSON, CSV, else a table."""
    if as_json:
        show_json(rows)
    elif as_csv:
        show_csv(rows)
    else:
        show_table(title, rows, empty=empty)


def save_workbook(path: Path, title: str, rows: Sequence[Row]) -> None:
    """Write rows as a workbook and say so."""
    write_workbook(path, title, rows)
    say(f"Wrote {len(rows):,} rows to {path}.")


def as_typed(text: str) -> str:
    """The text with the commands in it as the person typed this one: `.venv/bin/d118`."""
    typed = sys.argv[0]
    if Path(typed).name != "d118" or typed == shutil.which("d118"):
        return text
    with contextlib.suppress(ValueError):
        typed = str(Path(typed).relative_to(Path.cwd()))
    return _COMMAND.sub(typed, text)


def say(text: str) -> None:
    """Print one message for a person: without control characters, commands as typed."""
    text = printable(as_typed(text))
    console().print(text, highlight=False, markup=False, soft_wrap=True)


def warn(text: str) -> None:
    """Print one message on standard error."""
    print(printable(text), file=sys.stderr)


def _plain(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return str(value)
