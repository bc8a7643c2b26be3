"""Runs of providers, and what becomes of them: `sis_sync_runs` and its mirror tables.

Called by `apply.py`, `undo.py` and `workflows/`. What a run changed is in
`roster_history`, which `write_records.py` writes. Rule:
docs/reference/roster_database.md.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from d118_pipelines.errors import ConfigurationError, FatalError
from d118_pipelines.roster.model.tables import (
    ENTITY_TABLES,
    external_ids,
    sis_providers,
    sis_sync_runs,
    sync_logs,
)

OPEN = ("PENDING", "IN_PROGRESS")
APPLIED = ("SUCCESS", "PARTIAL")
LARGEST_PAGE = 500


@dataclass(frozen=True, slots=True)
class Actor:
    """Who started a run: a schedule, a sensor, `ui`, or an account of the system."""

    triggered_by: str
    is_manual: bool = True


@dataclass(frozen=True, slots=True)
class Provider:
    """What the mirror `sis_providers` holds of an entry of config/providers.yaml."""

    id: str
    provider_type: str
    name: str
    enabled: bool
    sync_schedule: str | None
    priority: int
    entry_hash: str


def sync_run_id(run_id: str, provider: str) -> str:
    """The id of the row of one provider in one run."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{run_id}\n{provider}"))


def open_run(
    connection: sa.Connection,
    *,
    district: str,
    provider: str,
    run_id: str,
    now: dt.datetime,
    actor: Actor,
    kind: str = "sync",
    status: str = "IN_PROGRESS",
    undoes_run: str | None = None,
) -> str:
    """Make the row of a run, or move it from PENDING to `status`; returns its id.

    Raises: FatalError if it has ended already: a cancelled run does not go on.
    """
    row_id = sync_run_id(run_id, provider)
    c = sis_sync_runs.c
    if refuse_ended(connection, provider=provider, run_id=run_id) is not None:
        connection.execute(
            sis_sync_runs.update().where(c.id == row_id).values(status=status)
        )
        return row_id
    connection.execute(
        sis_sync_runs.insert().values(
            id=row_id,
            district_id=district,
            provider_id=provider,
            run_id=run_id,
            kind=kind,
            status=status,
            started_at=now,
            is_manual=actor.is_manual,
            triggered_by=actor.triggered_by,
            changed=0,
            undoes_run=undoes_run,
        )
    )
    said = {"level": "INFO", "message": f"The {kind} has begun."}
    add_logs(connection, district=district, job_id=row_id, now=now, rows=[said])
    return row_id


def refuse_ended(
    connection: sa.Connection, *, provider: str, run_id: str
) -> str | None:
    """The status of a run that is open; None if it has no row.

    Raises: FatalError if it has ended.
    """
    c = sis_sync_runs.c
    row_id = sync_run_id(run_id, provider)
    found = connection.execute(sa.select(c.status).where(c.id == row_id)).scalar()
    if found is not None and found not in OPEN:
        raise FatalError(
            f"The run of {provider} has already ended as {found}.",
            rule="A run that has ended stays as it ended.",
            not_done="Nothing was changed.",
            next_step=f"Start a new one: d118 run {provider}",
        )
    return found


def stats_total(stats: Mapping[str, Mapping[str, int]], *names: str) -> int:
    """The sum of counts over all entities of a run's statistics (`stats_json`).

    Roles of users, as `users/students`, are counted once.
    """
    counts = (one for entity, one in stats.items() if "/" not in entity)
    return sum(int(one.get(name, 0)) for one in counts for name in names)


def close_run(
    connection: sa.Connection,
    *,
    provider: str,
    run_id: str,
    status: str,
    now: dt.datetime,
    stats: Mapping[str, Any] | None = None,
    error: str | None = None,
    plan_hash: str | None = None,
    changed: int = 0,
) -> bool:
    """End a run; returns whether it was still open. Final statuses never change."""
    c = sis_sync_runs.c
    closed = connection.execute(
        sis_sync_runs.update()
        .where(c.id == sync_run_id(run_id, provider), c.status.in_(OPEN))
        .values(
            status=status,
            completed_at=now,
            stats_json=json.dumps(stats) if stats is not None else None,
            error_message=error,
            plan_hash=plan_hash,
            changed=changed,
        )
    )
    if closed.rowcount:
        _log_end(connection, sync_run_id(run_id, provider), now)
    if closed.rowcount and status in APPLIED:
        connection.execute(
            sis_providers.update()
            .where(sis_providers.c.id == provider)
            .values(last_sync_at=now)
        )
    return bool(closed.rowcount)


def _log_end(connection: sa.Connection, row_id: str, now: dt.datetime) -> None:
    c = sis_sync_runs.c
    row = connection.execute(sa.select(sis_sync_runs).where(c.id == row_id)).one()
    levels = {"FAILURE": "ERROR", "HELD": "WARNING", "CANCELLED": "WARNING"}
    said = {
        "level": levels.get(row.status, "INFO"),
        "message": f"{row.status}: {row.error_message or f'{row.changed} changes.'}",
        "details": {"plan": row.plan_hash},
    }
    add_logs(connection, district=row.district_id, job_id=row_id, now=now, rows=[said])


def close_open_runs(
    connection: sa.Connection,
    *,
    provider: str,
    now: dt.datetime,
    error: str,
    but: str = "",
) -> int:
    """Fail every open run of a provider except `but`; the caller knows that none is active."""
    c = sis_sync_runs.c
    closed = connection.execute(
        sis_sync_runs.update()
        .where(c.provider_id == provider, c.status.in_(OPEN), c.run_id != but)
        .values(status="FAILURE", completed_at=now, error_message=error)
    )
    return int(closed.rowcount)


