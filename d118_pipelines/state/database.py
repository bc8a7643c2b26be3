"""The state database: transactions, and the tables of deliveries.

Called by every room that keeps something beyond a run, mostly through `open.py`. The
roster's tables are in `roster/model/tables.py`, the engines in `engines.py`, the schema
in `schema.py`; what the rows mean, each room knows itself.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from d118_pipelines.errors import BusyError, ConnectionLostError, DatabaseGoneError
from d118_pipelines.kernel.outages import outage_of
from d118_pipelines.state.engines import (
    driver_address,
    postgres_engine,
    shown,
    sqlite_engine,
)
from d118_pipelines.state.fence import Fence, fence_of
from d118_pipelines.state.schema import (
    MIGRATIONS,
    migrate_schema,
    newest_revision,
    prepare_schema,
)

# Clocks of two hosts may differ so much without a word.
CLOCK_TOLERANCE = dt.timedelta(minutes=5)


class UtcDateTime(sa.types.TypeDecorator[dt.datetime]):
    """An aware time, stored in UTC. A naive time is refused."""

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """With its zone where the engine knows zones."""
        return dialect.type_descriptor(sa.DateTime(dialect.name == "postgresql"))

    def process_bind_param(self, value: dt.datetime | None, dialect: Any) -> Any:
        """Convert to UTC for the database."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        utc = value.astimezone(dt.UTC)
        return utc if dialect.name == "postgresql" else utc.replace(tzinfo=None)

    def process_result_value(self, value: dt.datetime | None, dialect: Any) -> Any:
        """Give back an aware UTC time."""
        if value is None:
            return None
        return (
            value.astimezone(dt.UTC) if value.tzinfo else value.replace(tzinfo=dt.UTC)
        )


metadata = sa.MetaData()
NOT_READ_BACK = "sent, not read back"
"""A delivery that counts although the destination confirmed nothing, as its target says."""
COUNTS = ("verified", NOT_READ_BACK)
"""How a delivery that counts ended: it is in the ledger, and the next is compared with it."""
Text, Integer, Time = sa.Text, sa.Integer, UtcDateTime


def columns(names: str, kind: Any = Text, **options: Any) -> list[sa.Column[Any]]:
    """Columns of one kind, by their names; not null unless the options say so."""
    known = {"nullable": False, **options}
    return [sa.Column(name, kind, **known) for name in names.split()]


def numbered() -> list[sa.Column[Any]]:
    """The id of a row, and its number: newest is what came last, whatever the clock said."""
    number = sa.Column("number", Integer, primary_key=True, autoincrement=True)
    return [number, *columns("id", index=True, unique=True)]


deliveries = sa.Table(
    "deliveries",
    metadata,
    *numbered(),
    *columns("target", index=True),
    # status: started, failed, interrupted, or one of COUNTS. folder: below D118_HOME.
    *columns("destination status plan_hash run_id folder"),
    *columns(
        "files counts read_back", sa.JSON
    ),  # files: name, rows, size_bytes, sha256
    *columns("resend_of error", nullable=True),
    *columns("started_at", Time),
    *columns("finished_at", Time, nullable=True),
)

delivery_ledger = sa.Table(
    "delivery_ledger",
    metadata,
    *columns("target destination record_type key identity", primary_key=True),
    # state: active, deactivated. origin: delivery, seed.
    *columns("state origin last_delivery last_hash"),
    *columns("command last_line", nullable=True),
    *columns("state_at first_delivered_at last_delivered_at", Time),
)

# What the vendor said last of a record; a reason can name a person.
delivery_results = sa.Table(
    "delivery_results",
    metadata,
    *columns("target destination record_type key", primary_key=True),
    *columns("delivery outcome reason"),  # outcome: accepted, rejected
    *columns("answered_at", Time),
)

result_files = sa.Table(
    "result_files",
    metadata,
    *columns("target destination name", primary_key=True),
    sa.Column("size_bytes", Integer, primary_key=True, autoincrement=False),
    sa.Column("modified", Time, primary_key=True),
    *columns("delivery", nullable=True),
    *columns("problem"),  # the code of the finding, or empty
    *columns("counts", sa.JSON),
    *columns("read_at", Time),
)

ledger_seeds = sa.Table(
    "ledger_seeds",
    metadata,
    *columns("target destination", primary_key=True),
    *columns("newest_dcid", Integer),
    *columns("imported_at", Time),
    *columns("imported_by"),
)

