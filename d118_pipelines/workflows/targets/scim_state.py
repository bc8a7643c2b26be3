"""What is known about users at a service provider: their status, and what it confirmed.

Called by `scim.py` and `d118 status --scim`. The ledger has one entry per confirmed
user: key the internal id, identity the provider's id, last_line the row as JSON. Rule:
docs/reference/scim.md.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from d118_pipelines.delivery.scim.changes import ScimOutcome
from d118_pipelines.delivery.scim.resource import Row
from d118_pipelines.kernel.frames import open_frames
from d118_pipelines.kernel.sql_text import identifier, literal
from d118_pipelines.roster.model.tables import ENTITY_TABLES
from d118_pipelines.state import database as db
from d118_pipelines.state.arrow import arrow_reading
from d118_pipelines.targets.ledger import Baseline, inserting, updating_known
from d118_pipelines.targets.model import TargetFile

# Statuses of users without a good answer.
UNSETTLED = ("PENDING", "FAILED")
NO_ANSWER = "sent, no answer yet"
_OWN_COLUMNS = ("scim_status", "scim_id", "scim_error", "scim_last_sync")
_users = ENTITY_TABLES["users"]
_ledger = db.delivery_ledger


@dataclass(frozen=True, slots=True)
class Confirmed:
    """One user as the provider last confirmed it."""

    scim_id: str
    is_active: bool
    row: Row


@dataclass(frozen=True, slots=True)
class Place:
    """Where entries belong: the target's file of users at one destination."""

    target: str
    destination: str
    record_type: str

    def entries(self) -> list[sa.ColumnElement[bool]]:
        """The condition on the ledger."""
        c = _ledger.c
        return [
            c.target == self.target,
            c.destination == self.destination,
            c.record_type == self.record_type,
        ]


def last_confirmed(connection: sa.Connection, place: Place) -> Baseline | None:
    """The delivery that confirmed a user last, finished or not; None before any.

    Users are confirmed one by one, so this and no whole delivery is what a plan is
    compared with. It has no folder; `write_confirmed` fills one.
    """
    c = _ledger.c
    row = connection.execute(
        sa.select(c.last_delivery, c.last_delivered_at)
        .join(db.deliveries, db.deliveries.c.id == c.last_delivery)
        .where(*place.entries())
        .order_by(db.deliveries.c.number.desc(), c.last_delivered_at.desc())
        .limit(1)
    ).first()
    return Baseline(row.last_delivery, "", row.last_delivered_at) if row else None


def write_confirmed(
    database: db.Database, place: Place, file: TargetFile, folder: Path
) -> None:
    """Write the active users as the engine keeps a delivered file: `<file>.parquet`."""
    raw = folder / ".confirmed"
    values = {
        "target": place.target,
        "destination": place.destination,
        "kind": place.record_type,
    }
    paths = {column.header: f'$."{column.header}"' for column in file.columns}
    columns = ", ".join(
        f"json_extract_string(last_line, {literal(path)}) AS {identifier(name)}"
        for name, path in paths.items()
    )
    with closing(open_frames(temp_folder=folder)) as duck:
        with arrow_reading(database) as reader:
            reader.parquet(
                duck,
                "SELECT key, last_hash, last_line FROM delivery_ledger WHERE "
                "target = :target AND destination = :destination AND record_type = :kind "
                "AND state = 'active'",
                values,
                raw,
                dict.fromkeys(("key", "last_hash", "last_line"), "VARCHAR"),
            )
        kept = folder / f"{file.name}.parquet"
        kept.touch(mode=0o600)
        duck.execute(
            f"COPY (SELECT key AS _key, key AS _identity, last_hash AS _hash, {columns} "
            f"FROM read_parquet({literal(raw)})) TO {literal(kept)} (FORMAT parquet)"
        )


def confirmed_users(connection: sa.Connection, place: Place) -> dict[str, Confirmed]:
    """Internal id -> what the provider confirmed last, deactivated users included."""
    c = _ledger.c
    rows = connection.execute(
        sa.select(c.key, c.identity, c.state, c.last_line).where(*place.entries())
    )
    return {
        key: Confirmed(identity, state == "active", json.loads(line))
        for key, identity, state, line in rows
    }


def unsettled_users(connection: sa.Connection, district: str) -> dict[str, bool]:
    """Internal ids of users without a good answer, and whether they were ever sent.

    What was sent may have reached the provider unnoticed.
    """
    c = _users.c
    rows = connection.execute(
        sa.select(sa.cast(c.id, sa.Text), c.scim_error.is_not(None)).where(
            c.district_id == district, c.scim_status.in_(UNSETTLED)
        )
    )
    return {key: bool(was_sent) for key, was_sent in rows}


