"""What the site makes of a page: links out of docs/ are plain names, flowcharts are drawn.

The theme would load Mermaid from another host; a page loads nothing from elsewhere.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

_LINK = re.compile(r"\[([^\]]*)\]\(((?:\.\./)+[^)]+)\)")
_CHART = re.compile(r"```mermaid\nflowchart TB\n(.*?)```\n", re.S)
_NODE = re.compile(r'\s*(\w+)(?:\[\(?"(.*?)"\)?\])?\s*')
_ARROW = re.compile(r'-->|-- "?(.*?)"? -->')
WIDE, HIGH, GAP, ACROSS = 330, 48, 40, 60
"""Of a box, and between two, in pixels."""


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """The page with drawn flowcharts, and only those links that lead to another page."""
    depth = len(PurePosixPath(page.file.src_uri).parents) - 1
    drawn = _CHART.sub(lambda found: drawing(found[1]), markdown)
    return _LINK.sub(lambda found: _kept(found, depth), drawn)


def _kept(found: re.Match[str], depth: int) -> str:
    is_outside = found[2].count("../") > depth
    return found[1] if is_outside else found[0]


def drawing(chart: str) -> str:
    """A flowchart from the top down as SVG: nodes `id["text"]`, arrows `-->` and `-- text -->`.

    A node is a row below what leads to it, in the column of the first of these that is
    free.
    """
    texts, arrows = _read(chart)
    rows: dict[str, int] = {}
    for _ in texts:  # as often as the longest way can be
        for one, other, _text in arrows:
            rows[other] = max(rows.get(other, 0), rows.setdefault(one, 0) + 1)
    columns: dict[str, int] = {}
    for node in sorted(texts, key=lambda n: rows.get(n, 0)):
        before = [columns[one] for one, other, _text in arrows if other == node]
        taken = {columns[n] for n in columns if rows.get(n) == rows.get(node)}
        wished = [*before, *range(len(texts))]
        columns[node] = next(column for column in wished if column not in taken)
    at = {
        node: (columns[node] * (WIDE + ACROSS), rows.get(node, 0) * (HIGH + GAP))
        for node in texts
    }
    parts = [_arrow(at[one], at[other], text) for one, other, text in arrows]
    parts += [_box(at[node], text) for node, text in texts.items()]
    width = max(x for x, _ in at.values()) + WIDE
    height = max(y for _, y in at.values()) + HIGH
    return (
        f'<figure><svg viewBox="-2 -2 {width + 4} {height + 4}" role="img" '
        'font-size="13" text-anchor="middle" fill="currentColor" stroke-width="1.2">'
        f"{''.join(parts)}</svg></figure>\n"
    )


def _read(chart: str) -> tuple[dict[str, str], list[tuple[str, str, str]]]:
    """Text of each node by its name; arrows as from, to, text."""
    texts: dict[str, str] = {}
    arrows = []
    for line in filter(str.strip, chart.splitlines()):
        place, before, label = 0, "", ""
        while found := _NODE.match(line, place):
            name, text = found.groups()
            texts[name] = text or texts.get(name, name)
            if before:
                arrows.append((before, name, label))
            arrow = _ARROW.match(line, found.end())
            if arrow is None:
                break
            before, label, place = name, arrow[1] or "", arrow.end()
    return texts, arrows


def _box(at: tuple[int, int], text: str) -> str:
    x, y = at
    lines = text.split("<br/>")
    first = y + HIGH / 2 + 4.5 - 8 * (len(lines) - 1)
    told = (
        f'<text x="{x + WIDE / 2:g}" y="{first + 16 * number:g}">{line}</text>'
        for number, line in enumerate(lines)
    )
    shape = f'x="{x}" y="{y}" width="{WIDE}" height="{HIGH}" rx="6"'
    return f'<rect {shape} fill="none" stroke="currentColor"/>{"".join(told)}'


def _arrow(one: tuple[int, int], other: tuple[int, int], text: str) -> str:
    x, y = one[0] + WIDE / 2, one[1] + HIGH
    to, end = other[0] + WIDE / 2, other[1]
    bent = end - GAP  # straight down first, across just above the box
    way = f"M{x:g} {y} V{bent} C{x:g} {end - 10} {to:g} {bent} {to:g} {end - 3}"
    head = f"M{to - 4:g} {end - 9} L{to:g} {end - 1} L{to + 4:g} {end - 9}"
    told = f'<text x="{to + 6:g}" y="{end - 14}" text-anchor="start">{text}</text>'
    return f'<path d="{way} {head}" fill="none" stroke="currentColor"/>{told if text else ""}'
