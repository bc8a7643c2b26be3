"""The ledger: who was sent to a destination, and the add/change column that follows.

Called by the deliveries, which commit it once they were read back, and by `build.py`,
which gives a target's SQL its relations. Rule: docs/reference/smartfind_express.md,
"Add or change".
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.sql_text import literal, statement
from d118_pipelines.state import audit
from d118_pipelines.state import database as db
from d118_pipelines.state.bulk import load_rows
from d118_pipelines.targets.model import Ledger, TargetFile
from d118_pipelines.targets.workbench import Workbench

if TYPE_CHECKING:
    from sqlalchemy.dialects.postgresql import Insert

# A day in which the clocks go back.
LONGEST_CYCLE = dt.timedelta(hours=25)
LEDGER_COLUMNS = {
    "record_type": "VARCHAR",
    "key": "VARCHAR",
    "identity": "VARCHAR",
    "state": "VARCHAR",
    "known": "BOOLEAN",
    "in_last_delivery": "BOOLEAN",
    "last_line": "VARCHAR",
    "last_delivered_at": "TIMESTAMP",
}


@dataclass(frozen=True, slots=True)
class Baseline:
    """The last verified delivery to a destination; `folder` is below `D118_HOME`."""

    delivery: str
    folder: str
    finished_at: dt.datetime


@dataclass(frozen=True, slots=True)
class LedgerSnapshot:
    """What is known about one target at one destination, read in one transaction.

    entries: rows of `LEDGER_COLUMNS` and the number of the last delivery, as the
    vendor's last import left them.
    seed: the imported watermark, or None. is_seed_fresh: nothing was verified between
    its import and the start of this import cycle. is_empty: nothing was ever delivered.
    """

    entries: Sequence[Sequence[Any]]
    seed: int | None
    is_seed_fresh: bool
    baseline: Baseline | None

    @property
    def is_empty(self) -> bool:
        """Whether neither a delivery nor a seed says who is known to the vendor."""
        return not self.entries and self.seed is None


def cycle_start(ledger: Ledger, now: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    """When the vendor's import cycle began: midnight in the zone, or now."""
    if ledger.cycle == "run":
        return now
    local = now.astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return midnight.astimezone(dt.UTC)


def last_verified(
    connection: sa.Connection, target: str, destination: str
) -> Baseline | None:
    """The last verified delivery, or None before the first."""
    t = db.deliveries.c
    row = connection.execute(
        sa.select(t.id, t.folder, t.finished_at)
        .where(
            t.target == target,
            t.destination == destination,
            t.status.in_(db.COUNTS),
        )
        .order_by(t.number.desc())
        .limit(1)
    ).first()
    return Baseline(row.id, row.folder, row.finished_at) if row else None


def read_snapshot(
    connection: sa.Connection, target: str, destination: str, *, since: dt.datetime
) -> LedgerSnapshot:
    """Read ledger, seed and baseline as they were at `since`, the cycle's start."""
    e, d, s = db.delivery_ledger.c, db.deliveries.c, db.ledger_seeds.c
    baseline = last_verified(connection, target, destination)
    last = baseline.delivery if baseline else None
    # Later than any cycle lasts: written while a clock was ahead, and long known.
    until = since + LONGEST_CYCLE
    entries = connection.execute(
        sa.select(
            e.record_type,
            e.key,
            e.identity,
            sa.case((e.state_at.between(since, until), "active"), else_=e.state),
            # What went out as a change at first was there before this cycle.
            sa.or_(
                sa.not_(e.first_delivered_at.between(since, until)), e.origin == "seed"
            ),
            e.last_delivery == last,
            e.last_line,
            # As the database keeps it: DuckDB reads that faster than Python.
            sa.type_coerce(e.last_delivered_at, sa.types.NullType()),
            d.number,
        )
        .join(db.deliveries, d.id == e.last_delivery, isouter=True)
        .where(e.target == target, e.destination == destination)
        .order_by(e.record_type, e.key, e.identity)
    ).all()
    seed = connection.execute(
        sa.select(s.newest_dcid, s.imported_at).where(
            s.target == target, s.destination == destination
        )
    ).first()
    delivered_since_seed = seed is not None and connection.scalar(
        sa.select(sa.func.count())
        .select_from(db.deliveries)
        .where(
            d.target == target,
            d.destination == destination,
            d.status.in_(db.COUNTS),
            d.finished_at >= seed.imported_at,
            d.finished_at < since,
        )
    )
    return LedgerSnapshot(
        entries=entries,
        seed=seed.newest_dcid if seed else None,
        is_seed_fresh=seed is not None and not delivered_since_seed,
        baseline=baseline,
    )


def load_ledger(bench: Workbench, snapshot: LedgerSnapshot, ledger: Ledger) -> None:
    """Make `ledger`, `ledger_seed` and the macro `ledger_command` in the workbench.

    ledger: the entries, and is_current for the key that was last sent under its
    identity, whoever had it before. ledger_command(record_type, key, identity): the
    change command where the vendor knows the identity (whoever had it), the add command
    where the key was sent under another one, else what the seed says, else the add
    command.
    """
    kinds = {**LEDGER_COLUMNS, "number": "BIGINT"}
    bench.add_rows("entries", kinds, snapshot.entries)
    seed = [] if snapshot.seed is None else [(snapshot.seed, snapshot.is_seed_fresh)]
    bench.add_rows(
        "ledger_seed", {"newest_dcid": "BIGINT", "is_first": "BOOLEAN"}, seed
    )
    once = "[" + ", ".join(map(literal, ledger.seed_once)) + "]::VARCHAR[]"
    exempt = "[" + ", ".join(map(str, ledger.seed_except)) + "]::BIGINT[]"
    counts = "true" if snapshot.is_seed_fresh else f"NOT list_contains({once}, kind)"
    bench.connection.execute(
        statement(
            "targets/ledger.load",
            add=ledger.add,
            change=ledger.change,
            newest=str(-1 if snapshot.seed is None else snapshot.seed),
            counts=counts,
            exempt=exempt,
        )
    )