def mark_pending(connection: sa.Connection, keys: Iterable[str]) -> None:
    """Say that these users are about to be sent; what was known of them stays."""
    _mark(connection, keys, {"scim_status": "PENDING"})


def mark_sent(connection: sa.Connection, keys: Iterable[str]) -> None:
    """Say that a request for these users goes out now."""
    _mark(connection, keys, {"scim_error": NO_ANSWER})


def _mark(
    connection: sa.Connection, keys: Iterable[str], values: Mapping[str, str]
) -> None:
    statement = _users.update().where(_users.c.id == sa.bindparam("of_user"))
    found = [{"of_user": key} for key in sorted(keys)]
    if found:
        connection.execute(statement.values(values), found)


def record_outcomes(
    connection: sa.Connection,
    place: Place,
    outcomes: Sequence[ScimOutcome],
    rows: Mapping[str, Mapping[str, Any]],
    *,
    delivery: str,
    now: dt.datetime,
) -> None:
    """Write what became of users: their own columns, and the ledger.

    rows: internal id -> row as sent (its columns, and `_hash`); a user without one was
    never confirmed before and is not to be there.
    """
    connection.execute(
        _users.update()
        .where(_users.c.id == sa.bindparam("of_user"))
        .values({name: sa.bindparam(f"new_{name}") for name in _OWN_COLUMNS}),
        [
            {
                "of_user": outcome.key,
                "new_scim_status": outcome.status.upper(),
                "new_scim_id": outcome.scim_id,
                "new_scim_error": outcome.error or None,
                "new_scim_last_sync": now,
            }
            for outcome in outcomes
        ],
    )
    # Also an entry under a former id of the provider.
    stale = [o for o in outcomes if o.scim_id is None or o.status in _CONFIRMED]
    _forget(connection, place, stale)
    entries = [
        {
            "target": place.target,
            "destination": place.destination,
            "record_type": place.record_type,
            "key": outcome.key,
            "identity": outcome.scim_id,
            "state": _CONFIRMED[outcome.status],
            "origin": "delivery",
            "last_delivery": delivery,
            "last_hash": rows.get(outcome.key, _NOBODY)["_hash"],
            "last_line": _line(rows.get(outcome.key, _NOBODY)),
            **dict.fromkeys(_TIMES, now),
        }
        for outcome in outcomes
        if outcome.scim_id is not None and outcome.status in _CONFIRMED
    ]
    if entries:
        connection.execute(updating_known(inserting(_ledger)), entries)


def scim_counts(connection: sa.Connection, district: str) -> dict[str, Any]:
    """Users of the district by status, and the time of the last answer.

    total: those in scope, which are provisioned, pending or failed.
    """
    c = _users.c
    counted: dict[str, int] = {}
    last: dt.datetime | None = None
    for status, number, at in connection.execute(
        sa.select(c.scim_status, sa.func.count(), sa.func.max(c.scim_last_sync))
        .where(c.district_id == district, c.scim_status.is_not(None))
        .group_by(c.scim_status)
    ):
        counted[status] = number
        last = max(filter(None, (last, at)), default=None)
    provisioned = counted.get("PROVISIONED", 0) + counted.get("UPDATED", 0)
    pending, failed = counted.get("PENDING", 0), counted.get("FAILED", 0)
    return {
        "total": provisioned + pending + failed,
        "provisioned": provisioned,
        "pending": pending,
        "failed": failed,
        "deleted": counted.get("DELETED", 0),
        "last_sync": last,
    }


_CONFIRMED = {"provisioned": "active", "updated": "active", "deleted": "deactivated"}
_NOBODY = {"_hash": "", "active": "false"}
_TIMES = ("state_at", "first_delivered_at", "last_delivered_at")


def _forget(
    connection: sa.Connection, place: Place, outcomes: Iterable[ScimOutcome]
) -> None:
    """Remove the entries of users that have another id by now, or none."""
    statement = _ledger.delete().where(
        *place.entries(),
        _ledger.c.key == sa.bindparam("of_user"),
        _ledger.c.identity != sa.bindparam("new_id"),
    )
    found = [{"of_user": o.key, "new_id": o.scim_id or ""} for o in outcomes]
    if found:
        connection.execute(statement, found)


def _line(row: Mapping[str, Any]) -> str:
    """The columns that have a value, without those of the engine, as JSON."""
    filled = {name: v for name, v in row.items() if v and not name.startswith("_")}
    return json.dumps(filled, ensure_ascii=False)
