"""Whether a new file set has arrived in a folder, whole.

Called by `workflows/providers/arrivals.py`; plain CSV files have
`csv_files/arrival.py`. A set counts as arrived when two looks find the same names,
sizes and times, the manifest is there with every file that it declares, and the
contents differ from the set before. Rule: docs/reference/oneroster_csv.md, arrival.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from d118_pipelines.errors import D118Error
from d118_pipelines.kernel.finding import Findings
from d118_pipelines.sources.oneroster_csv.container import (
    content_hash,
    find_set,
    open_container,
    signature,
)
from d118_pipelines.sources.oneroster_csv.file_set import open_set
from d118_pipelines.sources.oneroster_csv.limits import Limits
from d118_pipelines.sources.oneroster_csv.manifest import Assumed


@dataclass(frozen=True, slots=True)
class ArrivedSet:
    """A new set. `content_hash` is the same for the same contents: a key for its run."""

    path: Path
    content_hash: str
    version: str


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found; `state` is what the next look is given.

    reason: why nothing has arrived; holds no value out of a file.
    """

    state: str
    arrived: ArrivedSet | None = None
    reason: str = ""


def look_for_set(
    path: Path,
    previous_state: str = "",
    *,
    file_names: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    assumed: Assumed | None = None,
) -> Look:
    """Look once at a folder or an archive; `previous_state` is that of the last look."""
    state: dict[str, Any] = json.loads(previous_state or "{}")
    try:
        found = find_set(path)
        now = [list(entry) for entry in signature(found)]
    except (D118Error, FileNotFoundError):
        return _nothing(state, [], "there is no file set")
    if state.get("seen") != now:
        return _nothing(state, now, "the files have changed since the last check")
    if state.get("judged") == now:
        return _nothing(state, now, str(state.get("reason", "")))
    try:
        version = _version(found, file_names or {}, limits or Limits(), assumed)
        digest = content_hash(found)
    except (D118Error, OSError) as exc:
        reason = exc.what if isinstance(exc, D118Error) else "a file has disappeared"
        return _judged(state, now, reason)
    if digest == state.get("hash"):
        return _judged(state, now, "the set was there before")
    state["hash"] = digest
    look = _judged(state, now, "the set was there before")
    return Look(look.state, ArrivedSet(found, digest, version))


def _version(
    found: Path,
    file_names: Mapping[str, str],
    limits: Limits,
    assumed: Assumed | None,
) -> str:
    findings = Findings()
    with open_container(found, findings, limits) as container:
        return open_set(container, findings, limits, file_names, assumed).version


def _nothing(state: dict[str, Any], now: list[list[Any]], reason: str) -> Look:
    return Look(json.dumps({**state, "seen": now}), reason=reason)


def _judged(state: dict[str, Any], now: list[list[Any]], reason: str) -> Look:
    """The same files are not opened again."""
    judged = {**state, "seen": now, "judged": now, "reason": reason}
    return Look(json.dumps(judged), reason=reason)
