"""The limits of the roster guard: `guard` in `config/district.yaml` and in a provider.

Read with `district.py` and `providers.py`; `roster/planning/guard.py` decides by them.
Rule: docs/reference/matching_and_guard.md.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from d118_pipelines.config.yaml_files import Model
from d118_pipelines.kernel.guard_rule import GuardRule

LONGEST_WINDOW_DAYS = 60
Share = Annotated[float, Field(ge=0, le=1)]


class DeactivatedLimits(Model):
    """Shares of active records that may become inactive."""

    per_entity: Share = 0.10
    per_school: Share = 0.20


class MinimumCounts(Model):
    """A share counts only if at least this many records are affected."""

    per_entity: int = Field(default=10, ge=1)
    per_school: int = Field(default=5, ge=1)


class RejectLimits(Model):
    """More rejected rows than both of these hold a plan."""

    share: Share = 0.05
    minimum_count: int = Field(default=20, ge=1)


# Plain CSV files: more than 100 rows and more than 1 % of them.
CSV_REJECTS = RejectLimits(share=0.01, minimum_count=101)


class DateRange(Model):
    """Days of the district's calendar, the first and the last one included."""

    first: dt.date = Field(alias="from")
    last: dt.date = Field(alias="to")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.last < self.first:
            raise ValueError(f"to ({self.last}) is before from ({self.first})")
        return self

    def has(self, day: dt.date) -> bool:
        """Whether the day is inside."""
        return self.first <= day <= self.last


class WindowDeactivated(Model):
    """The shares that a window replaces; the others stay."""

    per_entity: Share | None = None
    per_school: Share | None = None


class Window(DateRange):
    """Other limits between two dates; they end automatically.

    deactivate: false: nobody and nothing becomes inactive, everything else goes on.
    """

    name: str
    deactivate: bool = True
    deactivated: WindowDeactivated = WindowDeactivated()
    updated: Share | None = None
    id_churn: Share | None = None


class Blackout(DateRange):
    """Days on which nothing is applied or sent without an approval."""

    reason: Annotated[str, Field(min_length=1, max_length=100)]


BLACKOUT = "guard.blackout"


def blackout_rule(blackouts: Sequence[Blackout], day: dt.date) -> GuardRule:
    """Whether the day is in a blackout; of several, the one that ends last is named."""
    found = [blackout for blackout in blackouts if blackout.has(day)]
    if not found:
        return GuardRule(BLACKOUT, "waiting", True, "No blackout today.")
    longest = max(found, key=lambda blackout: blackout.last)
    text = f"waiting: {longest.reason} until {longest.last}"
    return GuardRule(BLACKOUT, "waiting", False, text)


class RosterGuard(Model):
    """All limits. Shares are of the provider's active records in the roster."""

    deactivated: DeactivatedLimits = DeactivatedLimits()
    updated: Share = 0.75
    id_churn: Share = 0.02
    created: float | None = Field(default=None, ge=0)
    zero_rows: bool = True
    rejected: RejectLimits = RejectLimits()
    minimum_count: MinimumCounts = MinimumCounts()
    windows: list[Window] = []
    blackouts: list[Blackout] = []

    def on(self, day: dt.date) -> RosterGuard:
        """The limits of one day: a window's where one is open, the widest of several."""
        windows = [w for w in self.windows if w.has(day)]

        def widest(usual: float, found: list[float | None]) -> float:
            return max((v for v in found if v is not None), default=usual)

        limits = DeactivatedLimits(
            per_entity=widest(
                self.deactivated.per_entity, [w.deactivated.per_entity for w in windows]
            ),
            per_school=widest(
                self.deactivated.per_school, [w.deactivated.per_school for w in windows]
            ),
        )
        changes = {
            "deactivated": limits,
            "updated": widest(self.updated, [w.updated for w in windows]),
            "id_churn": widest(self.id_churn, [w.id_churn for w in windows]),
        }
        return self.model_copy(update=changes)

    def keeps_active_on(self, day: dt.date) -> bool:
        """Whether a window of that day lets nothing become inactive."""
        return any(not w.deactivate for w in self.windows if w.has(day))


def merged_guard(guard: RosterGuard, overrides: Mapping[str, Any]) -> RosterGuard:
    """The guard with single keys replaced, as a provider may; lists as a whole.

    Raises: pydantic.ValidationError for an unknown key or a wrong value.
    """
    values = guard.model_dump(by_alias=True)
    return RosterGuard.model_validate(_merged(values, overrides))


def _merged(values: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(values)
    for key, value in changes.items():
        known = result.get(key)
        if isinstance(known, dict) and isinstance(value, Mapping):
            value = _merged(known, value)
        result[key] = value
    return result


def guard_warnings(guard: RosterGuard, today: dt.date) -> list[str]:
    """What is unusual about the windows, as `d118 doctor` shows it."""
    found = []
    for window in guard.windows:
        days = (window.last - window.first).days + 1
        if days > LONGEST_WINDOW_DAYS:
            found.append(
                f"The guard window {window.name} is open for {days} days; "
                f"at most {LONGEST_WINDOW_DAYS} are intended."
            )
        if window.last < today:
            found.append(
                f"The guard window {window.name} ended on {window.last}; remove it."
            )
    return found
