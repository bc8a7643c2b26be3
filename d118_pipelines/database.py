"""The state database: engine, transactions, tables.

Belongs here: what outlives a run (ledger, deliveries, plans, approvals, findings,
leases, audit). Not here: what the rows mean; each room reads and writes its own.
SQLite in WAL mode; every transaction begins IMMEDIATE, because a deferred one that reads
first cannot wait for another writer and fails.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from d118_pipelines.errors import FatalError


class UtcDateTime(sa.types.TypeDecorator[dt.datetime]):
    """An aware time, stored in UTC. A naive time is refused."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Any) -> Any:
        """Convert to UTC for the database."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        return value.astimezone(dt.UTC).replace(tzinfo=None)

    def process_result_value(self, value: dt.datetime | None, dialect: Any) -> Any:
        """Give back an aware UTC time."""
        return value.replace(tzinfo=dt.UTC) if value is not None else None


metadata = sa.MetaData()
Text, Integer, Time = sa.Text, sa.Integer, UtcDateTime

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("target", Text, nullable=False, index=True),
    sa.Column("destination", Text, nullable=False),
    sa.Column("status", Text, nullable=False),  # started, verified, failed, interrupted
    sa.Column("plan_hash", Text, nullable=False),
    sa.Column("run_id", Text, nullable=False),
    sa.Column("folder", Text, nullable=False),  # below D118_HOME
    sa.Column("files", sa.JSON, nullable=False),  # name, rows, size_bytes, sha256
    sa.Column("counts", sa.JSON, nullable=False),
    sa.Column("read_back", sa.JSON, nullable=False),
    sa.Column("resend_of", Text),
    sa.Column("started_at", Time, nullable=False),
    sa.Column("finished_at", Time),
    sa.Column("error", Text),
)

delivery_ledger = sa.Table(
    "delivery_ledger",
    metadata,
    sa.Column("target", Text, primary_key=True),
    sa.Column("destination", Text, primary_key=True),
    sa.Column("record_type", Text, primary_key=True),
    sa.Column("key", Text, primary_key=True),
    sa.Column("identity", Text, primary_key=True),
    sa.Column("state", Text, nullable=False),  # active, deactivated
    sa.Column("state_at", Time, nullable=False),
    sa.Column("origin", Text, nullable=False),  # delivery, seed
    sa.Column("command", Text),
    sa.Column("first_delivered_at", Time, nullable=False),
    sa.Column("last_delivered_at", Time, nullable=False),
    sa.Column("last_delivery", Text, nullable=False),
    sa.Column("last_hash", Text, nullable=False),
    sa.Column("last_line", Text),
)

ledger_seeds = sa.Table(
    "ledger_seeds",
    metadata,
    sa.Column("target", Text, primary_key=True),
    sa.Column("destination", Text, primary_key=True),
    sa.Column("newest_dcid", Integer, nullable=False),
    sa.Column("imported_at", Time, nullable=False),
    sa.Column("imported_by", Text, nullable=False),
)

plans = sa.Table(
    "plans",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("target", Text, nullable=False, index=True),
    sa.Column("destination", Text, nullable=False),
    sa.Column("plan_hash", Text, nullable=False),
    sa.Column("baseline", Text),  # the delivery it was compared with
    sa.Column("run_id", Text, nullable=False),
    sa.Column("verdict", Text, nullable=False),  # ready, held, failed
    sa.Column("rules", sa.JSON, nullable=False),  # one entry per guard rule
    sa.Column("counts", sa.JSON, nullable=False),
    sa.Column("files", sa.JSON, nullable=False),
    sa.Column("folder", Text, nullable=False),  # below D118_HOME
    sa.Column("demonstration", sa.Boolean, nullable=False),
    sa.Column("data_at", Time, nullable=False),  # the oldest extract it was made from
    sa.Column("created_at", Time, nullable=False),
)

plan_approvals = sa.Table(
    "plan_approvals",
    metadata,
    sa.Column("id", Text, primary_key=True),
    sa.Column("target", Text, nullable=False),
    sa.Column("plan_hash", Text, nullable=False),
    sa.Column("baseline", Text),
    sa.Column("reason", Text, nullable=False),
    sa.Column("account", Text, nullable=False),
    sa.Column("created_at", Time, nullable=False),
    sa.Column("expires_at", Time, nullable=False),
    sa.Column("used_at", Time),
)

findings = sa.Table(
    "findings",
    metadata,
    sa.Column("id", Integer, primary_key=True, autoincrement=True),
    sa.Column("target", Text, nullable=False),
    sa.Column("run_id", Text, nullable=False, index=True),
    sa.Column("code", Text, nullable=False),
    sa.Column("level", Text, nullable=False),
    sa.Column("key", Text, nullable=False),
    sa.Column("field", Text, nullable=False),
    sa.Column("detail", Text, nullable=False),
    sa.Column("todo", Text, nullable=False),
)

sync_leases = sa.Table(
    "sync_leases",
    metadata,
    sa.Column("name", Text, primary_key=True),
    sa.Column("holder", Text, nullable=False),
    sa.Column("host", Text, nullable=False),
    sa.Column("process", Text, nullable=False),  # id and start time of the process
    sa.Column("acquired_at", Time, nullable=False),
    sa.Column("renewed_at", Time, nullable=False),
)

alerts_sent = sa.Table(
    "alerts_sent",
    metadata,
    sa.Column("cause", Text, primary_key=True),
    sa.Column("sent_at", Time, nullable=False),
)

audit_log = sa.Table(
    "audit_log",
    metadata,
    sa.Column("id", Integer, primary_key=True, autoincrement=True),
    sa.Column("at", Time, nullable=False),
    sa.Column("actor", Text, nullable=False),
    sa.Column("action", Text, nullable=False),
    sa.Column("object", Text, nullable=False),
    sa.Column("detail", Text, nullable=False),
)


class Database:
    """The state database of one `D118_HOME`, created on first use, mode 0600.

    Raises: FatalError if the file cannot be opened as one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600)
            self._engine = _engine(str(path))
        except (OSError, sa.exc.DatabaseError) as exc:
            raise FatalError(
                f"The state database cannot be opened ({type(exc).__name__}).",
                where=str(path),
                rule="It holds the ledger: what every vendor is known to have.",
                not_done="Nothing was read, nothing was sent.",
                next_step="Check the folder's rights and space; if the file is damaged, "
                "put the last backup in its place.",
            ) from exc

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """One transaction, committed at the end, rolled back by an exception."""
        with self._engine.begin() as connection:
            yield connection


