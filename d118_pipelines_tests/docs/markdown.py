"""Reading the pages under docs/: tables and code blocks, as tests need them.

Belongs here: the little Markdown that the pages use. Not here: what a page must say.
"""

from __future__ import annotations

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
DOCS = REPOSITORY / "docs"

Row = dict[str, str]


def page(name: str) -> str:
    """The text of a page below docs/."""
    return (DOCS / name).read_text(encoding="utf-8")


def tables(text: str) -> list[list[Row]]:
    """Every table of the page, in order: its rows as heading -> cell, stripped."""
    found: list[list[Row]] = []
    for block in re.findall(r"^\|[^\n]*\n\|[-| ]+\|\n(?:\|[^\n]*\n)*", text, re.M):
        header, _, *lines = (_cells(line) for line in block.splitlines())
        found.append([dict(zip(header, cells, strict=True)) for cells in lines])
    return found


def tables_headed(text: str, *headings: str) -> list[list[Row]]:
    """The tables of the page that have exactly these headings."""
    return [rows for rows in tables(text) if rows and tuple(rows[0]) == headings]


def code_block(text: str, language: str) -> str:
    """The one code block of the page in that language."""
    [block] = re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)
    return str(block)


def ticked(cell: str) -> list[str]:
    """What stands in backticks in a cell."""
    return re.findall(r"`([^`]*)`", cell)


def _cells(line: str) -> list[str]:
    parts = re.split(r"(?<!\\)\|", line)[1:-1]
    return [part.strip().replace(r"\|", "|") for part in parts]
