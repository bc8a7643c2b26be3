"""What ran, and what came of it: Dagster's history and the state database as one listing.

Called by `cli/runs.py` and `cli/status.py` with what `instance.py` has seen. A run of
several targets has one entry for each. Page: docs/reference/delivery.md, section 8.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from d118_pipelines.errors import BusyError, HeldError, PausedError, WaitingError
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.roster.model.tables import sis_sync_runs
from d118_pipelines.state import database as db
from d118_pipelines.state.leases import holder_of

KILLED = "The run was killed, or its process ended without a word."
INTERRUPTED = "Interrupted; nothing was sent or changed."
CUT_OFF = "Interrupted while sending; what was sent does not count."
STOPPED = "stopped"
"""The error of a failure that a signal caused."""
UI = "ui/"
CARRIED_OUT = ("delivered", db.NOT_READ_BACK, "applied")
DONE = (*CARRIED_OUT, "released", "out of term", "done")
REFUSED = ("busy", "paused")
"""Outcomes of runs that did nothing because something else had its turn."""
_BEGINS_WITHIN = dt.timedelta(seconds=60)
"""A run that has begun takes its lease at its first step."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What a failed step says; text: empty if nothing of it may be told.

    name: of its target or provider, or of the extract. plan_hash: of the plan that may
    not go.
    """

    name: str
    text: str
    exit_code: int = 1
    error: str = ""
    plan_hash: str = ""

    @property
    def outcome(self) -> str:
        """What a run comes to that fails so."""
        if self.error == PausedError.__name__:
            return "paused"
        if self.error == WaitingError.__name__:
            return "waiting"
        words = {HeldError.exit_code: "held", BusyError.exit_code: "busy"}
        return words.get(self.exit_code, "failed")

    @property
    def reason(self) -> str:
        """Its first line, and how many more rules were broken."""
        first, *lines = self.text.split("\n")
        more = sum(line.startswith(("HELD ", "FAILED ")) for line in lines)
        return f"{first.rstrip('.')}; and {more} more" if more else first

    @property
    def next_step(self) -> str:
        """The command or edit that it names, if it does."""
        lines = (line.strip() for line in self.text.splitlines())
        found = (line for line in lines if line.startswith("Next: "))
        return next(found, "").removeprefix("Next: ")


@dataclass(frozen=True, slots=True)
class SeenRun:
    """A run as Dagster's history has it. status: Dagster's word.

    names: the targets and providers that it is about. kind: run or approve. job: its
    name in Dagster.
    """

    run_id: str
    kind: str
    names: tuple[str, ...]
    status: str
    started: dt.datetime
    ended: dt.datetime | None
    trigger: str
    job: str = ""


FailuresOf = Callable[[str], Sequence[Failure]]


@dataclass(frozen=True, slots=True)
class PastRun:
    """One target or provider in one run, and what came of it.

    kind: run, resend, undo, approve. outcome: delivered, applied, held, waiting,
    failed, cancelled, out of term, busy, paused, released (an approval), not sent,
    running, or done where nothing was to be sent. numbers: rows, changes. Times are in
    UTC.
    """

    run_id: str
    kind: str
    name: str
    outcome: str
    reason: str
    started: dt.datetime
    ended: dt.datetime | None
    trigger: str
    numbers: Mapping[str, int] = field(default_factory=dict)
    plan_hash: str = ""
    next_step: str = ""

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it runs."""
        if self.ended is None:
            return None
        return round((self.ended - self.started).total_seconds(), 1)


@dataclass(frozen=True, slots=True)
class _Entry:
    """What is known of one name in one run, before it is judged."""

    run_id: str
    name: str
    started: dt.datetime
    seen: SeenRun | None = None
    plan: sa.RowMapping | None = None
    delivery: sa.RowMapping | None = None
    sync: sa.RowMapping | None = None
    approval: sa.RowMapping | None = None


