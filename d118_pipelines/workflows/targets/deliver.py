"""Delivering a stored plan: the lease, the question whether it may go, what counts.

Called by the assets and the command line with one of the two ways to deliver: a set of
files (`file_set.py`) or users one by one (`scim.py`); `deliveries.py` chooses. Whether
a plan may go is in `admission.py`. Rules: docs/reference/delivery.md.
"""

from __future__ import annotations

import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import sqlalchemy as sa

from d118_pipelines.config.project import Project
from d118_pipelines.errors import (
    ConfigurationError,
    D118Error,
    ExportError,
    HeldError,
)
from d118_pipelines.kernel.clock import Clock, utc_now
from d118_pipelines.kernel.outages import NamedOutages
from d118_pipelines.state import audit, restored
from d118_pipelines.state import database as db
from d118_pipelines.state.database import Database
from d118_pipelines.state.leases import lease, refuse_lost
from d118_pipelines.state.open import state_database
from d118_pipelines.state.pauses import refuse_paused
from d118_pipelines.state.plans import Approval, StoredPlan, latest_plan, use_approval
from d118_pipelines.targets.definition import Target
from d118_pipelines.targets.ledger import Baseline
from d118_pipelines.workflows.runs.admission import admit, no_plan
from d118_pipelines.workflows.runs.run import account
from d118_pipelines.workflows.runs.run_events import RunEvent, tell_event
from d118_pipelines.workflows.targets.destinations import (
    Destination,
    refuse_demonstration,
)
from d118_pipelines.workflows.targets.target_feed import TargetFeed, out_of_term_text


@dataclass(frozen=True, slots=True)
class Parcel:
    """An export on its way. id: of the delivery. folder: absolute; files: its entries."""

    id: str
    run_id: str
    folder: Path
    files: list[dict[str, Any]]


class Sent(Protocol):
    """What came of sending."""

    @property
    def read_back(self) -> tuple[str, ...]:
        """What the destination confirmed."""


S_co = TypeVar("S_co", bound=Sent, covariant=True)


@dataclass(frozen=True)
class Delivery(ABC, Generic[S_co]):
    """One way to bring a target's plan to its destination.

    tell: is told of the progress.
    """

    project: Project
    target: Target
    destination: Destination
    clock: Clock = utc_now
    tell: Callable[[str], None] | None = None

    @abstractmethod
    def last(self, connection: sa.Connection) -> Baseline | None:
        """What the destination has now; a plan must have been compared with it."""

    def baseline(self, database: Database, folder: Path) -> Baseline | None:
        """The same with its frames. folder: for those; the caller removes it."""
        with database.reading() as connection:
            return self.last(connection)

    @abstractmethod
    def differs(self, files: Sequence[Mapping[str, Any]]) -> str:
        """Why the destination does not hold exactly these files; empty if it does.

        Raises: as a delivery, if it cannot be reached.
        """

    @abstractmethod
    def send(self, parcel: Parcel) -> S_co:
        """Send it. Raises: D118Error; the delivery then counts as failed."""

    @abstractmethod
    def commit(self, connection: sa.Connection, parcel: Parcel) -> int:
        """Enter in the ledger what was sent; the number of entries."""


@dataclass(frozen=True, slots=True)
class Delivered(Generic[S_co]):
    """A delivery that counts, as the database has it; status: one of `COUNTS`."""

    id: str
    status: str
    label: str
    report: S_co
    files: list[dict[str, Any]]
    entries: int
    seconds: float


def deliver_plan(
    way: Delivery[S_co], *, run_id: str, actor: str = ""
) -> Delivered[S_co]:
    """Send the plan that this run made, else the target's newest one.

    actor: whose run it is, for the audit log; empty: this account's.

    Raises: HeldError, PausedError, ExportError or ConfigurationError if it may not go;
    BusyError if another run delivers; whatever the way raises. The delivery then does
    not count.
    """
    target, database = way.target, state_database(way.project)
    feed = TargetFeed(way.project, target)
    with lease(database, target.name, run_id):
        with database.transaction() as connection:
            refuse_paused(connection, target.name, way.project.district().zone)
            plan = latest_plan(connection, target.name, run_id=run_id)
            if plan is None:
                raise no_plan(feed)
            _refuse_unfit(target, plan, way.destination, way.last(connection))
            approval = admit(connection, feed, plan, now=way.clock())
        return _send(way, database, plan, run_id=run_id, actor=actor, approval=approval)


def resend_last(way: Delivery[S_co], *, run_id: str) -> Delivered[S_co]:
    """Send the last verified set again, byte for byte, with the commands it had.

    Raises: ConfigurationError if nothing was delivered to this destination yet;
    ExportError if the kept files are gone or changed; otherwise as `deliver_plan`.
    """
    target, database = way.target, state_database(way.project)
    if target.feeds_powerschool:
        raise ConfigurationError(
            f"{target.name} goes into PowerSchool: it is not sent again by itself.",
            rule="Every delivery is approved (docs/reference/autocomm.md).",
            not_done="Nothing was sent.",
            next_step=f"Make a new plan: d118 run {target.name}",
        )
    with lease(database, target.name, run_id):
        with database.transaction() as connection:
            refuse_paused(connection, target.name, way.project.district().zone)
            last = way.last(connection)
            if last is None:
                raise ConfigurationError(
                    f"Nothing has been delivered to {way.destination.label} yet.",
                    not_done="Nothing was sent.",
                    next_step=f"Deliver it first: d118 run {target.name}",
                )
            row = connection.execute(
                sa.select(db.deliveries).where(db.deliveries.c.id == last.delivery)
            ).one()
        return _send(way, database, row, run_id=run_id, resend_of=row.id)


