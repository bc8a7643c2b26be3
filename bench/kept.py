"""The figures of the benchmarks, in `bench/results.json`: the newest of each kind.

Called by `roster_run.py`, `oneroster_export.py` and `run.py`; `results.py` makes the
page.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PLACE = Path(__file__).with_name("results.json")


def keep(about: Mapping[str, str], found: Mapping[str, Any]) -> None:
    """Keep what was measured in place of the last figures about the same, and print it."""
    entry = {
        **about,
        **found,
        "at": _now(),
        "code": _code(),
        "load": os.getloadavg()[0],
    }
    others = [one for one in read() if any(one.get(k) != v for k, v in about.items())]
    text = ",\n".join(json.dumps(one) for one in [*others, entry])
    PLACE.write_text(f"[\n{text}\n]\n", encoding="utf-8")
    print(json.dumps(entry), file=sys.stderr, flush=True)


def read() -> list[dict[str, Any]]:
    """All figures that are kept."""
    if not PLACE.is_file():
        return []
    return list(json.loads(PLACE.read_text(encoding="utf-8")))


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M")


def _code() -> str:
    """Date and commit of the code, with a mark where files differ from it."""
    show = ["git", "log", "-1", "--format=%cs %h"]
    shown = subprocess.run(show, cwd=PLACE.parent, capture_output=True, text=True)
    return shown.stdout.strip() or "unknown"