class RunHistory:
    """All runs that are known, newest first; details are read when they are asked for.

    seen: from Dagster's history, newest first. failures_of: what the failed steps of
    one of them say.
    """

    def __init__(
        self,
        connection: sa.Connection,
        seen: Iterable[SeenRun] = (),
        failures_of: FailuresOf = lambda run_id: (),
    ) -> None:
        self._connection = connection
        self._failures_of = failures_of
        self._seen = {run.run_id: run for run in seen}
        self._started: dict[tuple[str, str], dt.datetime] = {}
        order: dict[tuple[str, str], dt.datetime] = {}
        of_dagster = [
            ((run.run_id, name), run.started)
            for run in self._seen.values()
            for name in run.names or ("",)
        ]
        for known in (of_dagster, *self._stored()):
            latest = dt.datetime.max.replace(tzinfo=dt.UTC)
            for key, at in known:
                latest = min(latest, at)  # what came before it, if the clock was ahead
                self._started.setdefault(key, at)
                order.setdefault(key, latest)
        self._keys = sorted(order, key=order.__getitem__, reverse=True)

    @property
    def seen(self) -> list[SeenRun]:
        """The runs of Dagster's history, newest first."""
        return list(self._seen.values())

    def status_in_dagster(self, run_id: str) -> str:
        """Dagster's word for a run; empty for one that it has not seen."""
        seen = self._seen.get(run_id)
        return seen.status if seen else ""

    def names(self) -> set[str]:
        """Every target and provider that has ever run, removed ones too."""
        return {name for _, name in self._keys if name}

    def runs_of(self, *names: str) -> list[tuple[str, str]]:
        """Run id and name of the entries of these names, of all if none is given."""
        return [key for key in self._keys if not names or key[1] in names]

    def newest(self, name: str) -> PastRun | None:
        """The newest run of a target or provider that was not refused at its start."""
        for key in self.runs_of(name):
            run = self.entry(*key)
            if run.outcome not in REFUSED and run.kind != "approve":
                return run
        return None

    def entry(self, run_id: str, name: str) -> PastRun:
        """One target or provider in one run, judged."""
        found = self._read(run_id, name)
        is_alive = self._is_alive(found)
        outcome, failure = _judged(found, self._failures(found), is_alive=is_alive)
        seen, approval = found.seen, found.approval
        kind = seen.kind if seen else "run"
        if approval:
            kind = "approve"
        elif found.delivery and found.delivery["resend_of"]:
            kind = "resend"
        elif found.sync and found.sync["kind"] == "undo":
            kind = "undo"
        by = found.sync["triggered_by"] if found.sync else ""
        return PastRun(
            run_id=run_id,
            kind=kind,
            name=name,
            outcome=outcome,
            reason=failure.reason,
            started=found.started,
            ended=None if outcome == "running" else _end_of(found),
            trigger=seen.trigger if seen else by or "shell",
            numbers=_numbers(found),
            plan_hash=found.plan["plan_hash"] if found.plan else "",
            next_step=failure.next_step,
        )

    def _stored(self) -> Iterator[list[tuple[tuple[str, str], dt.datetime]]]:
        """Run id, name and time of the rows of each table, newest first."""
        d, p, s, a = (
            t.c for t in (db.deliveries, db.plans, sis_sync_runs, db.plan_approvals)
        )
        for query in (
            sa.select(d.run_id, d.target, d.started_at).order_by(d.number.desc()),
            sa.select(s.run_id, s.provider_id, s.started_at).order_by(s.number.desc()),
            sa.select(p.run_id, p.target, p.created_at).order_by(p.number.desc()),
            # Those given in the UI are runs of the job `approve`.
            sa.select(a.id, a.target, a.created_at)
            .where(a.account.not_like(f"{UI}%"))
            .order_by(a.number.desc()),
        ):
            rows = self._connection.execute(query)
            yield [((run_id, name), at) for run_id, name, at in rows]

    def _read(self, run_id: str, name: str) -> _Entry:
        d, p, s, a = (
            t.c for t in (db.deliveries, db.plans, sis_sync_runs, db.plan_approvals)
        )

        def row(
            table: sa.Table, order: sa.Column[Any], *where: sa.ColumnElement[bool]
        ) -> sa.RowMapping | None:
            query = sa.select(table).where(*where).order_by(order.desc()).limit(1)
            return self._connection.execute(query).mappings().first()

        return _Entry(
            run_id,
            name,
            self._started[run_id, name],
            self._seen.get(run_id),
            row(db.plans, p.number, p.run_id == run_id, p.target == name),
            row(db.deliveries, d.number, d.run_id == run_id, d.target == name),
            row(
                sis_sync_runs,
                s.number,
                s.run_id == run_id,
                s.provider_id == name,
            ),
            row(db.plan_approvals, a.number, a.id == run_id, a.target == name),
        )

    def _failures(self, entry: _Entry) -> Sequence[Failure]:
        if entry.seen is None or entry.seen.status != "FAILURE":
            return ()
        return self._failures_of(entry.run_id)

    def _is_alive(self, entry: _Entry) -> bool:
        """Whether the run is at work: it holds its lease, or has only just begun."""
        status = entry.seen.status if entry.seen else ""
        if status in ("SUCCESS", "FAILURE", "CANCELED"):
            return False
        holder, is_alive = holder_of(self._connection, entry.name)
        if holder == entry.run_id:
            return is_alive
        if status in ("QUEUED", "STARTING"):
            return True
        return bool(status) and utc_now() - entry.started < _BEGINS_WITHIN