def _refuse_unfit(
    target: Target, plan: StoredPlan, destination: Destination, last: Baseline | None
) -> None:
    """Raise what keeps a plan back that no approval could release."""
    if plan.verdict == "out_of_term":
        raise ExportError(out_of_term_text(target), not_done="Nothing was sent.")
    refuse_demonstration(target, destination, demonstration=plan.demonstration)
    overtaken = plan.baseline != (last.delivery if last else None)
    if plan.destination != destination.id or overtaken:
        raise ExportError(
            f"FAILED plan.overtaken  {target.name}: plan {plan.plan_hash[:8]} was made "
            "against another delivery or for another destination.",
            rule="A plan is delivered once, to the destination that it was made for.",
            not_done="Nothing was sent.",
            next_step=f"Make a new one: d118 run {target.name}; to send the last verified "
            f"set again: d118 resend {target.name}",
        )


def _send(
    way: Delivery[S_co],
    database: Database,
    what: StoredPlan | sa.Row[Any],
    *,
    run_id: str,
    actor: str = "",
    approval: Approval | None = None,
    resend_of: str | None = None,
) -> Delivered[S_co]:
    """Record the start, send, and make it count in one transaction."""
    _refuse_uncompared(way, database, actor or account())
    started, target, d = time.monotonic(), way.target.name, db.deliveries.c
    folder = way.project.home / what.folder
    parcel = Parcel(uuid.uuid4().hex, run_id, folder, what.files)
    with database.transaction() as connection:
        refuse_lost(connection, target, run_id)
        # One that began and never ended was cut off: we hold the lease now.
        cut_off = sa.and_(d.target == target, d.status == "started")
        _end(connection, way, cut_off, status="interrupted")
        connection.execute(
            db.deliveries.insert().values(
                id=parcel.id,
                target=target,
                destination=way.destination.id,
                status="started",
                plan_hash=what.plan_hash,
                run_id=run_id,
                folder=what.folder,
                files=what.files,
                counts=dict(what.counts),
                read_back=[],
                resend_of=resend_of,
                started_at=way.clock(),
            )
        )
    try:
        with NamedOutages():
            sent = way.send(parcel)
    except D118Error as exc:
        with database.transaction() as connection:
            _end(connection, way, d.id == parcel.id, status="failed", error=exc.what)
            failed = RunEvent(target, run_id, "FAILURE", is_target=True, error=exc.what)
            tell_event(connection, way.project, way.target.model, failed)
        raise
    with database.transaction() as connection:
        refuse_lost(connection, target, run_id)
        read_back = list(sent.read_back)
        # Users in the outbox are compared with nothing, and are in no ledger.
        is_known = read_back or way.target.sends_users
        status = "verified" if is_known else db.NOT_READ_BACK
        _end(connection, way, d.id == parcel.id, status=status, read_back=read_back)
        entries = way.commit(connection, parcel)
        done = RunEvent(
            target,
            run_id,
            "SUCCESS",
            is_target=True,
            stats={file["name"]: {"rows": file["rows"]} for file in what.files},
            pings=status == "verified" and not way.destination.is_outbox,
        )
        tell_event(connection, way.project, way.target.model, done)
        if approval is not None:
            use_approval(connection, approval, target=target, now=way.clock())
        audit.record(
            connection,
            now=way.clock(),
            actor=actor or account(),
            action="sent again" if resend_of else "delivered",
            subject=target,
            detail=f"run {run_id}, delivery {parcel.id}, to {way.destination.label}",
            after=what.plan_hash,
        )
    seconds = round(time.monotonic() - started, 3)
    label = way.destination.label
    return Delivered(parcel.id, status, label, sent, what.files, entries, seconds)


def _refuse_uncompared(way: Delivery[Any], database: Database, actor: str) -> None:
    """After a restore: the first delivery goes only if the destination is as known.

    Otherwise something was sent after the backup, and the ledger does not know whom.
    Raises: HeldError; whatever the destination raises.
    """
    target, destination = way.target.name, way.destination
    with database.reading() as connection:
        if not restored.is_uncompared(connection, target, destination.id):
            return
        d = db.deliveries.c
        files = connection.scalar(
            sa.select(d.files)
            .where(d.target == target, d.destination == destination.id)
            .where(d.status.in_(db.COUNTS))
            .order_by(d.number.desc())
            .limit(1)
        )
    with NamedOutages():
        found = way.differs(files or [])
    if found:
        raise HeldError(
            f"HELD restored.not_compared  {target}: {found}",
            where=destination.label,
            rule="This copy was restored from a backup. What was sent after it is not in "
            "its ledger, and would be sent as new once more.",
            not_done="Nothing was sent.",
            next_step="Compare the server with d118 ledger deliveries. If nothing was "
            f'sent since: d118 unlock {target} --reason "..."',
        )
    with database.transaction() as connection:
        restored.settle(
            connection,
            target,
            destination=destination.id,
            actor=actor,
            now=way.clock(),
        )


def _end(
    connection: sa.Connection,
    way: Delivery[Any],
    which: sa.ColumnElement[bool],
    **values: Any,
) -> None:
    ended = db.deliveries.update().where(which)
    connection.execute(ended.values(finished_at=way.clock(), **values))
