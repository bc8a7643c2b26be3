"""Begin and end of the school year and of the term: `$school_year_begin` and the like.

Called by `workflows/targets/export_inputs.py` for a target's SQL and by
`workflows/targets/draft.py`. They are those of `config/district.yaml`, else of the
roster. Page: docs/reference/target_yaml.md.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.sql_text import statement

if TYPE_CHECKING:
    import duckdb

Span = tuple[dt.date, dt.date]
KINDS = {"school_year": "school_years", "term": "terms"}
"""What has a begin and an end, and its key in `config/district.yaml`."""
DAY_OPTION = re.compile(rf"\$(({'|'.join(KINDS)})_(?:begin|end))\b")


def spans_of(duck: duckdb.DuckDBPyConnection, kind: str, terms: str) -> list[Span]:
    """First and last day of each that the roster has; terms: the relation, in SQL."""
    rows = duck.execute(statement(f"targets/school_days.{kind}", terms=terms))
    return [(first, last) for first, last in rows.fetchall() if first and last]


def days_of(kind: str, spans: Iterable[Span], day: dt.date) -> dict[str, dt.date]:
    """The two options of a kind on a day.

    Of the spans that have the day the most frequent, of equals the shortest; without
    one the next to begin, else the last. Raises: ConfigurationError if there is none at
    all.
    """
    counted = Counter(spans)
    now = [one for one in counted if one[0] <= day <= one[1]]
    coming = [one for one in counted if one[0] > day]
    if now:
        chosen = min(now, key=lambda one: (-counted[one], one[1] - one[0], one))
    elif counted:
        chosen = min(coming) if coming else max(counted, key=lambda one: one[::-1])
    else:
        raise ConfigurationError(
            f"Neither config/district.yaml nor the roster has a {kind.replace('_', ' ')}.",
            rule=f"The target's SQL uses ${kind}_begin or ${kind}_end.",
            not_done="Nothing was exported.",
            next_step=f"Add to config/district.yaml: {KINDS[kind]}: "
            "[{from: 2026-08-17, to: 2027-05-28}]",
        )
    return {f"{kind}_begin": chosen[0], f"{kind}_end": chosen[1]}