def _judged(
    entry: _Entry, failures: Sequence[Failure], *, is_alive: bool
) -> tuple[str, Failure]:
    """The outcome, and its reason with the way on."""
    outcome, text = _stored_outcome(entry)
    status = entry.seen.status if entry.seen else ""
    if outcome in DONE:
        return outcome, Failure(entry.name, text)
    if is_alive:
        return "running", Failure(entry.name, "")
    is_sending = entry.delivery is not None and entry.delivery["status"] == "started"
    is_stopped = any(one.error == STOPPED for one in failures)
    if outcome == "cancelled" or status == "CANCELED" or is_stopped:
        return "cancelled", Failure(entry.name, CUT_OFF if is_sending else INTERRUPTED)
    own = [one for one in failures if one.name == entry.name]
    if own or (failures and outcome in ("", "not sent")):
        first = [*own, *failures][0]
        return first.outcome, first
    if outcome not in ("", "not sent"):
        return outcome, Failure(entry.name, text)
    if is_sending:
        return "failed", Failure(entry.name, f"{KILLED} {CUT_OFF}")
    if status == "FAILURE":
        return "failed", Failure(entry.name, "The run ended without a failed step.")
    is_open = entry.sync is not None and entry.sync["completed_at"] is None
    if is_open or status not in ("", "SUCCESS"):
        return "failed", Failure(entry.name, KILLED)
    is_approve = entry.seen is not None and entry.seen.kind == "approve"
    return outcome or ("released" if is_approve else "done"), Failure(entry.name, "")


def _stored_outcome(entry: _Entry) -> tuple[str, str]:
    """Outcome and reason as the state database alone has them; empty if it has none."""
    if entry.approval is not None:
        return "released", str(entry.approval["reason"])
    sync, delivery, plan = entry.sync, entry.delivery, entry.plan
    if sync is not None and sync["completed_at"] is not None:
        text = str(sync["error_message"] or "")
        if sync["status"] == "SUCCESS" and sync["stats_json"] is None and text:
            return "out of term", text
        words = {"SUCCESS": "applied", "PARTIAL": "applied", "FAILURE": "failed"}
        return words.get(sync["status"], str(sync["status"]).lower()), text
    if delivery is not None and delivery["status"] != "started":
        words = {"verified": "delivered", "interrupted": "failed"}
        text = CUT_OFF if delivery["status"] == "interrupted" else delivery["error"]
        return words.get(delivery["status"], delivery["status"]), str(text or "")
    if plan is None:
        return "", ""
    words = {"ready": "not sent", "out_of_term": "out of term"}
    broken = [rule for rule in plan["rules"] if not rule["passed"]]
    first = broken[0] if broken else None
    text = f"{first['code']}: {first['message']}".split("\n")[0] if first else ""
    if len(broken) > 1:
        text = f"{text.rstrip('.')}; and {len(broken) - 1} more"
    if plan["verdict"] == "waiting":
        text = str(broken[0]["message"])
    return words.get(plan["verdict"], plan["verdict"]), text


def _end_of(entry: _Entry) -> dt.datetime | None:
    if entry.seen is not None and entry.seen.ended:
        return entry.seen.ended
    ends = [
        entry.sync["completed_at"] if entry.sync else None,
        entry.delivery["finished_at"] if entry.delivery else None,
        entry.plan["created_at"] if entry.plan and not entry.seen else None,
    ]
    return next((end for end in ends if end is not None), None)


def _numbers(entry: _Entry) -> dict[str, int]:
    """Rows of the files that were sent, and what changed or would have."""
    numbers = {}
    if entry.delivery is not None and entry.delivery["status"] in db.COUNTS:
        numbers["rows"] = sum(int(file["rows"]) for file in entry.delivery["files"])
    if entry.sync is not None and entry.sync["changed"]:
        numbers["changes"] = int(entry.sync["changed"])
    elif entry.plan is not None and entry.plan["counts"]:
        numbers["changes"] = changes_in(entry.plan["counts"])
    return numbers


def changes_in(counts: Mapping[str, Any]) -> int:
    """How many records a plan changes, by the counts that are stored with it."""
    files = counts.get("files", {}).values()
    kinds = ("added", "changed", "removed")
    changed = sum(int(file[kind]) for file in files for kind in kinds)
    return int(counts.get("changes", changed))
