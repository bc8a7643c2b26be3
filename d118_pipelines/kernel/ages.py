"""How old things are whose order is known, though a clock may have been wrong.

Called by `workflows/upkeep/retention.py` and `instance.py`. Rule:
docs/reference/retention.md.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence


def count_older(
    times: Sequence[dt.datetime], cut: dt.datetime, *, now: dt.datetime
) -> int:
    """How many of the first things were made before `cut`. times: in their true order.

    A thing is as young as the youngest before it: a clock that was behind removes
    nothing early. A time still to come says nothing: what came next does.
    """
    older, latest = 0, dt.datetime.min.replace(tzinfo=dt.UTC)
    for place, at in enumerate(times, start=1):
        if at > now:
            continue
        latest = max(latest, at)
        if latest >= cut:
            break
        older = place
    return older