def _engine(path: str) -> sa.Engine:
    # A connection per transaction: nothing stays open between the steps of a run.
    engine = sa.create_engine(
        f"sqlite:///{path}",
        connect_args={"timeout": 30, "isolation_level": None},
        poolclass=sa.NullPool,
        # The ledger keeps lines of people; an error must not quote them.
        hide_parameters=True,
    )

    @sa.event.listens_for(engine, "connect")
    def _connect(connection: Any, _: object) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    with engine.begin() as connection:
        metadata.create_all(connection)
    return engine


def load_rows(
    connection: sa.Connection, table: sa.Table, rows: Sequence[tuple[Any, ...]]
) -> None:
    """Create the table and fill it; values go to the driver as they are.

    The way for many rows: a tenth of the time of SQLAlchemy's own executemany.
    """
    table.create(connection)
    if not rows:
        return
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    marks = ", ".join([mark] * len(table.columns))
    connection.exec_driver_sql(f"INSERT INTO {table.name} VALUES ({marks})", list(rows))


def record_audit(
    connection: sa.Connection,
    *,
    now: dt.datetime,
    actor: str,
    action: str,
    subject: str,
    detail: str = "",
) -> None:
    """Append one row to the audit log; rows hold counts, hashes and accounts only."""
    connection.execute(
        audit_log.insert().values(
            at=now, actor=actor, action=action, object=subject, detail=detail
        )
    )
