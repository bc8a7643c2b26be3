"""Whom a file is about, as its page in the UI shows it: counts by school and kind.

Belongs here: Markdown and one chart of counts. No value of a person is in it.
"""

import base64

import dagster as dg

from d118_pipelines.targets.facts import FileFacts

SHOWN_SCHOOLS = 15
_BAR_WIDTH, _ROW_HEIGHT, _LABEL_WIDTH = 420, 20, 150
Metadata = dict[str, dg.MetadataValue]


def facts_metadata(facts: FileFacts | None) -> Metadata:
    """Numbers that the UI plots, a table by school, and a chart of it."""
    if facts is None:
        return {}
    value = dg.MetadataValue
    shown: Metadata = {
        f"people_{kind or 'any'}": value.int(number)
        for kind, number in facts.people.items()
    }
    if facts.schools:
        shown["by_school"] = value.md(_table(facts.schools))
        shown["chart"] = value.md(_chart(facts.schools))
    return shown


def _table(schools: dict[str, dict[str, int]]) -> str:
    kinds = sorted({kind for counts in schools.values() for kind in counts})
    heads = [kind or "rows" for kind in kinds]
    lines = [f"| school | {' | '.join(heads)} |", "|---" * (len(kinds) + 1) + "|"]
    lines += [
        f"| {school or '-'} | {' | '.join(str(counts.get(k, 0)) for k in kinds)} |"
        for school, counts in _largest(schools)
    ]
    if len(schools) > SHOWN_SCHOOLS:
        lines += ["", f"and {len(schools) - SHOWN_SCHOOLS} more schools"]
    return "\n".join(lines)


def _largest(schools: dict[str, dict[str, int]]) -> list[tuple[str, dict[str, int]]]:
    ranked = sorted(schools.items(), key=lambda item: (-sum(item[1].values()), item[0]))
    return ranked[:SHOWN_SCHOOLS]


def _chart(schools: dict[str, dict[str, int]]) -> str:
    """Bars of rows by school, as an image that stands in the text itself."""
    rows = [(name or "-", sum(counts.values())) for name, counts in _largest(schools)]
    most = max(number for _, number in rows) or 1
    bars = [_bar(place, *row, most) for place, row in enumerate(rows)]
    width = _LABEL_WIDTH + _BAR_WIDTH + 70
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
        f'height="{len(rows) * _ROW_HEIGHT}" font-family="sans-serif" font-size="12">'
        f"{''.join(bars)}</svg>"
    )
    data = base64.b64encode(svg.encode("utf-8")).decode("ascii")
    return f"![rows by school](data:image/svg+xml;base64,{data})"


def _bar(place: int, school: str, number: int, most: int) -> str:
    top = place * _ROW_HEIGHT
    width = max(1, round(_BAR_WIDTH * number / most))
    name = school.replace("&", "&amp;").replace("<", "&lt;")
    return (
        f'<text x="{_LABEL_WIDTH - 6}" y="{top + 14}" text-anchor="end" '
        f'fill="#777">{name}</text>'
        f'<rect x="{_LABEL_WIDTH}" y="{top + 3}" width="{width}" height="14" '
        f'fill="#4f43dd"/><text x="{_LABEL_WIDTH + width + 5}" y="{top + 14}" '
        f'fill="#777">{number:,}</text>'
    )
