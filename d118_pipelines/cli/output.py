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

from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from d118_pipelines.kernel.csv_text import Row, csv_text, shown
from d118_pipelines.kernel.text import printable
from d118_pipelines.kernel.workbook import write_workbook

NARROW = 80
LEAST = 9  # characters for each column of a table
LAST = 36
"""Characters of the last column of a narrow table, if others give way between words."""
LAST_AT_LEAST = 30
"""The same before a word of another column is broken."""
# A command in a text: `d118 run ...`, not the end of a path or of a word.
_COMMAND = re.compile(r"(?<![\w./-])d118(?= [a-z])")


def console(*, piped_width: int = 1000) -> Console:
    """Standard output; when it is no terminal, as wide as COLUMNS says, else very wide."""
    columns = os.environ.get("COLUMNS", "")
    piped = (columns.isdecimal() and int(columns)) or piped_width
    return Console(width=None if sys.stdout.isatty() else piped, soft_wrap=False)


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
        pad_edge=False,
        show_edge=False,
        header_style="dim",
    )
    narrow = console(piped_width=NARROW)
    texts = [[as_typed(shown(value)) for value in row.values()] for row in rows]
    widths = _widths([list(rows[0]), *texts], narrow.width)
    for (name, value), width in zip(rows[0].items(), widths, strict=True):
        justify: JustifyMethod = "right" if isinstance(value, int | float) else "left"
        table.add_column(name, justify=justify, overflow="fold", width=width)
    for row in texts:
        table.add_row(*map(Text, row))
    narrow.print(table)


def _widths(rows: Sequence[Sequence[str]], room: int) -> list[int | None]:
    """The widths of all columns; the last has what is left, if it can at least LAST.

    The widest others give way: first at spaces, then, where a word is long, inside it.
    """
    *columns, last = zip(*rows, strict=True)
    widths = [_longest(cells, "\n") for cells in columns]
    room -= 2 * len(columns)
    words = [_longest(cells, None) for cells in columns]
    for least, kept in ((words, LAST), ([8] * len(columns), LAST_AT_LEAST)):
        while sum(widths) > room - min(kept, _longest(last, "\n")):
            wide = [n for n, width in enumerate(widths) if width > least[n]]
            if not wide:
                break
            widths[max(wide, key=widths.__getitem__)] -= 1
    return [*widths, None]


def _longest(cells: Sequence[str], separator: str | None) -> int:
    return max(
        (len(part) for cell in cells for part in cell.split(separator)), default=0
    )


def gathered(rows: Sequence[Row], last: str, *names: str) -> list[Row]:
    """The rows for `show_lines`: columns of these names, and a last one with the rest."""
    return [
        {
            **{name: row[name] for name in names},
            last: "; ".join(
                f"{name}: {text}"
                for name, value in row.items()
                if name not in names and (text := shown(value))
            ),
        }
        for row in rows
    ]


def say_narrow(text: str) -> None:
    """Print one message, wrapped as `show_lines` does."""
    console(piped_width=NARROW).print(Text(printable(as_typed(text))))


def show_table(title: str, rows: Sequence[Row], *, empty: str = "Nothing.") -> None:
    """Print rows of equal keys as a table; the keys are the headings.

    Where the columns have no room, the table is that of `show_lines`.
    """
    if not rows:
        console().print(Text(printable(title), style="bold"))
        say(empty)
        return
    if console().width < LEAST * len(rows[0]):
        show_lines(title, gathered(rows, "more", *list(rows[0])[:2]))
        return
    table = Table(
        title=Text(printable(title), "table.title"),
        title_justify="left",
        header_style="bold",
    )
    for name, value in rows[0].items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        justify: JustifyMethod = "right" if number else "left"
        table.add_column(name.replace("_", " "), justify=justify, overflow="fold")
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


def show_list(
    title: str, rows: Sequence[Row], *, as_json: bool, empty: str = "Nothing."
) -> None:
    """Print rows as JSON, or as the table of `show_lines`."""
    if as_json:
        show_json(rows)
    else:
        show_lines(title, rows, empty=empty)


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