def commit_entries(
    connection: sa.Connection,
    *,
    target: str,
    destination: str,
    delivery: str,
    now: dt.datetime,
    ledger: Ledger,
    records: Iterable[tuple[TargetFile, Mapping[str, Any]]],
) -> int:
    """Write the entries of a verified delivery; returns how many.

    records: pairs of the file and a finished row (_key, _identity, _state, _hash, _line
    and the command column). First times and origins of known entries stay.
    """
    rows = []
    for file, row in records:
        command = row[file.command] if file.command else None
        rows.append(
            (
                file.record_type,
                row["_key"],
                row["_identity"],
                row["_state"],
                "seed" if command == ledger.change else "delivery",
                command,
                row["_hash"],
                row["_line"] if file.keep_line else None,
            )
        )
    load_rows(connection, _incoming, rows)
    known = {"target": target, "destination": destination, "last_delivery": delivery}
    times = ("state_at", "first_delivered_at", "last_delivered_at")
    constants = {
        **{name: sa.literal(value) for name, value in known.items()},
        **{name: sa.literal(now, db.UtcDateTime) for name in times},
    }
    statement = inserting(db.delivery_ledger).from_select(
        [*constants, *(column.name for column in _incoming.c)],
        # The WHERE keeps SQLite from reading ON CONFLICT as part of a join.
        sa.select(*[*constants.values(), *_incoming.c]).where(sa.true()),
    )
    connection.execute(updating_known(statement))
    _incoming.drop(connection)
    return len(rows)


def inserting(table: sa.Table) -> Insert:
    """An INSERT that can say what is done on a conflict; SQLite compiles it too."""
    from sqlalchemy.dialects.postgresql import insert  # heavy: with drivers' dialects

    return insert(table)


def updating_known(statement: Insert) -> Insert:
    """An insert of ledger entries that updates known ones; their first times stay."""
    new, old = statement.excluded, db.delivery_ledger.c
    moved = ("state", "command", "last_delivered_at", "last_delivery", "last_hash")
    changes: dict[str, Any] = {name: new[name] for name in (*moved, "last_line")}
    changes["state_at"] = sa.case(
        (old.state != new.state, new.state_at), else_=old.state_at
    )
    keys = ["target", "destination", "record_type", "key", "identity"]
    return statement.on_conflict_do_update(index_elements=keys, set_=changes)


# What a delivery brings, on its way into the ledger in one statement.
_incoming = sa.Table(
    "incoming",
    sa.MetaData(),
    *db.columns(
        "record_type key identity state origin command last_hash last_line",
        nullable=True,
    ),
    prefixes=["TEMPORARY"],
)


def import_seed(
    connection: sa.Connection,
    *,
    target: str,
    destination: str,
    newest_dcid: int,
    now: dt.datetime,
    account: str,
) -> None:
    """Store the watermark; a later import replaces it."""
    values = {"newest_dcid": newest_dcid, "imported_at": now, "imported_by": account}
    connection.execute(
        inserting(db.ledger_seeds)
        .values(target=target, destination=destination, **values)
        .on_conflict_do_update(index_elements=["target", "destination"], set_=values)
    )
    audit.record(
        connection,
        now=now,
        actor=account,
        action="ledger seed",
        subject=target,
        detail=f"newest DCID {newest_dcid}",
    )


def remove_entry(
    connection: sa.Connection,
    *,
    target: str,
    destination: str,
    record_type: str,
    key: str,
    now: dt.datetime,
    account: str,
    identity: str | None = None,
) -> None:
    """Forget a record that somebody removed at the vendor.

    identity: which one, for a person who was sent under several.
    Raises: ConfigurationError if the ledger has no such record, or several.
    """
    c = db.delivery_ledger.c
    mine = [c.target == target, c.destination == destination]
    mine += [c.record_type == record_type, c.key == key]
    if identity is not None:
        mine.append(c.identity == identity)
    found = connection.scalars(
        sa.select(c.identity).where(*mine).order_by(c.identity)
    ).all()
    if not found:
        raise ConfigurationError(
            f"The ledger of {target} has no record {record_type} {key}.",
            not_done="Nothing was removed.",
            next_step=f"See what was sent: d118 explain {target} {key.split('/')[0]}",
        )
    if len(found) > 1:
        raise ConfigurationError(
            f"{record_type} {key} was sent to {target} as {' and as '.join(found)}.",
            rule="One record is removed at a time.",
            not_done="Nothing was removed.",
            next_step=f"Say which: d118 ledger remove {target} {record_type} {key} "
            f"--identity {found[0]}",
        )
    connection.execute(db.delivery_ledger.delete().where(*mine))
    audit.record(
        connection,
        now=now,
        actor=account,
        action="ledger remove",
        subject=target,
        detail=f"{record_type} {key} {found[0]}",
    )


def parse_watermark(text: str) -> int:
    """The number in a NewestDCID.txt: an integer of up to 18 digits on the first line.

    Raises: ValueError for anything else.
    """
    first = text.splitlines()[0].strip() if text.strip() else ""
    if not (first.isascii() and first.isdigit() and len(first) <= 18):
        raise ValueError("the first line is not a whole number")
    return int(first)
