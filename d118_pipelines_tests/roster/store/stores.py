"""A roster database with the steps of a sync around it, as the tests need them.

Belongs here: plan and apply in a row, and what the tables hold afterwards. Not here:
facts. Rosters are written with the builders of the plan's tests.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from d118_pipelines.config.guard_limits import RosterGuard
from d118_pipelines.config.providers import Matching
from d118_pipelines.roster.planning.baseline import (
    load_baseline,
    load_values,
    read_revision,
)
from d118_pipelines.roster.planning.plan import PlanRequest, RosterPlan, make_plan
from d118_pipelines.roster.store.apply import ApplyResult, apply_plan
from d118_pipelines.roster.store.runs import Actor, Provider, mirror_providers
from d118_pipelines.state.arrow import arrow_reading
from d118_pipelines.state.database import Database
from d118_pipelines_tests.roster.planning.rosters import Roster, Staged
from d118_pipelines_tests.support.postgres import begin_as, kept_copy
from d118_pipelines_tests.support.small_frames import small_frames

DISTRICT = "district-118"
NOW = dt.datetime(2026, 11, 2, 9, 0, tzinfo=dt.UTC)
ACTOR = Actor("tester")
ZONE = ZoneInfo("America/Chicago")


def entry(provider: str, priority: int = 100, name: str = "A source") -> Provider:
    """The mirror of one provider's entry."""
    return Provider(provider, "CSV", name, True, "0 2 * * *", priority, "0" * 64)


@dataclass
class Store:
    """A roster database and the folders of its runs; every run is an hour later."""

    database: Database
    folder: Path
    district: str = DISTRICT
    priorities: dict[str, int] = field(default_factory=lambda: {"sis": 100})
    count: int = 0

    def __post_init__(self) -> None:
        entries = [entry(*pair) for pair in self.priorities.items()]
        with self.database.transaction() as connection:
            mirror_providers(connection, self.district, entries)

    @property
    def now(self) -> dt.datetime:
        """The time of the run."""
        return NOW + dt.timedelta(hours=self.count)

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return f"{self.count:08}-{self.district}"

    def plan(
        self, staged: Staged | Roster, provider: str = "sis", **more: Any
    ) -> RosterPlan:
        """Begin a run: stage and plan; nothing is applied."""
        if not isinstance(staged, Staged):
            staged = Staged(staged)
        self.count += 1
        folder = staged.write(self._staged(self.count))
        with small_frames() as duck, arrow_reading(self.database) as reader:
            load_baseline(reader, duck, district=self.district, provider=provider)
            request = PlanRequest(
                district=self.district,
                provider=provider,
                matching=more.pop("matching", Matching()),
                deactivate_missing=more.pop("deactivate_missing", True),
                guard=RosterGuard(),
                zone=ZONE,
                revision=read_revision(reader, self.district),
                mapping_hash="m",
            )
            return make_plan(
                duck,
                request,
                staged=folder,
                load_values=partial(load_values, reader),
                plans_folder=self.folder / "plans" / self.district / provider,
                run_id=self.run_id,
                now=self.now,
            )

    def _staged(self, number: int) -> Path:
        return self.folder / "staged" / f"{number}-{self.district}"

    def apply(self, plan: RosterPlan, **more: Any) -> ApplyResult:
        """Apply a plan, whatever the guard says."""
        staged = self._staged(int(plan.run_id[:8]))
        with small_frames() as duck, self.database.transaction() as connection:
            values = {"run_id": plan.run_id, "now": plan.made_at, "actor": ACTOR}
            return apply_plan(connection, duck, plan, staged, **{**values, **more})

    def sync(
        self, staged: Staged | Roster, provider: str = "sis", **more: Any
    ) -> ApplyResult:
        """Plan and apply."""
        return self.apply(self.plan(staged, provider, **more))

    def begin(self, *syncs: tuple[Roster, str]) -> ApplyResult:
        """`sync` of these rosters, which must be the store's first; what the last did.

        A test process does the same syncs once for each engine, and then copies the
        database.
        """
        assert self.count == 0
        state = repr((self.database.is_postgres, self.district, self.priorities))
        known = _begun.get(state + repr(syncs))
        if known is not None:
            kept, result = known
            self._put_back(kept)
            self.count = len(syncs)
            return result
        for roster, provider in syncs:
            result = self.sync(roster, provider)
        _begun[state + repr(syncs)] = self._kept(), result
        return result

    def _kept(self) -> str | bytes:
        """A copy of the database as it is now: its name, or what is in the file."""
        if self.database.is_postgres:
            return kept_copy(str(self.database._engine.url.database))
        return self.database.path.read_bytes()

    def _put_back(self, kept: str | bytes) -> None:
        if isinstance(kept, bytes):
            self.database.path.write_bytes(kept)
        else:
            begin_as(kept, str(self.database._engine.url.database))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with self.database.reading() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(query)]

    def statuses(self, entity: str) -> dict[str, str]:
        """External id of its owner -> status, of every record."""
        return dict(self.rows(f"SELECT external_id, status FROM {entity}"))

    def ids(self, entity: str) -> dict[str, str]:
        """External id -> internal id, of every record."""
        return {
            k: str(v) for k, v in self.rows(f"SELECT external_id, id FROM {entity}")
        }

    def dump(self, *tables: str) -> dict[str, list[str]]:
        """All rows of tables, as sorted texts."""
        return {
            table: sorted(repr(row) for row in self.rows(f"SELECT * FROM {table}"))
            for table in tables or ROSTER
        }


_begun: dict[str, tuple[str | bytes, ApplyResult]] = {}
MakeStore = Callable[..., Store]
ROSTER = (
    *("orgs", "terms", "courses", "classes", "users", "enrollments", "demographics"),
    *("user_roles", "user_agents", "class_terms", "external_ids", "absent_once"),
    *("identity_conflicts", "roster_history", "roster_revision", "audit_log"),
)
EVERYTHING = (*ROSTER, "sis_providers", "sis_sync_runs", "sync_logs")
