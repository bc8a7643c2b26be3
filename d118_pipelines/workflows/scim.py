"""Provisioning the users of a stored plan: plan in, requests out, state kept per batch.

Belongs here: joining plan, state and service provider for one target. Assets and the
command line call it; it knows no Dagster. Rule: docs/reference/scim.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from d118_pipelines.config.project import Project
from d118_pipelines.delivery.files import DeliveryReport
from d118_pipelines.delivery.scim.changes import (
    PAUSES,
    ScimChange,
    ScimOutcome,
    ScimReport,
    Status,
)
from d118_pipelines.delivery.scim.client import provision
from d118_pipelines.delivery.scim.outbox import write_requests
from d118_pipelines.delivery.scim.resource import (
    check_columns,
    removed_paths,
    user_resource,
)
from d118_pipelines.errors import DestinationError
from d118_pipelines.kernel.clock import Clock, utc_now
from d118_pipelines.kernel.finding import DETAILED, Finding
from d118_pipelines.state.database import Database
from d118_pipelines.state.leases import lease
from d118_pipelines.state.open import state_database
from d118_pipelines.state.plans import latest_plan, use_approval
from d118_pipelines.targets.definition import Target
from d118_pipelines.targets.definition_checks import SCIM_FAILED
from d118_pipelines.targets.destination_model import ScimDestination
from d118_pipelines.targets.records import store_findings
from d118_pipelines.targets.show import changes_of
from d118_pipelines.targets.tables import read_rows
from d118_pipelines.workflows.admission import admit, no_plan
from d118_pipelines.workflows.deliver import Sending
from d118_pipelines.workflows.destinations import (
    ResolvedDestination,
    resolve,
    scim_settings,
)
from d118_pipelines.workflows.scim_state import (
    Confirmed,
    Place,
    confirmed_users,
    last_confirmed,
    mark_pending,
    mark_sent,
    record_outcomes,
    scim_counts,
    unsettled_users,
    users_place,
)

ALL_FAILED_FROM = 10
"""So many changes that all fail are the service's fault, not that of the users."""
ANSWERS = "answers"
"""What confirms a user: the service's answer to its request."""

Rows = Mapping[str, Mapping[str, Any]]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Provisioned:
    """What a run did, and where the users stand now (`scim_counts`).

    report: None for the outbox, where nothing was sent.
    """

    label: str
    changes: int
    report: ScimReport | None
    users: Mapping[str, Any]
    seconds: float

    def number(self, status: Status) -> int:
        """How many of the changes ended so."""
        return self.report.counts.get(status, 0) if self.report else 0


def provision_plan(
    project: Project,
    target: Target,
    *,
    run_id: str,
    clock: Clock = utc_now,
    pauses: tuple[float, ...] = PAUSES,
    on_progress: Progress | None = None,
) -> Provisioned:
    """Send the plan that this run made, else the target's newest one.

    pauses: seconds before each repetition of a request.
    What the provider confirmed is committed with every batch and stays, whatever comes.
    Raises: HeldError, ExportError or ConfigurationError if the plan may not go;
    BusyError if another run sends; DestinationError if every user is refused; what
    `provision` raises when the service as a whole does not answer.
    """
    destination = resolve(project, target)
    database = state_database(project)
    with lease(database, target.name, run_id):
        place = users_place(target, destination.id)
        with database.transaction() as connection:
            plan = latest_plan(connection, target.name, run_id=run_id)
            if plan is None:
                raise no_plan(target)
            last = last_confirmed(connection, place)
            approval = admit(
                connection, project, target, plan, destination, last, now=clock()
            )
        run = _Run(project, target, destination, database, place, clock, pauses)
        run.on_progress = on_progress
        deliver = partial(run.deliver, project.home / plan.folder)
        sending = Sending(project, target, destination, run_id, clock, deliver)
        run.id, run.run_id = sending.id, run_id
        report = sending.send(plan.folder, plan.files, plan.plan_hash, plan.counts)
        with database.transaction() as connection:
            sending.commit(connection, report)
            if approval is not None:
                use_approval(connection, approval, target=target.name, now=clock())
            users = scim_counts(connection, project.district().id)
    seconds = sending.result(report, 0).seconds
    return Provisioned(destination.label, run.changes, run.report, users, seconds)