plans = sa.Table(
    "plans",
    metadata,
    *numbered(),
    *columns("target", index=True),
    # verdict: ready, held, failed, out_of_term. folder: below D118_HOME.
    *columns("destination plan_hash run_id verdict folder"),
    *columns("baseline", nullable=True),  # the delivery it was compared with
    *columns("rules counts files", sa.JSON),  # rules: one entry per guard rule
    *columns("demonstration", sa.Boolean),
    *columns("data_at created_at", Time),  # data_at: of the oldest extract behind it
)

plan_approvals = sa.Table(
    "plan_approvals",
    metadata,
    *numbered(),
    *columns("target plan_hash reason account"),
    *columns("baseline", nullable=True),
    *columns("created_at expires_at", Time),
    *columns("used_at", Time, nullable=True),
)

findings = sa.Table(
    "findings",
    metadata,
    *columns("id", Integer, primary_key=True, autoincrement=True),
    *columns("run_id", index=True),
    *columns("target code level key field detail todo"),
)

sync_leases = sa.Table(
    "sync_leases",
    metadata,
    *columns("name", primary_key=True),
    *columns("holder host process"),  # process: its id and start time
    *columns("acquired_at renewed_at", Time),
    *columns("stop_asked_by", nullable=True),  # the account that asked
)

sync_progress = sa.Table(
    "sync_progress",
    metadata,
    *columns("run_id name", primary_key=True),
    *columns("percent rows", Integer),
    *columns("step"),
    *columns("updated_at", Time),
)

pauses = sa.Table(
    "pauses",
    metadata,
    *columns("name", primary_key=True),  # a target, a provider, or * for all
    *columns("until created_at", Time),
    *columns("reason account"),
)

alerts = sa.Table(
    "alerts",  # that were sent and whose cause lasts; the digest: when it went out
    metadata,
    *columns("cause", primary_key=True),
    *columns("kind title run_id"),
    *columns("feeds", sa.JSON),
    *columns("sent_at", Time),
)

webhook_outbox = sa.Table(
    "webhook_outbox",
    metadata,
    *numbered(),
    # state: waiting, delivered, dead. url, secret: as configured, so no secret.
    *columns("name event url secret state"),
    *columns("run_id", index=True),
    *columns("body", sa.JSON),
    *columns("attempts", Integer),
    *columns("answer", nullable=True),  # of the last attempt
    *columns("created_at next_at", Time),
    *columns("delivered_at", Time, nullable=True),
)

webhook_runs = sa.Table(
    "webhook_runs",
    metadata,
    *columns("run_id url", primary_key=True),  # given when the run was started
    *columns("created_at", Time),
)

audit_log = sa.Table(
    "audit_log",
    metadata,
    *columns("id", Integer, primary_key=True, autoincrement=True),
    *columns("at", Time),
    # detail: counts and ids. hash_before, hash_after: of the object.
    *columns("actor action object detail hash_before hash_after reason"),
    sa.Index("audit_log_of_object", "object", "action", "id"),
)


# After a restore: destinations whose files nobody has compared with the ledger yet.
uncompared = sa.Table(
    "uncompared",
    metadata,
    *columns("target destination", primary_key=True),
    *columns("backup_at", Time),
)

# The configuration as it was last looked at: path below the project.
seen_files = sa.Table(
    "seen_files", metadata, *columns("path", primary_key=True), *columns("sha256")
)


