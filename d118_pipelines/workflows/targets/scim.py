"""A target's users, brought to a service provider one by one; state is kept per batch.

Called by `deliveries.py`, which chooses between this and a set of files
(`file_set.py`); when a delivery counts is in `deliver.py`, what is known of users in
`scim_state.py`, requests are in `delivery/scim/`. Rule: docs/reference/scim.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

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
from d118_pipelines.kernel.finding import DETAILED, Finding
from d118_pipelines.state.database import Database
from d118_pipelines.state.open import state_database
from d118_pipelines.targets.definition_checks import SCIM_FAILED
from d118_pipelines.targets.destination_model import ScimDestination
from d118_pipelines.targets.ledger import Baseline
from d118_pipelines.targets.records import store_findings
from d118_pipelines.targets.show import changes_of
from d118_pipelines.targets.tables import read_rows
from d118_pipelines.workflows.targets.deliver import Delivery, Parcel
from d118_pipelines.workflows.targets.destinations import scim_settings
from d118_pipelines.workflows.targets.scim_state import (
    Confirmed,
    Place,
    confirmed_users,
    last_confirmed,
    mark_pending,
    mark_sent,
    record_outcomes,
    scim_counts,
    unsettled_users,
    write_confirmed,
)

ALL_FAILED_FROM = 10
"""If this many changes all fail, the fault is the service's, not the users'."""
ANSWERS = "answers"
"""What confirms a user: the service's answer to its request."""

Rows = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class SentUsers:
    """What was asked for, and how the users are now (`scim_counts`).

    report: None for the outbox, where nothing was sent, and where nothing changes.
    """

    changes: int
    report: ScimReport | None
    users: Mapping[str, Any]
    read_back: tuple[str, ...]

    def number(self, status: Status) -> int:
        """How many of the changes ended so."""
        return self.report.counts.get(status, 0) if self.report else 0


@dataclass(frozen=True)
class Users(Delivery[SentUsers]):
    """The delivery of users. pauses: seconds before each repetition of a request."""

    pauses: tuple[float, ...] = PAUSES

    @property
    def place(self) -> Place:
        """Where the ledger keeps the users."""
        kind = self.target.main_file.record_type
        return Place(self.target.name, self.destination.id, kind)

    def last(self, connection: sa.Connection) -> Baseline | None:
        """The delivery that confirmed a user last, finished or not."""
        return last_confirmed(connection, self.place)

    def baseline(self, database: Database, folder: Path) -> Baseline | None:
        """The same, with the confirmed users as what was delivered."""
        last, own = super().baseline(database, folder), folder / "scim"
        if last is None:
            return None
        own.mkdir(mode=0o700)
        write_confirmed(database, self.place, self.target.main_file, own)
        return replace(last, folder=str(own))

    def differs(self, files: Sequence[Mapping[str, Any]]) -> str:
        """Always: users are not read back as a whole."""
        return "its users cannot be compared from here."

    def send(self, parcel: Parcel) -> SentUsers:
        """Send the changes of the export.

        What the provider confirmed is committed with every batch and stays, whatever
        comes. Raises: DestinationError if every user is refused; what `provision`
        raises when the service as a whole does not answer.
        """
        database, district = state_database(self.project), self.project.district().id
        with database.transaction() as connection:
            confirmed = confirmed_users(connection, self.place)
            unsettled = unsettled_users(connection, district)
        rows = self._rows(parcel.folder)
        changes = planned_changes(parcel.folder, rows, confirmed, unsettled)
        report: ScimReport | None = None
        read_back: tuple[str, ...] = (ANSWERS,)
        if self.destination.is_outbox:
            outbox = self.project.folder("outbox", self.target.name)
            write_requests(outbox, changes)
            read_back = ()
        elif changes:
            sent_rows = _sent_rows(rows, confirmed)
            run = _Run(self, database, parcel, sent_rows)
            report = run.send(changes, is_first=not confirmed)
        with database.transaction() as connection:
            users = scim_counts(connection, district)
        return SentUsers(len(changes), report, users, read_back)

    def commit(self, connection: sa.Connection, parcel: Parcel) -> int:
        """Enter nothing: each confirmed user was entered with its batch."""
        return 0

    def _rows(self, folder: Path) -> Rows:
        """Internal id -> row as it should be at the provider."""
        file = self.target.main_file
        columns = [column.header for column in file.columns]
        check_columns(columns)
        kept = read_rows(folder / f"{file.name}.parquet", ["_key", "_hash", *columns])
        return {str(row.pop("_key")): row for row in kept}


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of requests; what becomes of users is committed as soon as it is known.

    rows: internal id -> row as sent. failed: what was refused so far.
    """

    way: Users
    database: Database
    parcel: Parcel
    rows: Rows
    failed: list[ScimOutcome] = field(default_factory=list)

    def send(self, changes: Sequence[ScimChange], *, is_first: bool) -> ScimReport:
        """Send all changes."""
        target = self.way.target
        wanted = target.model.destination
        assert isinstance(wanted, ScimDestination)
        settings = scim_settings(target, wanted)
        with self.database.transaction() as connection:
            mark_pending(connection, [change.key for change in changes])
        try:
            report = provision(
                replace(settings, pauses_seconds=self.way.pauses),
                changes,
                on_sending=self._mark_sent,
                on_outcomes=self._keep,
                on_progress=self._tell,
            )
        finally:
            self._store_findings()
        refused = report.counts.get("failed", 0)
        if refused == len(changes) and (is_first or refused >= ALL_FAILED_FROM):
            raise DestinationError(
                f"FAILED scim.all_failed  {target.name}: the service refused all "
                f"{refused:,} users (for example: {self.failed[0].error}).",
                not_done="No user was changed.",
                next_step=f"See them: d118 findings {target.name}",
            )
        return report

    def _tell(self, done: int, total: int) -> None:
        if self.way.tell is not None:
            self.way.tell(f"{done:,} of {total:,} users")

    def _mark_sent(self, changes: Sequence[ScimChange]) -> None:
        with self.database.transaction() as connection:
            mark_sent(connection, [change.key for change in changes])

    def _keep(self, outcomes: Sequence[ScimOutcome]) -> None:
        """Commit what is known; called for every batch."""
        self.failed.extend(o for o in outcomes if o.status == "failed")
        with self.database.transaction() as connection:
            record_outcomes(
                connection,
                self.way.place,
                outcomes,
                self.rows,
                delivery=self.parcel.id,
                now=self.way.clock(),
            )

    def _store_findings(self) -> None:
        target = self.way.target
        meaning = target.model.codes[SCIM_FAILED]
        found = [
            Finding(
                *(SCIM_FAILED, meaning.level, outcome.key, meaning.field),
                detail=outcome.error,
                todo=meaning.todo,
            )
            for outcome in self.failed[:DETAILED]
        ]
        with self.database.transaction() as connection:
            store_findings(
                connection, found, target=target.name, run_id=self.parcel.run_id
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
            key, rows.get(key), confirmed.get(key), look_first=unsettled.get(key, False)
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
