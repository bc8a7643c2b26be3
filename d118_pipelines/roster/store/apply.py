"""Applying a plan: all of it in the caller's transaction, or nothing.

Called by `workflows/providers/sync.py`: the order of the steps, the revision, the run's
row. One entity is written in `write_records.py`, `write_links.py` and `child_rows.py`;
values of people come from the staged roster, what happens to them from the plan. Rule:
docs/reference/roster_database.md.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa

from d118_pipelines.errors import ConnectionLostError, FatalError
from d118_pipelines.kernel.frames import parquet
from d118_pipelines.kernel.outages import outage_of
from d118_pipelines.roster.model.tables import roster_revision
from d118_pipelines.roster.planning.plan_counts import Counts
from d118_pipelines.roster.planning.record_views import (
    MATCHED,
    RecordSource,
    make_record_views,
    record_select,
    record_source,
)
from d118_pipelines.roster.store.child_rows import child_tables, write_children
from d118_pipelines.roster.store.runs import Actor, close_run, open_run
from d118_pipelines.roster.store.write_links import (
    keep_absences,
    name_people,
    open_conflicts,
    write_links,
)
from d118_pipelines.roster.store.write_records import (
    Writer,
    create_records,
    field_columns,
    fill_entity,
    finish_entity,
    index_incoming,
    is_empty,
    refresh_statistics,
    start_entity,
    store_sql,
    write_history,
    write_records,
)
from d118_pipelines.state import audit
from d118_pipelines.state.bulk import append_frame

if TYPE_CHECKING:
    import duckdb

    from d118_pipelines.roster.planning.plan import RosterPlan

OnStep = Callable[[str], None]
Status = Literal["SUCCESS", "PARTIAL"]
MANY_ROWS = 10_000
SHOWN_NAMES = {"orgs": "schools"}
_WRITES = "action IN ('update', 'reactivate', 'link') AND NOT keeps_fields"


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """The result of a plan. `revision` is the roster's after it.

    stats: entity -> counts, with `roles` where the entity has them. changed: records
    and links that changed. new_conflicts: cases opened.
    """

    status: Status
    stats: Mapping[str, Mapping[str, Any]]
    changed: int
    new_conflicts: int
    revision: int


def no_step(name: str) -> None:
    """Nobody watches."""


def apply_plan(
    connection: sa.Connection,
    duck: duckdb.DuckDBPyConnection,
    plan: RosterPlan,
    staged: Path,
    *,
    run_id: str,
    now: dt.datetime,
    actor: Actor,
    on_step: OnStep = no_step,
) -> ApplyResult:
    """Apply a plan that passed the guard; the caller commits.

    connection: of `Database.transaction()`. staged: the folder the plan was made from.
    Closes the run's row. An empty plan writes that row and nothing else. Raises:
    FatalError if the roster moved since the plan was made, the run has ended, or the
    database did otherwise than planned; nothing may be committed then.
    """
    whose = {"district": plan.district, "provider": plan.provider}
    writer = Writer(connection, duck, **whose, run_id=run_id, now=now)
    open_run(connection, **whose, run_id=run_id, now=now, actor=actor)
    refuse_moved(connection, plan)
    source = record_source(staged, **whose, plan_folder=plan.folder)
    make_record_views(duck, source)
    changed, cases = 0, 0
    with private_errors(writer):
        for entity in plan.entities:
            done = _apply_entity(writer, plan, source, staged, entity, on_step)
            changed, cases = changed + done[0], cases + done[1]
    status: Status = "PARTIAL" if _is_partial(plan.counts) else "SUCCESS"
    stats = statistics(plan.counts)
    revision = finish(writer, plan, status, stats, changed, actor=actor)
    on_step("closed")
    return ApplyResult(status, stats, changed, cases, revision)


def baseline_revision(connection: sa.Connection, district: str) -> int:
    """How often the district's roster has changed; 0 before the first time."""
    c = roster_revision.c
    query = sa.select(c.revision).where(c.district_id == district)
    return int(connection.execute(query).scalar() or 0)


def refuse_moved(connection: sa.Connection, plan: RosterPlan) -> None:
    """Raises: FatalError if the roster is not the one that the plan was made for."""
    found = baseline_revision(connection, plan.district)
    if found != plan.revision:
        raise FatalError(
            f"FAILED plan.overtaken  {plan.provider}: the plan {plan.hash[:8]} was made "
            f"for revision {plan.revision} of the roster, which is now at {found}.",
            rule="A plan applies only to the roster that it was compared with.",
            not_done="Nothing was changed.",
            next_step=f"Make a new plan: d118 run {plan.provider}",
        )


def _apply_entity(
    writer: Writer,
    plan: RosterPlan,
    source: RecordSource,
    staged: Path,
    entity: str,
    on_step: OnStep,
) -> tuple[int, int]:
    """Apply one entity's changes; how many records and links changed, and new cases."""
    changes = parquet(plan.changes_file(entity))
    query = store_sql("planned", changes=changes, writes=_WRITES)
    planned = _Planned(*writer.duck.execute(query).fetchall()[0])
    changed, cases = 0, 0
    if planned.total:
        start_entity(writer, entity)
        records = _records(source, entity, changes)
        _change_records(writer, entity, changes, records, planned, on_step)
        finish_entity(writer)
        changed = planned.total
    if planned.conflicts and entity in MATCHED:
        cases = open_conflicts(writer, entity, changes)
    present = _present(staged, source, entity)
    changed += keep_absences(
        writer, entity, changes, present, is_news=planned.absent_once > 0
    )
    on_step(f"{entity}: done")
    return changed, cases


