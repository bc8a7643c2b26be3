"""An export as a target's first one, to nobody: made straight from relations in files."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

from d118_pipelines.targets.build import Export, Inputs, build_export
from d118_pipelines.targets.definition import Target
from d118_pipelines.targets.ledger import LedgerSnapshot

NO_LEDGER = LedgerSnapshot((), None, False, None)


def first_export(
    target: Target,
    inputs: Inputs,
    folder: Path,
    now: dt.datetime,
    snapshot: LedgerSnapshot = NO_LEDGER,
) -> Export:
    """The files, rules and plan of a target to which nothing was delivered yet."""
    export = build_export(
        target,
        inputs=inputs,
        snapshot=snapshot,
        baseline_folder=None,
        destination="outbox",
        folder=folder,
        data_at=now,
        now=now,
        zone=ZoneInfo("America/Chicago"),
    )
    assert export is not None
    return export