class Database:
    """The state database of one `D118_HOME`: a SQLite file, or PostgreSQL by its URL.

    Created on first use; the file gets mode 0600. url: overrides `DATABASE_URL`; an
    empty text means the file. upgrade: migrate an older schema; `upgraded_from` has the
    revision that was found. migrations: the folder of the revisions. Raises:
    DatabaseGoneError if it cannot be opened; ConfigurationError for a wrong URL, or an
    older schema without `upgrade`.
    """

    def __init__(
        self,
        path: Path,
        url: str | None = None,
        *,
        upgrade: bool = False,
        migrations: Path = MIGRATIONS,
    ) -> None:
        self.path = path
        url = os.environ.get("DATABASE_URL", "") if url is None else url
        self.place = shown(url, "DATABASE_URL") if url else str(path)
        self.fence: Fence | None = None if url else fence_of(path)
        try:
            if url:
                self._engine = postgres_engine(url)
            else:
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                path.touch(mode=0o600)
                self._engine = sqlite_engine(path)
            self.upgraded_from = ""
            if upgrade:
                self.upgraded_from = migrate_schema(self.transaction, migrations)
            else:
                prepare_schema(self.transaction, self.reading, migrations)
        except (
            OSError,
            sa.exc.DatabaseError,
            ConnectionLostError,
            DatabaseGoneError,
        ) as exc:
            named = None if url else outage_of(exc)
            if named is not None:
                raise named from exc
            # The driver's text can quote the user of the URL.
            raise DatabaseGoneError(
                f"The state database cannot be opened ({type(exc).__name__}).",
                where=self.place,
                rule="It has the ledger: what every vendor is known to have.",
                not_done="Nothing was read, nothing was sent.",
                next_step="Check that the server runs and lets this account in, or the "
                "folder's rights and space; if it is damaged, restore the last "
                "backup.",
            ) from (None if url else exc)

    @property
    def is_postgres(self) -> bool:
        """Whether it is a PostgreSQL server."""
        return self.dialect.name == "postgresql"

    @property
    def dialect(self) -> sa.Dialect:
        """How the engine writes SQL."""
        return self._engine.dialect

    def dsn(self) -> str:
        """The server's address and login as libpq reads it; not to be shown."""
        return driver_address(self._engine)

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """One transaction, committed at the end, rolled back by an exception.

        Only one runs at a time, over all processes: what was read in it stays true
        until it is committed. Raises: BusyError after ten minutes of waiting;
        ConnectionLostError if the server went away, DatabaseGoneError if it is not
        there, DiskFullError, PermissionDeniedError.
        """
        with (
            self._beside_others(),
            self._named_errors(),
            self._engine.begin() as connection,
        ):
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A view of one moment, for long reads; waits for nobody and holds up nobody.

        Temporary tables may be written in it; they are gone afterwards.
        """
        with (
            self._beside_others(),
            self._named_errors(),
            self._engine.connect() as connection,
        ):
            connection.execution_options(reads_only=True)
            if self.is_postgres:
                connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    def _beside_others(self) -> AbstractContextManager[None]:
        return nullcontext() if self.fence is None else self.fence.shared()

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.OperationalError as exc:
            if _is_locked(exc):
                raise BusyError(
                    "BUSY  another process is writing to the state database.",
                    where=self.place,
                    not_done="Nothing of this step was stored.",
                    next_step="Wait for the other run to end (d118 status), then start "
                    "again.",
                ) from None
            if exc.connection_invalidated:
                raise ConnectionLostError(
                    "The connection to the state database was lost.",
                    where=self.place,
                    not_done="Nothing of this step was stored.",
                    next_step="Check that the server runs, then start again.",
                ) from None
            named = outage_of(exc)
            if named is not None:
                raise named from None
            if self.is_postgres and getattr(exc.orig, "pgcode", None) is None:
                raise DatabaseGoneError(  # no answer, so no code either
                    "The state database does not answer.",
                    where=self.place,
                    not_done="Nothing of this step was stored.",
                    next_step="Check that the server runs, then start again: d118 doctor",
                ) from None
            raise


def upgrade(
    path: Path, url: str | None = None, *, migrations: Path = MIGRATIONS
) -> tuple[str, str]:
    """Migrate the state database; the revision it had and the one it has now.

    An empty first one: there was no database. path, url: as for `Database`. Raises:
    ConfigurationError if it is newer than this version; FatalError as there, and then
    nothing was changed.
    """
    database = Database(path, url, upgrade=True, migrations=migrations)
    return database.upgraded_from, newest_revision(migrations)


def _is_locked(exc: sa.exc.OperationalError) -> bool:
    code = getattr(exc.orig, "sqlite_errorname", None) or getattr(
        exc.orig, "pgcode", None
    )
    return code in ("SQLITE_BUSY", "55P03")  # the second: lock not available


def clock_warning(connection: sa.Connection, now: dt.datetime) -> str:
    """What a person should know of a clock that is behind the newest row; else empty."""
    newest = [
        connection.scalar(sa.select(at).order_by(number.desc()).limit(1))
        for at, number in (
            (plans.c.created_at, plans.c.number),
            (deliveries.c.started_at, deliveries.c.number),
            (audit_log.c.at, audit_log.c.id),
        )
    ]
    ahead = max((at for at in newest if at), default=now)
    if ahead - now <= CLOCK_TOLERANCE:
        return ""
    return (
        f"The clock is behind: it says {now:%Y-%m-%d %H:%M} UTC, the newest row of the "
        f"state database is of {ahead:%Y-%m-%d %H:%M} UTC. This clock is wrong, or the one "
        "of that run was. What came last counts as the newest. Check: timedatectl"
    )
