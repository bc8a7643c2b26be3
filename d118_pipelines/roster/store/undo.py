"""Undo: the reverse of a provider's last change, planned, judged and applied like one.

Called by `workflows/providers/undo.py`; the SQL of one entity is in `undo_records.py`.
Old values come from `roster_history`. What was changed again since is left alone and
named. Rule: docs/reference/roster_database.md.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from d118_pipelines.config.guard_limits import RosterGuard
from d118_pipelines.config.providers import Matching
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.finding import Finding
from d118_pipelines.kernel.frames import parquet
from d118_pipelines.kernel.run_folders import RunFolder, new_run_folder
from d118_pipelines.roster.model.entities import ENTITIES
from d118_pipelines.roster.planning.baseline import load_baseline
from d118_pipelines.roster.planning.comparison import Comparison
from d118_pipelines.roster.planning.plan import PlanRequest, RosterPlan, judge_and_store
from d118_pipelines.roster.planning.record_views import RecordSource
from d118_pipelines.roster.store.apply import (
    ApplyResult,
    baseline_revision,
    finish,
    private_errors,
    refuse_moved,
    statistics,
)
from d118_pipelines.roster.store.runs import Actor, last_change, open_run
from d118_pipelines.roster.store.undo_records import find_changes, findings_of, put_back
from d118_pipelines.roster.store.write_records import Writer
from d118_pipelines.state.arrow import arrow_reading

if TYPE_CHECKING:
    import duckdb

    from d118_pipelines.state.database import Database

UNDO_FILE = "undo.json"


@dataclass(frozen=True, slots=True)
class Undo:
    """A planned undo. `undoes_run`: the run whose changes are reverted.

    findings: records that stay as they are, `undo.changed_since` or
    `undo.values_erased`.
    """

    plan: RosterPlan
    undoes_run: str
    findings: tuple[Finding, ...]


def plan_undo(
    database: Database,
    duck: duckdb.DuckDBPyConnection,
    *,
    district: str,
    provider: str,
    plans_folder: Path,
    guard: RosterGuard,
    zone: ZoneInfo,
    run_id: str,
    now: dt.datetime,
) -> Undo:
    """Plan the reverse of the provider's last change; nothing is changed by it.

    The plan is in `plans_folder` like any other and is judged by the same guard.
    Raises: ConfigurationError if nothing was ever changed, or the last change was
    itself an undo.
    """
    whose = {"district": district, "provider": provider}
    with database.reading() as connection:
        undone = _undoable(connection, provider)
        # What moves the roster from here on makes the plan one that cannot be applied.
        revision = baseline_revision(connection, district)
    request = PlanRequest(
        **whose,
        matching=Matching(),
        deactivate_missing=False,
        guard=guard,
        zone=zone,
        revision=revision,
        mapping_hash=f"undo {undone}",
    )
    with new_run_folder(plans_folder, run_id=run_id, now=now) as folder:
        with arrow_reading(database) as reader:
            load_baseline(reader, duck, **whose)
            _empty_records(duck)
            for entity in ENTITIES:
                path = folder.path / f"{entity}.parquet"
                find_changes(reader, duck, entity, undone, path, **whose)
        plan = _judged(duck, request, folder, run_id=run_id, now=now)
        text = json.dumps({"undoes_run": undone})
        (folder.path / UNDO_FILE).write_text(text, encoding="utf-8")
    findings = tuple(
        Finding(code, "warn", external_id, entity=entity)
        for entity in ENTITIES
        for code, external_id in findings_of(duck, entity)
    )
    return Undo(plan, undone, findings)


def _undoable(connection: sa.Connection, provider: str) -> str:
    run = last_change(connection, provider)
    if run is None:
        raise _nothing(provider, f"No sync of {provider} was ever applied.")
    if run["kind"] == "undo":
        raise _nothing(provider, f"The last change of {provider} was itself an undo.")
    return str(run["run_id"])


def _nothing(provider: str, what: str) -> ConfigurationError:
    return ConfigurationError(
        what,
        rule="An undo reverts the last sync and cannot be undone; go on with another sync.",
        not_done="Nothing was changed.",
        next_step=f"To bring in the source's present state: d118 run {provider}",
    )


def _empty_records(duck: duckdb.DuckDBPyConnection) -> None:
    """An undo has no staged rows: the views that the counts look at are empty."""
    for schema in ("record", "changes", "undo"):
        duck.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    for entity in ENTITIES:
        roles = ", NULL::VARCHAR AS roles" if entity == "users" else ""
        duck.execute(
            f"CREATE OR REPLACE VIEW record.{entity} AS SELECT *{roles} "
            f"FROM base.{entity} WHERE false"
        )


def _judged(
    duck: duckdb.DuckDBPyConnection,
    request: PlanRequest,
    folder: RunFolder,
    *,
    run_id: str,
    now: dt.datetime,
) -> RosterPlan:
    """Count and judge what `changes.*` hold; store the plan."""
    nothing = (
        "(SELECT NULL::VARCHAR AS entity, NULL::VARCHAR AS external_id, "
        "NULL::VARCHAR AS roles, NULL::VARCHAR AS role WHERE false)"
    )
    source = RecordSource(
        request.district, request.provider, dict.fromkeys(ENTITIES, nothing), ""
    )
    compared = Comparison(duck, source, nothing, _no_values, folder.path)
    return judge_and_store(
        compared,
        request,
        folder,
        run_id=run_id,
        now=now,
        roster=None,
        # Nothing is sent in an undo: that an entity comes back empty means nothing.
        deltas=tuple(ENTITIES),
    )


def _no_values(duck: duckdb.DuckDBPyConnection, entity: str, ids_sql: str) -> None:
    """The reverse of a change has its own field names."""


def apply_undo(
    connection: sa.Connection,
    duck: duckdb.DuckDBPyConnection,
    plan: RosterPlan,
    *,
    run_id: str,
    now: dt.datetime,
    actor: Actor,
) -> ApplyResult:
    """Apply a planned undo that passed the guard; the caller commits.

    Recorded as a run of its own with its own history.
    Raises: FatalError if the roster moved since the plan was made.
    """
    text = (plan.folder / UNDO_FILE).read_text(encoding="utf-8")
    undone = str(json.loads(text)["undoes_run"])
    whose = {"district": plan.district, "provider": plan.provider, "run_id": run_id}
    writer = Writer(connection, duck, **whose, now=now)
    open_run(connection, **whose, now=now, actor=actor, kind="undo", undoes_run=undone)
    refuse_moved(connection, plan)
    changed = 0
    with private_errors(writer):
        for entity in plan.entities:
            changes = parquet(plan.changes_file(entity))
            changed += put_back(writer, entity, undone, changes)
    stats = statistics(plan.counts)
    action = f"undo of run {undone}"
    revision = finish(writer, plan, "SUCCESS", stats, changed, actor=actor, why=action)
    return ApplyResult("SUCCESS", stats, changed, 0, revision)
