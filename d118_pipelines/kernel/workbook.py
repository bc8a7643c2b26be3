"""Rows as an Excel workbook, for people who work through a list.

Called by `d118 findings --xlsx`; CSV is in `csv_text.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.csv_text import Row, cell

MOST_WIDTH = 60


def write_workbook(path: Path, title: str, rows: Sequence[Row]) -> None:
    """Write rows of equal keys as one sheet: header frozen, filter on, no formula runs.

    The file can be read by its owner alone. title: at most 31 characters of it are
    kept. Raises: ConfigurationError if the file is no .xlsx or cannot be written.
    """
    import pandas as pd  # heavy, and never in a run

    if path.suffix.lower() != ".xlsx":
        raise _cannot_write(path, "its name must end in .xlsx")
    cells = [{name: cell(value) for name, value in row.items()} for row in rows]
    table = pd.DataFrame(cells).rename(columns=lambda name: name.replace("_", " "))
    try:
        path.touch(mode=0o600)
        with pd.ExcelWriter(path, engine="openpyxl") as writer:
            table.to_excel(
                writer, sheet_name=title[:31], index=False, freeze_panes=(1, 0)
            )
            sheet = writer.sheets[title[:31]]
            if rows:
                sheet.auto_filter.ref = sheet.dimensions
            for column in sheet.columns:
                longest = max(len(str(one.value or "")) for one in column)
                width = min(longest + 3, MOST_WIDTH)  # room for the filter's arrow
                sheet.column_dimensions[column[0].column_letter].width = width
    except OSError as exc:
        raise _cannot_write(path, exc.strerror or "it cannot be opened") from None


def _cannot_write(path: Path, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"The workbook cannot be written: {why}.",
        where=str(path),
        not_done="Nothing was written.",
        next_step="Name another file.",
    )
