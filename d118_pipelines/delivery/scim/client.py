"""Brings users to a service provider: order, bulk or threads, what is reported when.

Called by `workflows/targets/scim.py`; what one user needs is in `one_user.py`, many in
one request in `bulk.py`. Rule: docs/reference/scim.md.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

from d118_pipelines.delivery.scim.bulk import settle_in_bulk
from d118_pipelines.delivery.scim.changes import (
    ScimChange,
    ScimOutcome,
    ScimReport,
    ScimSettings,
    Status,
    Way,
)
from d118_pipelines.delivery.scim.one_user import settle
from d118_pipelines.delivery.scim.service import ScimService
from d118_pipelines.delivery.scim.transport import RefusedError
from d118_pipelines.errors import DestinationError, UnavailableError

BATCH = 100
LONGEST_HOLD = 1.0
"""Seconds after which known outcomes are reported even if the batch is not full."""
GIVE_UP_AFTER = 20
"""This many users in a row that only got 429 or 5xx end the run."""
# A name that one user gives up may be the new name of another.
ORDER = ("deactivate", "update", "create")

OnSending = Callable[[Sequence[ScimChange]], None]
OnOutcomes = Callable[[Sequence[ScimOutcome]], None]
OnProgress = Callable[[int, int], None]


def provision(
    settings: ScimSettings,
    changes: Iterable[ScimChange],
    *,
    on_outcomes: OnOutcomes,
    on_sending: OnSending | None = None,
    on_progress: OnProgress | None = None,
) -> ScimReport:
    """Send all changes; deactivations first, then updates, then creations.

    on_sending: called in this thread with at most 100 changes before any of them is
    sent. on_outcomes: called in this thread with at most 100 outcomes as soon as they
    are known; what it was called with is final, whatever happens later. on_progress:
    with the number of settled changes and of all. A refused user never stops the
    others. Raises: AuthenticationError, DestinationError, ConnectionLostError,
    TimeLimitError, UnavailableError, after the known outcomes were reported.
    """
    started = time.monotonic()
    ordered = sorted(changes, key=lambda change: ORDER.index(change.action))
    service = ScimService(settings)
    collected = _Collected(on_outcomes, on_progress, len(ordered))
    used = _way(settings, service)
    try:
        for action in ORDER:
            phase = iter([one for one in ordered if one.action == action])
            while part := list(islice(phase, BATCH)):
                if on_sending is not None:
                    on_sending(part)
                for outcomes in _settled(settings, service, part, used):
                    collected.add(outcomes)
    finally:
        collected.hand_over()
        service.close()
    seconds = time.monotonic() - started
    return ScimReport(collected.counts, service.requests, seconds, used)


def look(settings: ScimSettings) -> tuple[str, float]:
    """What the provider says that it supports, in words, and the seconds it took.

    Changes nothing. Raises: as `provision`.
    """
    started = time.monotonic()
    service = ScimService(settings)
    try:
        service.find("userName", "d118-connection-test")
    except RefusedError as refused:
        raise DestinationError(
            f"FAILED scim.service  The SCIM service does not allow searching for users ({refused}).",
            not_done="Nothing was changed.",
            next_step="Check the rights of the token.",
        ) from None
    finally:
        service.close()
    can = service.can
    words = ["PATCH" if can.patch else "PUT", "filters" if can.filter else "no filters"]
    words.append(f"bulk of {can.bulk_operations}" if can.bulk_operations else "no bulk")
    return ", ".join(words), time.monotonic() - started


class _Collected:
    """Outcomes on their way to the caller."""

    def __init__(
        self, on_outcomes: OnOutcomes, on_progress: OnProgress | None, total: int
    ) -> None:
        self.counts: Counter[Status] = Counter()
        self._on_outcomes, self._on_progress = on_outcomes, on_progress
        self._total, self._held = total, list[ScimOutcome]()
        self._since, self._pending = time.monotonic(), 0

    def add(self, outcomes: Sequence[ScimOutcome]) -> None:
        """Take some; several at once are handed over at once.

        Raises: UnavailableError when too many users in a row were postponed.
        """
        self._held += outcomes
        late = time.monotonic() - self._since > LONGEST_HOLD
        if len(outcomes) > 1 or len(self._held) >= BATCH or late:
            self.hand_over()
        for outcome in outcomes:
            self._pending = self._pending + 1 if outcome.status == "pending" else 0
        if self._pending >= GIVE_UP_AFTER:
            raise UnavailableError(
                f"FAILED scim.unavailable  The SCIM service postponed {self._pending} "
                f"users in a row ({outcomes[-1].error}).",
                not_done="The remaining users were not sent; they stay pending.",
                next_step="Run it again when the service is available.",
            )

    def hand_over(self) -> None:
        """Give what is held to the caller."""
        while self._held:
            part, self._held = self._held[:BATCH], self._held[BATCH:]
            self.counts.update(outcome.status for outcome in part)
            self._on_outcomes(part)
            if self._on_progress is not None:
                self._on_progress(self.counts.total(), self._total)
        self._since = time.monotonic()


def _way(settings: ScimSettings, service: ScimService) -> Way:
    if settings.use_bulk and service.can.bulk_operations > 1:
        return "bulk"
    return "sequential" if settings.concurrency == 1 else "concurrent"


def _settled(
    settings: ScimSettings,
    service: ScimService,
    changes: Sequence[ScimChange],
    used: Way,
) -> Iterator[Sequence[ScimOutcome]]:
    left = changes
    if used == "bulk":
        settled, left = settle_in_bulk(service, changes)
        yield settled
    yield from _one_by_one(settings, service, left)


def _one_by_one(
    settings: ScimSettings, service: ScimService, changes: Sequence[ScimChange]
) -> Iterator[Sequence[ScimOutcome]]:
    """Each by itself, `concurrency` of them at the same time, in their order."""
    with ThreadPoolExecutor(settings.concurrency) as pool:
        waiting: deque[Future[ScimOutcome]] = deque()
        try:
            for change in changes:
                waiting.append(pool.submit(settle, service, change))
                if len(waiting) > 2 * settings.concurrency:
                    yield [waiting.popleft().result()]
            while waiting:
                yield [waiting.popleft().result()]
        finally:
            for future in waiting:
                future.cancel()