@dataclass(frozen=True, slots=True)
class _Planned:
    """How many rows of a plan there are to act on, and of some kinds of them."""

    total: int
    created: int
    written: int
    deactivated: int
    conflicts: int
    absent_once: int


def _records(source: RecordSource, entity: str, changes: str) -> str:
    """Values of the records to write; the filter comes before ids and hashes are made."""
    wanted = f"SELECT external_id FROM {changes} WHERE action = 'create' OR {_WRITES}"
    rows = f"(SELECT * FROM {source.staged[entity]} WHERE external_id IN ({wanted}))"
    return record_select(source.with_rows(entity, rows), entity)


def _present(staged: Path, source: RecordSource, entity: str) -> str:
    """The external ids of all rows that were sent."""
    return (
        f"(SELECT external_id FROM {source.staged[entity]} UNION ALL SELECT external_id "
        f"FROM {parquet(staged / 'rejected.parquet')} WHERE entity = '{entity}')"
    )


def _change_records(
    writer: Writer,
    entity: str,
    changes: str,
    records: str,
    planned: _Planned,
    on_step: OnStep,
) -> None:
    is_first_load = planned.total == planned.created and is_empty(writer, entity)
    if is_first_load:
        fill_entity(writer, entity, records)
    else:
        _load_changes(writer, entity, changes, records)
        on_step(f"{entity}: loaded")
        write_history(writer, entity)
        done = (
            create_records(writer, entity),
            write_records(writer, entity),
            writer.run(store_sql("deactivate_records", entity=entity)),
        )
        writer.run(store_sql("reactivate_records", entity=entity))
        _compare(entity, done, planned)
    on_step(f"{entity}: written")
    if entity in MATCHED:
        write_links(writer, entity, is_first_load=is_first_load)
    if entity == "demographics":
        name_people(writer, is_first_load=is_first_load)
    write_children(writer, entity, is_first_load=is_first_load)
    if planned.total >= MANY_ROWS:
        refresh_statistics(writer, entity, "external_ids", *child_tables(entity))


def _load_changes(writer: Writer, entity: str, changes: str, records: str) -> None:
    """Fill `plan_rows` and `incoming`."""
    connection, duck = writer.connection, writer.duck
    plan_rows = store_sql("plan_rows", changes=changes, writes=_WRITES)
    append_frame(connection, duck, plan_rows, "plan_rows")
    fields = ", ".join(field_columns(entity))
    incoming = store_sql("incoming", changes=changes, records=records, fields=fields)
    append_frame(connection, duck, incoming, "incoming")
    writer.run("UPDATE incoming SET provider_id = :provider")
    index_incoming(writer)


def _compare(entity: str, done: tuple[int, int, int], planned: _Planned) -> None:
    wanted = (planned.created, planned.written, planned.deactivated)
    if done != wanted:
        raise FatalError(
            f"The database created, wrote and deactivated {done} records of {entity}; "
            f"the plan has {wanted}.",
            rule="A plan is applied exactly, or not at all.",
            not_done="Nothing was changed.",
            next_step="Make a new plan; if it happens again, report it.",
        )


def finish(
    writer: Writer,
    plan: RosterPlan,
    status: str,
    stats: Mapping[str, Any],
    changed: int,
    *,
    actor: Actor,
    why: str = "",
) -> int:
    """Move the revision if anything changed, close the run; returns the revision.

    why: what the audit log has as the reason, where it is not a sync.
    """
    if changed:
        writer.run(store_sql("move_revision", now=writer.typed_now))
        audit.record(
            writer.connection,
            now=writer.now,
            actor=actor.triggered_by,
            action="roster changed",
            subject=plan.provider,
            detail=f"run {writer.run_id}, {changed} records",
            before=f"revision {plan.revision}",
            after=f"plan {plan.hash}",
            reason=why,
        )
    close_run(
        writer.connection,
        provider=plan.provider,
        run_id=writer.run_id,
        status=status,
        now=writer.now,
        stats=stats,
        plan_hash=plan.hash,
        changed=changed,
    )
    return baseline_revision(writer.connection, plan.district)


def statistics(counts: Mapping[str, Counts]) -> dict[str, dict[str, Any]]:
    """The plan's counts under the names of a run's statistics."""
    found: dict[str, dict[str, Any]] = {}
    for scope, values in sorted(counts.items()):
        entity, _, role = scope.partition("/")
        entry = found.setdefault(SHOWN_NAMES.get(entity, entity), {})
        if role:
            entry.setdefault("roles", {})[role] = values.as_dict()
        else:
            entry.update(values.as_dict())
    return found


def _is_partial(counts: Mapping[str, Counts]) -> bool:
    return any(c.errors + c.conflicts + c.withheld for c in counts.values())


@contextmanager
def private_errors(writer: Writer) -> Iterator[None]:
    """The database's own messages can quote values of people: they are not passed on."""
    dbapi: Any = writer.connection.dialect.dbapi
    try:
        yield
    except (sa.exc.DBAPIError, dbapi.Error) as exc:
        if named := outage_of(exc):
            raise named from None
        cause = getattr(exc, "orig", None) or exc
        is_lost = writer.is_postgres and bool(writer.connection.connection.closed)
        raise (ConnectionLostError if is_lost else FatalError)(
            f"The roster could not be written ({type(cause).__name__}).",
            rule="A plan is applied as a whole, or not at all.",
            not_done="Nothing was changed.",
            next_step="Check the state database (d118 doctor), then start again.",
        ) from None
