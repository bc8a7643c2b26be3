"""A feed: a provider whose roster comes in, or a target whose data goes out.

Called by the command line, the assets, the alert sensor and the job `approve`. The two
kinds are in `provider_feed.py` and `target_feed.py`, the search by name in
`all_feeds.py`, the words of a refusal in `admission.py`.
"""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from d118_pipelines.config.guard_limits import BLACKOUT, Blackout, blackout_rule
from d118_pipelines.config.project import Project
from d118_pipelines.errors import ConfigurationError, FatalError
from d118_pipelines.kernel.guard_rule import GuardRule
from d118_pipelines.state.plans import StoredPlan
from d118_pipelines.workflows.runs.run_history import RunHistory
from d118_pipelines.workflows.runs.status import Standing

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PlanPage:
    """What a stored plan changes, for people: keys and counts, no values.

    against: what it was compared with. tables: title -> rows, before and after the
    rules of the guard. changes: at most as many rows as were asked for, of `total`.
    more: further keys of the JSON form.
    """

    against: str
    counts: tuple[str, Sequence[Row]]
    changes: Sequence[Row]
    total: int
    tables: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    more: Row = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shown:
    """Which changes a page has: of a provider only this school or entity; at most `limit`."""

    school: str | None = None
    entity: str | None = None
    limit: int | None = None


class FeedState(Protocol):
    """How a feed is doing now; its fields are the JSON form."""

    @property
    def standing(self) -> Standing:
        """How it stands, and what to do."""

    def row(self, now: dt.datetime, *, is_wide: bool = False) -> Row:
        """One line of `d118 status`."""


@dataclass(frozen=True, slots=True)
class RunReport:
    """What `d118 run` says of a run that ended well. hint: the next command."""

    state: FeedState
    text: str = ""
    table: str = ""
    rows: Sequence[Row] = ()
    hint: str = ""


def waiting_text(feed: Feed, reason: str) -> str:
    """What a run says that ended well and did nothing, on a day of a blackout.

    reason: `waiting: <reason> until <date>`.
    """
    return (
        f"{feed.name}: {reason}. {feed.not_done} To go before: d118 plan {feed.name}, "
        "then d118 approve."
    )


@dataclass(frozen=True)
class Feed(ABC):
    """A provider or a target: its name, its stored plan, its texts, its state.

    again: the `d118` command that carries an approved plan out, run or undo.
    """

    project: Project
    again: str = field(default="run", kw_only=True)

    fails_as: ClassVar[type[FatalError]] = FatalError
    """The error of a plan that nobody may approve."""
    not_done: ClassVar[str]
    """What a plan that may not go leaves undone."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The target's name, or the provider's id; plans are stored under it."""

    @property
    def job(self) -> str:
        """The Dagster job that runs it."""
        return self.name

    @property
    def refused(self) -> ConfigurationError | None:
        """The error of starting it while the configuration has switched it off."""
        return None

    def broken_rules(self, plan: StoredPlan, now: dt.datetime) -> list[GuardRule]:
        """The guard's rules that the plan breaks, at this time.

        Blackouts are asked again: one can have begun or ended since the plan was made.
        """
        day = now.astimezone(self.project.district().zone).date()
        waits = blackout_rule(self.blackouts, day)
        kept = [rule for rule in plan.rules if rule.code != BLACKOUT]
        return [rule for rule in [*kept, waits] if not rule.passed]

    @property
    @abstractmethod
    def blackouts(self) -> Sequence[Blackout]:
        """The days on which its plans wait."""

    @abstractmethod
    def next_run(self, now: dt.datetime) -> dt.datetime | None:
        """When its schedule is due next; None where it is started by hand."""

    @abstractmethod
    def size(self, plan: StoredPlan) -> str:
        """How much the plan changes, and how long it is kept, in words."""

    def files_at(self, plan: StoredPlan) -> str:
        """Where a person can look at the plan's files; empty if there is nothing to read."""
        return ""

    @abstractmethod
    def plan_page(self, plan: StoredPlan, shown: Shown) -> PlanPage:
        """The plan for people. Raises: ConfigurationError if its files are gone."""

    @abstractmethod
    def state(self, history: RunHistory | None = None) -> FeedState:
        """How it is doing now. Times are local.

        history: with what Dagster has seen; by default only what the state database
        has.
        """

    @abstractmethod
    def report(self) -> RunReport:
        """What a run that has just ended well did."""