def recent_runs(
    connection: sa.Connection, provider: str, *, limit: int = 20, offset: int = 0
) -> tuple[Sequence[sa.RowMapping], int]:
    """A page of a provider's runs, newest first, and how many there are in all."""
    c = sis_sync_runs.c
    of_provider = c.provider_id == provider
    rows = connection.execute(
        sa.select(sis_sync_runs)
        .where(of_provider)
        .order_by(c.number.desc())
        .limit(min(limit, LARGEST_PAGE))
        .offset(offset)
    )
    total = connection.execute(
        sa.select(sa.func.count()).select_from(sis_sync_runs).where(of_provider)
    ).scalar_one()
    return rows.mappings().all(), int(total)


def last_change(connection: sa.Connection, provider: str) -> sa.RowMapping | None:
    """The run that changed the provider's roster last, a sync or an undo."""
    c = sis_sync_runs.c
    return (
        connection.execute(
            sa.select(sis_sync_runs)
            .where(c.provider_id == provider, c.status.in_(APPLIED), c.changed > 0)
            .order_by(c.number.desc())
            .limit(1)
        )
        .mappings()
        .first()
    )


def mirror_providers(
    connection: sa.Connection,
    district: str,
    providers: Iterable[Provider],
    keep: Collection[str] = (),
) -> None:
    """Write the entries of config/providers.yaml; rows of removed ones stay, disabled.

    keep: ids of entries that cannot be read; their rows stay as they are.

    Nothing is written for an entry that has not changed.
    Raises: ConfigurationError if another district of this database has an entry's id.
    """
    c = sis_providers.c
    providers = list(providers)
    ids = [entry.id for entry in providers]
    taken = connection.execute(
        sa.select(c.id, c.tenant_id).where(c.id.in_(ids), c.tenant_id != district)
    ).first()
    if taken is not None:
        raise ConfigurationError(
            f"The provider {taken.id} is of the district {taken.tenant_id} already.",
            rule="Districts that share a database give their providers different ids.",
            not_done="Nothing was started.",
            next_step="Change the id in config/providers.yaml, or set DATABASE_URL.",
        )
    kept = {
        row.id: row
        for row in connection.execute(
            sa.select(sis_providers).where(c.tenant_id == district)
        )
    }
    for entry in providers:
        values = {name: getattr(entry, name) for name in Provider.__slots__}
        old = kept.pop(entry.id, None)
        if old is None:
            connection.execute(
                sis_providers.insert().values(tenant_id=district, **values)
            )
        elif any(getattr(old, name) != value for name, value in values.items()):
            connection.execute(
                sis_providers.update().where(c.id == entry.id).values(**values)
            )
    removed = [i for i, row in kept.items() if row.enabled and i not in keep]
    if removed:
        connection.execute(
            sis_providers.update().where(c.id.in_(removed)).values(enabled=False)
        )


def add_logs(
    connection: sa.Connection,
    *,
    district: str,
    job_id: str,
    now: dt.datetime,
    rows: Iterable[Mapping[str, Any]],
) -> None:
    """Append to the sync log: level, message, details, record_type, record_id, external_id.

    All rows of one call have the same keys.
    Rows hold codes, files, lines and ids; never a personal value.
    """
    common = {"district_id": district, "sync_job_id": job_id, "timestamp": now}
    values = [
        {**common, **row, "details": json.dumps(row.get("details"))} for row in rows
    ]
    if values:
        connection.execute(sync_logs.insert(), values)


def name_records(
    connection: sa.Connection, provider: str, rows: Iterable[dict[str, Any]]
) -> None:
    """Set `record_id` of log rows whose record is in the roster already."""
    wanted: dict[str, set[str]] = {}
    for row in rows:
        if row["external_id"] and row["record_type"] in ENTITY_TABLES:
            wanted.setdefault(row["record_type"], set()).add(row["external_id"])
    known: dict[tuple[str, str], str] = {}
    for entity, keys in wanted.items():
        t = ENTITY_TABLES[entity].c
        found = sa.select(t.external_id, sa.cast(t.id, sa.Text)).where(
            t.provider_id == provider, t.external_id.in_(keys)
        )
        x = external_ids.c
        linked = sa.select(x.external_id, sa.cast(x.internal_id, sa.Text)).where(
            x.provider_id == provider, x.entity == entity, x.external_id.in_(keys)
        )
        for query in (found, linked):
            known |= {(entity, k): v for k, v in connection.execute(query)}
    for row in rows:
        row["record_id"] = known.get((row["record_type"], row["external_id"]))


def logged_codes(connection: sa.Connection, job_id: str) -> list[tuple[str, str, int]]:
    """What a run logged about its records: code, level and how many; most first."""
    c = sync_logs.c
    rows = connection.execute(
        sa.select(c.message, c.level, c.details).where(
            c.sync_job_id == job_id, c.record_type.is_not(None)
        )
    )
    counted: dict[tuple[str, str], int] = {}
    for code, level, details in rows:
        number = int((json.loads(details or "null") or {}).get("rows", 1))
        counted[code, level] = counted.get((code, level), 0) + number
    return sorted(
        ((code, level, n) for (code, level), n in counted.items()),
        key=lambda row: (-row[2], row[0]),
    )
