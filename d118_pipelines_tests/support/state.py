"""What a failed run must leave as it was: files, ledger and verified deliveries."""

from __future__ import annotations

from typing import Any

from d118_pipelines_tests.support.sync import Sync


def state_of(sync: Sync) -> dict[str, Any]:
    """Everything that only a verified delivery may change; compare two of these."""
    return {
        "files": sync.files(),
        "times": {p.name: p.stat().st_mtime_ns for p in sync.outbox.glob("*")},
        "ledger": sync.ledger(),
        "deliveries": sync.deliveries(),
    }