@dataclass
class _Run:
    """One run; `deliver` is what `Sending` calls."""

    project: Project
    target: Target
    destination: ResolvedDestination
    database: Database
    place: Place
    clock: Clock
    pauses: tuple[float, ...]
    on_progress: Progress | None = None
    id: str = ""
    run_id: str = ""
    changes: int = 0
    report: ScimReport | None = None
    failed: list[ScimOutcome] = field(default_factory=list)

    def deliver(
        self, folder: Path, connect: object, files: object, options: object, **_: Any
    ) -> DeliveryReport:
        """Send the changes of the export in `folder`."""
        with self.database.transaction() as connection:
            confirmed = confirmed_users(connection, self.place)
            unsettled = unsettled_users(connection, self.project.district().id)
        rows = self._rows(folder)
        changes = planned_changes(folder, rows, confirmed, unsettled)
        self.changes = len(changes)
        if self.destination.is_outbox:
            self.project.folder("outbox", self.target.name)
            write_requests(self.project.home / "outbox" / self.target.name, changes)
        elif changes:
            self._send(changes, _sent_rows(rows, confirmed), is_first=not confirmed)
        return DeliveryReport((), 1, () if self.destination.is_outbox else (ANSWERS,))

    def _rows(self, folder: Path) -> Rows:
        """Internal id -> row as it should be at the provider."""
        file = self.target.main_file
        columns = [column.header for column in file.columns]
        check_columns(columns)
        kept = read_rows(folder / f"{file.name}.parquet", ["_key", "_hash", *columns])
        return {str(row.pop("_key")): row for row in kept}

    def _send(
        self, changes: Sequence[ScimChange], rows: Rows, *, is_first: bool
    ) -> None:
        wanted = self.target.model.destination
        assert isinstance(wanted, ScimDestination)
        settings = replace(
            scim_settings(self.target, wanted), pauses_seconds=self.pauses
        )
        with self.database.transaction() as connection:
            mark_pending(connection, [change.key for change in changes])
        try:
            self.report = provision(
                settings,
                changes,
                on_sending=self._mark_sent,
                on_outcomes=partial(self._keep, rows),
                on_progress=self.on_progress,
            )
        finally:
            self._store_findings()
        refused = self.report.counts.get("failed", 0)
        if refused == len(changes) and (is_first or refused >= ALL_FAILED_FROM):
            raise DestinationError(
                f"FAILED scim.all_failed  {self.target.name}: the service refused all "
                f"{refused:,} users (for example: {self.failed[0].error}).",
                not_done="No user was changed.",
                next_step=f"See them: d118 findings {self.target.name}",
            )

    def _mark_sent(self, changes: Sequence[ScimChange]) -> None:
        with self.database.transaction() as connection:
            mark_sent(connection, [change.key for change in changes])

    def _keep(self, rows: Rows, outcomes: Sequence[ScimOutcome]) -> None:
        """Commit what is known; called for every batch."""
        self.failed += [o for o in outcomes if o.status == "failed"]
        with self.database.transaction() as connection:
            record_outcomes(
                connection,
                self.place,
                outcomes,
                rows,
                delivery=self.id,
                now=self.clock(),
            )

    def _store_findings(self) -> None:
        meaning = self.target.model.codes[SCIM_FAILED]
        found = [
            Finding(
                *(SCIM_FAILED, meaning.level, outcome.key, meaning.field),
                detail=outcome.error,
                todo=meaning.todo,
            )
            for outcome in self.failed[:DETAILED]
        ]
        if found:
            with self.database.transaction() as connection:
                store_findings(
                    connection, found, target=self.target.name, run_id=self.run_id
                )


def planned_changes(
    folder: Path,
    rows: Rows,
    confirmed: Mapping[str, Confirmed],
    unsettled: Mapping[str, bool],
) -> list[ScimChange]:
    """The changes of the plan in `folder`, as they are asked for at the provider.

    unsettled: users without a good answer to an earlier attempt, and whether they were
    sent. They are brought to what they should be even if the plan does not name them:
    the attempt may have reached the provider.
    """
    named = {change.key for change in changes_of(folder)}
    return [
        _change(
            key,
            rows.get(key),
            confirmed.get(key),
            look_first=unsettled.get(key, False),
        )
        for key in sorted(named | unsettled.keys())
    ]


def _change(
    key: str,
    row: Mapping[str, Any] | None,
    known: Confirmed | None,
    *,
    look_first: bool,
) -> ScimChange:
    scim_id = known.scim_id if known else None
    if row is None:
        user = user_resource(_inactive(known))
        return ScimChange(key, "deactivate", scim_id, user)
    columns = _columns(row)
    user = user_resource(columns)
    if known is None:
        return ScimChange(key, "create", None, user, look_first=look_first)
    return ScimChange(key, "update", scim_id, user, removed_paths(known.row, columns))


def _sent_rows(rows: Rows, confirmed: Mapping[str, Confirmed]) -> Rows:
    """The rows, and those of users who leave as they are from then on."""
    leaving = {
        key: {"_hash": "", **_inactive(known)}
        for key, known in confirmed.items()
        if key not in rows
    }
    return {**leaving, **rows}


def _inactive(known: Confirmed | None) -> dict[str, str | None]:
    return {**(known.row if known else {}), "active": "false"}


def _columns(row: Mapping[str, Any]) -> dict[str, str | None]:
    """The row without what the engine adds."""
    return {name: v for name, v in row.items() if not name.startswith("_")}
