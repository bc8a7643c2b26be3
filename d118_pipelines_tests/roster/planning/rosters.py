"""Small rosters, and a roster database inside DuckDB to plan them against.

Belongs here: staged folders written by hand and a plain reference of what apply does,
so that matching and plan are tested without a database. Not here: facts.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa

from d118_pipelines.config.guard_limits import RosterGuard
from d118_pipelines.config.providers import Matching
from d118_pipelines.kernel.frames import parquet
from d118_pipelines.kernel.run_folders import write_manifest
from d118_pipelines.roster.model.entities import DUCKDB_TYPES, ENTITIES
from d118_pipelines.roster.planning.plan import PlanRequest, RosterPlan, make_plan
from d118_pipelines.roster.planning.record_views import (
    ROLE_GROUP,
    make_record_views,
    record_source,
)
from d118_pipelines.roster.staging import staged as stored
from d118_pipelines_tests.support.parquet_rows import write_rows
from d118_pipelines_tests.support.small_frames import small_frames

DISTRICT = "district-118"
NOW = dt.datetime(2026, 11, 2, 9, 0, tzinfo=dt.UTC)
ZONE = ZoneInfo("America/Chicago")
Row = dict[str, Any]
Roster = dict[str, list[Row]]
REJECTED = {"entity": "VARCHAR", "external_id": "VARCHAR"}


def school(key: str, **more: Any) -> Row:
    values = {"name": f"School {key}", "org_type": "school", "sis_id": key}
    return {"external_id": key, **values, **more}


def person(key: str, role: str = "student", at: str = "10", **more: Any) -> Row:
    roles = [{"school_external_id": at, "role": role, "source_role": role}]
    return {
        "external_id": key,
        "first_name": "Ada",
        "last_name": "Example",
        "roles": json.dumps(roles),
        "primary_school_external_id": at,
        **more,
    }


def section(key: str, at: str = "10", **more: Any) -> Row:
    return {"external_id": key, "school_external_id": at, "name": key, **more}


def enrollment(user: str, section_key: str, role: str = "student", **more: Any) -> Row:
    return {
        "external_id": f"{user}-{section_key}",
        "user_external_id": user,
        "class_external_id": section_key,
        "school_external_id": "10",
        "role": role,
        **more,
    }


@dataclass
class Staged:
    """What one pull left: rows by entity, rejected rows, what absence proves."""

    rows: Roster
    rejected: Sequence[tuple[str, str | None]] = ()
    absence: stored.Absence = "proven"
    is_delta: bool = False
    unreadable: Mapping[str, int] = field(default_factory=dict)
    duplicates: Mapping[str, int] = field(default_factory=dict)
    held_reason: str | None = None

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True)
        for entity, rows in self.rows.items():
            given = [{"status": "active", **row} for row in rows]
            columns = ENTITIES[entity].staged_columns()
            write_rows(folder / f"{entity}.parquet", columns, given)
        pairs = [dict(zip(REJECTED, pair, strict=True)) for pair in self.rejected]
        write_rows(folder / "rejected.parquet", REJECTED, pairs)
        entities = {
            entity: stored.EntityCounts(
                fetched=len(rows),
                staged=len(rows),
                rejected=sum(e == entity for e, _ in self.rejected),
                duplicates=self.duplicates.get(entity, 0),
                unreadable_keys=self.unreadable.get(entity, 0),
                absence=self.absence,
                is_delta=self.is_delta,
            )
            for entity, rows in self.rows.items()
        }
        roster = stored.Staged(
            folder=folder,
            provider="sis",
            district=DISTRICT,
            run_id=folder.name,
            made_at=NOW,
            mapping_fingerprint="m",
            is_demonstration=False,
            raw={},
            entities=entities,
            held_reason=self.held_reason,
        )
        write_manifest(folder, asdict(roster))
        return folder


_STATE = (*(f"store.{name}" for name in ENTITIES), "base.links", "store.absent")
_begun: dict[str, list[pa.Table]] = {}


class World:
    """A district's roster in one DuckDB session, and the providers that feed it."""

    def __init__(self, folder: Path, **priorities: int) -> None:
        self.folder, self.revision, self.count = folder, 0, 0
        self._session = small_frames()
        self.duck = self._session.__enter__()
        run = self.duck.execute
        run("CREATE SCHEMA base")
        run("CREATE SCHEMA store")
        run("CREATE SCHEMA base_values")
        for name, entity in ENTITIES.items():
            types = {f.column: DUCKDB_TYPES[f.kind] for f in entity.fields}
            columns = ", ".join(f"{c} {t}" for c, t in types.items())
            run(
                f"CREATE TABLE store.{name} (id VARCHAR, provider_id VARCHAR, "
                "external_id VARCHAR, status VARCHAR, inactive_reason VARCHAR, "
                f"{columns}, row_hash VARCHAR)"
            )
        run(
            "CREATE TABLE base.links (provider_id VARCHAR, entity VARCHAR, "
            "external_id VARCHAR, internal_id VARCHAR, active BOOLEAN, rule VARCHAR)"
        )
        run("CREATE TABLE store.absent (provider VARCHAR, entity VARCHAR, id VARCHAR)")
        run(
            "CREATE TABLE base.resolutions (entity VARCHAR, external_id VARCHAR, "
            "resolution VARCHAR, internal_id VARCHAR)"
        )
        run("CREATE TABLE base.priorities (provider_id VARCHAR, priority INTEGER)")
        self._priorities = priorities or {"sis": 100}
        for provider, priority in self._priorities.items():
            run("INSERT INTO base.priorities VALUES (?, ?)", [provider, priority])

    def close(self) -> None:
        """End the session."""
        self._session.__exit__(None, None, None)

    def plan(
        self,
        staged: Staged | Roster,
        provider: str = "sis",
        *,
        matching: Matching | None = None,
        guard: RosterGuard | None = None,
        deactivate_missing: bool = True,
        now: dt.datetime = NOW,
    ) -> RosterPlan:
        """Plan one staged roster of one provider; nothing is applied."""
        if not isinstance(staged, Staged):
            staged = Staged(staged)
        self.count += 1
        self._baseline(provider)
        request = PlanRequest(
            district=DISTRICT,
            provider=provider,
            matching=matching or Matching(),
            deactivate_missing=deactivate_missing,
            guard=guard or RosterGuard(),
            zone=ZONE,
            revision=self.revision,
            mapping_hash="m",
        )
        return make_plan(
            self.duck,
            request,
            staged=staged.write(self.folder / "staged" / str(self.count)),
            load_values=self._load_values,
            plans_folder=self.folder / "plans" / provider,
            run_id=f"{self.count:08}",
            now=now,
        )

    def sync(self, staged: Staged | Roster, provider: str = "sis", **more: Any) -> Any:
        """Plan and apply, whatever the guard says."""
        plan = self.plan(staged, provider, **more)
        self.apply(plan)
        return plan

    def begin(self, staged: Roster, provider: str = "sis") -> None:
        """`sync` of this roster as the world's first; a test process plans it once."""
        assert self.count == 0
        key = repr((self._priorities, staged, provider))
        if key in _begun:
            for table, rows in zip(_STATE, _begun[key], strict=True):
                self.duck.register("kept", rows)
                self.duck.execute(f"INSERT INTO {table} SELECT * FROM kept")
                self.duck.unregister("kept")
            self.count = self.revision = 1
            return
        self.sync(staged, provider)
        state = [self.duck.sql(f"FROM {t}").to_arrow_table() for t in _STATE]
        _begun[key] = state

    def rows(
        self, plan: RosterPlan, entity: str, columns: str
    ) -> list[tuple[Any, ...]]:
        """Columns of the plan's rows, in the order of their external ids."""
        return self.duck.execute(
            f"SELECT {columns} FROM {parquet(plan.changes_file(entity))} "
            "ORDER BY external_id"
        ).fetchall()

    def actions(self, plan: RosterPlan, entity: str) -> dict[str, str]:
        """External id -> action, of one entity."""
        return dict(self.rows(plan, entity, "external_id, action"))

    def ids(self, entity: str, provider: str = "sis") -> dict[str, str]:
        """External id -> internal id, as the provider knows them."""
        return dict(
            self.duck.execute(
                "SELECT external_id, internal_id FROM base.links "
                "WHERE entity = ? AND provider_id = ?",
                [entity, provider],
            ).fetchall()
        )

    def statuses(self, entity: str) -> dict[str, str]:
        """External id of its owner -> status, of every record."""
        return dict(
            self.duck.execute(
                f"SELECT external_id, status FROM store.{entity}"
            ).fetchall()
        )

    def _load_values(
        self, duck: duckdb.DuckDBPyConnection, entity: str, ids_sql: str
    ) -> None:
        duck.execute(
            f"CREATE OR REPLACE TABLE base_values.{entity} AS "
            f"SELECT * FROM store.{entity} WHERE id IN ({ids_sql})"
        )

    def _baseline(self, provider: str) -> None:
        group = ROLE_GROUP
        for entity in ENTITIES:
            more = f", {group} AS role_group" if entity == "users" else ""
            whose = "true"
            if entity not in ("orgs", "users"):
                whose = f"provider_id = '{provider}'"
            self.duck.execute(
                f"CREATE OR REPLACE VIEW base.{entity} AS SELECT *{more} "
                f"FROM store.{entity} WHERE {whose}"
            )
        self.duck.execute(
            "CREATE OR REPLACE VIEW base.user_roles AS SELECT id AS user_id, "
            "unnest(json_extract_string(roles, '$[*].school_id')) AS school_id, "
            "unnest(json_extract_string(roles, '$[*].role')) AS role FROM store.users"
        )
        self.duck.execute(
            "CREATE OR REPLACE VIEW base.absent_once AS SELECT entity, "
            f"id AS external_id FROM store.absent WHERE provider = '{provider}'"
        )

    def apply(self, plan: RosterPlan) -> None:
        """What apply does, as plainly as possible."""
        staged = self.folder / "staged" / plan.staged
        whose = plan.provider
        source = record_source(
            staged, district=DISTRICT, provider=whose, plan_folder=plan.folder
        )
        make_record_views(self.duck, source)
        run, changed = self.duck.execute, False
        for entity in plan.entities:
            rows = parquet(plan.changes_file(entity))
            written = (
                f"SELECT %s FROM {rows} WHERE action IN ('create', 'update', "
                "'reactivate', 'link') AND NOT keeps_fields"
            )
            names = ", ".join(f.column for f in ENTITIES[entity].fields)
            run(f"DELETE FROM store.{entity} WHERE id IN ({written % 'id'})")
            run(
                f"INSERT INTO store.{entity} SELECT id, '{whose}', external_id, status, "
                f"inactive_reason, {names}, row_hash FROM record.{entity} "
                f"WHERE external_id IN ({written % 'external_id'})"
            )
            run(
                f"UPDATE store.{entity} SET status = 'inactive', row_hash = '', "
                f"inactive_reason = c.reason FROM {rows} AS c "
                f"WHERE c.action = 'deactivate' AND c.id = {entity}.id"
            )
            if entity in ("orgs", "users"):
                self._link(entity, whose, rows)
            run("DELETE FROM store.absent WHERE provider = ? AND entity = ?",
                [whose, entity])  # fmt: skip
            run(
                f"INSERT INTO store.absent SELECT '{whose}', '{entity}', external_id "
                f"FROM {rows} WHERE action = 'absent_once'"
            )
        changed = plan.changes > 0
        self.revision += changed

    def _link(self, entity: str, provider: str, rows: str) -> None:
        run = self.duck.execute
        run(
            "DELETE FROM base.links WHERE provider_id = ? AND entity = ? AND external_id "
            f"IN (SELECT external_id FROM {rows} WHERE action IN "
            "('create', 'link', 'update', 'reactivate'))",
            [provider, entity],
        )
        run(
            f"INSERT INTO base.links SELECT '{provider}', '{entity}', external_id, id, "
            f"true, rule FROM {rows} "
            "WHERE action IN ('create', 'link', 'update', 'reactivate')"
        )
        run(
            "UPDATE base.links SET active = false WHERE provider_id = ? AND entity = ? "
            f"AND external_id IN (SELECT external_id FROM {rows} "
            "WHERE action IN ('deactivate', 'unlink'))",
            [provider, entity],
        )
