"""Delivering a stored plan, or the last verified set again.

Belongs here: the lease, and the one transaction that makes a delivery count. Not here:
whether a plan may go (`admission.py`). Assets and the command line call it; it knows no
Dagster. Rules: docs/reference/delivery.md.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from d118_pipelines.config.project import Project
from d118_pipelines.delivery.files import DeliveryReport, FileToSend
from d118_pipelines.delivery.sequence import deliver_set
from d118_pipelines.errors import ConfigurationError, D118Error, ExportError
from d118_pipelines.kernel.clock import Clock, utc_now
from d118_pipelines.state import database as db
from d118_pipelines.state.leases import lease
from d118_pipelines.state.open import state_database
from d118_pipelines.state.plans import latest_plan, use_approval
from d118_pipelines.targets.definition import Target
from d118_pipelines.targets.destination_model import ScimDestination
from d118_pipelines.targets.ledger import commit_entries, last_verified
from d118_pipelines.targets.model import TargetFile
from d118_pipelines.targets.tables import read_rows
from d118_pipelines.workflows.admission import admit, no_plan
from d118_pipelines.workflows.destinations import ResolvedDestination, no_files, resolve

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Delivered:
    """A verified delivery as it stands in the database."""

    id: str
    label: str
    report: DeliveryReport
    files: list[dict[str, Any]]
    entries: int
    seconds: float


def deliver_plan(
    project: Project,
    target: Target,
    *,
    run_id: str,
    destination: ResolvedDestination | None = None,
    clock: Clock = utc_now,
    sleep: Callable[[float], None] = time.sleep,
    on_progress: Progress | None = None,
) -> Delivered:
    """Send the plan that this run made, else the target's newest one.

    destination: where to; by default what the environment says now. sleep: waits
    between the attempts, in seconds.
    Raises: HeldError, ExportError or ConfigurationError if it may not go; BusyError if
    another run delivers; whatever the delivery raises. In each case the ledger stays.
    """
    destination = destination or resolve(project, target)
    database = state_database(project)
    with lease(database, target.name, run_id):
        with database.transaction() as connection:
            plan = latest_plan(connection, target.name, run_id=run_id)
            if plan is None:
                raise no_plan(target)
            last = last_verified(connection, target.name, destination.id)
            approval = admit(
                connection, project, target, plan, destination, last, now=clock()
            )
        deliver = partial(deliver_set, sleep=sleep, on_progress=on_progress)
        sending = Sending(project, target, destination, run_id, clock, deliver)
        delivered = sending.send(plan.folder, plan.files, plan.plan_hash, plan.counts)
        with database.transaction() as connection:
            entries = sending.commit(connection, delivered)
            if approval is not None:
                use_approval(connection, approval, target=target.name, now=clock())
    return sending.result(delivered, entries)


def resend_last(
    project: Project,
    target: Target,
    *,
    run_id: str,
    clock: Clock = utc_now,
    on_progress: Progress | None = None,
) -> Delivered:
    """Send the last verified set again, byte for byte, with the commands it had.

    Raises: ConfigurationError if nothing was delivered to this destination yet;
    ExportError if the kept files are gone or changed; otherwise as `deliver_plan`.
    """
    destination = resolve(project, target)
    if isinstance(target.model.destination, ScimDestination):
        raise no_files(target, destination.label)
    database = state_database(project)
    with lease(database, target.name, run_id):
        with database.transaction() as connection:
            last = last_verified(connection, target.name, destination.id)
            if last is None:
                raise ConfigurationError(
                    f"Nothing was delivered to {destination.label} yet.",
                    not_done="Nothing was sent.",
                    next_step=f"Deliver it first: d118 run {target.name}",
                )
            row = connection.execute(
                sa.select(db.deliveries).where(db.deliveries.c.id == last.delivery)
            ).one()
        deliver = partial(deliver_set, on_progress=on_progress)
        sending = Sending(project, target, destination, run_id, clock, deliver)
        delivered = sending.send(
            row.folder, row.files, row.plan_hash, row.counts, resend_of=row.id
        )
        with database.transaction() as connection:
            entries = sending.commit(connection, delivered)
    return sending.result(delivered, entries)


class Sending:
    """One delivery of one set: the started row, the sending, the commit.

    deliver: takes what `deliver_set` takes. id: of the delivery.
    """

    def __init__(
        self,
        project: Project,
        target: Target,
        destination: ResolvedDestination,
        run_id: str,
        clock: Clock,
        deliver: Callable[..., DeliveryReport],
    ) -> None:
        self._project = project
        self._target = target
        self._destination = destination
        self._run_id = run_id
        self._clock = clock
        self._deliver = deliver
        self._database = state_database(project)
        self._started = time.monotonic()
        self.id = uuid.uuid4().hex
        self._folder = Path()
        self._files: list[dict[str, Any]] = []

    def send(
        self,
        folder: str,
        files: list[dict[str, Any]],
        plan_hash: str,
        counts: Mapping[str, Any],
        *,
        resend_of: str | None = None,
    ) -> DeliveryReport:
        """Record the start, send, and record a failure if there is one."""
        self._folder = self._project.home / folder
        self._files = files
        with self._database.transaction() as connection:
            self._close_interrupted(connection)
            connection.execute(
                db.deliveries.insert().values(
                    id=self.id,
                    target=self._target.name,
                    destination=self._destination.id,
                    status="started",
                    plan_hash=plan_hash,
                    run_id=self._run_id,
                    folder=folder,
                    files=files,
                    counts=dict(counts),
                    read_back=[],
                    resend_of=resend_of,
                    started_at=self._clock(),
                )
            )
        try:
            return self._deliver(
                self._destination.connect,
                [self._to_send(file) for file in files],
                self._destination.options,
                now=self._clock,
            )
        except D118Error as exc:
            with self._database.transaction() as connection:
                self._update(connection, status="failed", error=exc.what)
            raise

    def commit(self, connection: sa.Connection, report: DeliveryReport) -> int:
        """Make the delivery count: its row and the ledger, in one transaction."""
        self._update(connection, status="verified", read_back=list(report.read_back))
        return commit_entries(
            connection,
            target=self._target.name,
            destination=self._destination.id,
            delivery=self.id,
            now=self._clock(),
            ledger=self._target.model.ledger,
            records=self._records(),
        )

    def result(self, report: DeliveryReport, entries: int) -> Delivered:
        """What the caller shows."""
        seconds = round(time.monotonic() - self._started, 3)
        label = self._destination.label
        return Delivered(self.id, label, report, self._files, entries, seconds)

    def _update(self, connection: sa.Connection, **values: Any) -> None:
        connection.execute(
            db.deliveries.update()
            .where(db.deliveries.c.id == self.id)
            .values(finished_at=self._clock(), **values)
        )

    def _close_interrupted(self, connection: sa.Connection) -> None:
        """A delivery that began and never ended was cut off: we hold the lease now."""
        c = db.deliveries.c
        connection.execute(
            db.deliveries.update()
            .where(c.target == self._target.name, c.status == "started")
            .values(status="interrupted", finished_at=self._clock())
        )

    def _to_send(self, file: Mapping[str, Any]) -> FileToSend:
        path = self._folder / file["name"]
        if not path.is_file():
            raise ExportError(
                f"The kept file {file['name']} is gone.",
                where=str(path.parent.name),
                not_done="Nothing was sent.",
                next_step=f"Make a new set: d118 run {self._target.name}",
            )
        return FileToSend(file["name"], path, file["size_bytes"], file["sha256"])

    def _records(self) -> Iterator[tuple[TargetFile, Mapping[str, Any]]]:
        if self._target.model.ledger.keep == "files":
            return
        for file in self._target.model.files:
            names = ["_key", "_identity", "_state", "_hash", "_line"]
            names += [file.command] if file.command else []
            for row in read_rows(self._folder / f"{file.name}.parquet", names):
                yield file, row
