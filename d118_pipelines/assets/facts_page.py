"""Whom a file is about, as its page in the UI shows it: counts by school and kind.

Belongs here: Markdown of counts, with bars; the UI folds an image away. No value of a
person is in it.
"""

import dagster as dg

from d118_pipelines.assets.markdown import markdown_table
from d118_pipelines.targets.facts import FileFacts

SHOWN_SCHOOLS = 12
_BAR, _BARS = "\N{FULL BLOCK}", 24
Metadata = dict[str, dg.MetadataValue]


def facts_metadata(facts: FileFacts | None) -> Metadata:
    """Numbers that the UI plots, and a chart with the rows by school and kind."""
    if facts is None:
        return {}
    value = dg.MetadataValue
    shown: Metadata = {
        f"people_{kind or 'any'}": value.int(number)
        for kind, number in facts.people.items()
    }
    if facts.schools:
        shown["by_school"] = value.md(_table(facts.schools))
    return shown


def _table(schools: dict[str, dict[str, int]]) -> str:
    kinds = sorted({kind for counts in schools.values() for kind in counts})
    heads = [kind or "rows" for kind in kinds]
    ranked = sorted(schools.items(), key=lambda i: (-sum(i[1].values()), i[0]))
    most = sum(ranked[0][1].values()) or 1
    rows = []
    for school, counts in ranked[:SHOWN_SCHOOLS]:
        bar = _BAR * max(1, round(_BARS * sum(counts.values()) / most))
        rows.append([school or "-", *(counts.get(kind, 0) for kind in kinds), bar])
    lines = [markdown_table(["school", *heads, ""], rows)]
    if len(schools) > SHOWN_SCHOOLS:
        lines += ["", f"and {len(schools) - SHOWN_SCHOOLS} more schools"]
    return "\n".join(lines)
