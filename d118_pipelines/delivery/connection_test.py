"""Whether a destination can be reached, without writing anything there.

Called by `d118 test-connection TARGET` and `d118 doctor`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from d118_pipelines.delivery.remote import Remote
from d118_pipelines.errors import D118Error


@dataclass(frozen=True, slots=True)
class DestinationReport:
    """What a test of the connection found. No value of a credential is in it."""

    success: bool
    message: str
    latency_seconds: float
    present: tuple[str, ...]
    """Those of the target's files that are at the destination now."""


def test_destination(
    connect: Callable[[], Remote], files: Sequence[str]
) -> DestinationReport:
    """Connect, log in, open the folder and list it; writes nothing, raises nothing.

    files: final names of the target's files, in order.
    latency_seconds: from the first packet to the answer, or to the failure.
    """
    start = time.monotonic()
    try:
        with connect() as remote:
            names = set(remote.listing())
    except D118Error as exc:
        return DestinationReport(False, str(exc), time.monotonic() - start, ())
    latency_seconds = time.monotonic() - start
    present = tuple(name for name in files if name in names)
    message = (
        f"the folder can be opened; {len(present)} of {len(files)} files are there"
    )
    return DestinationReport(True, message, latency_seconds, present)
