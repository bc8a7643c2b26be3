"""What a vendor said of the records that it was sent, beside the ledger.

Called by `workflows/targets/results.py`, which reads the vendor's files, by
`records.py` for the findings and by `d118 explain`. Rule:
docs/reference/vendor_files.md, results.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert  # SQLite compiles it too

from d118_pipelines.kernel.finding import Finding
from d118_pipelines.kernel.text import printable
from d118_pipelines.state import database as db
from d118_pipelines.targets.model import Results

ACCEPTED, REJECTED = "accepted", "rejected"
Said = Iterable[tuple[str, str, str]]
_TODO = {
    "results.rejected": "Correct the record as the vendor says.",
    "results.unknown_key": "Look whether `results` of the target names the right columns.",
    "results.unknown_status": "Add the word to `accepted` or `rejected`, or ask the vendor.",
    "results.other_set": "Ask the vendor which import the file is of.",
    "results.unreadable": "Correct `results` of the target, or ask the vendor.",
    "results.not_read": "d118 test-connection; the next run tries again.",
}


@dataclass(slots=True)
class Outcomes:
    """What one result file says of a set. records: key -> outcome and reason.

    counts: rows, accepted, rejected, unknown_key, unknown_status.
    """

    records: dict[str, tuple[str, str]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def is_of_another_set(self) -> bool:
        """Whether there are rows, and none is about a record of the set."""
        return bool(self.counts["rows"]) and not self.records


def judge_answers(
    said: Said, sent: Mapping[str, Collection[str]], wanted: Results
) -> Outcomes:
    """The outcome of each record that the rows are about.

    said: value of the key's column, status and reason of each row. sent: value in the
    set -> keys of its records. Of several rows about a record the first rejection
    counts.
    """
    words = dict.fromkeys((w.casefold() for w in wanted.accepted), ACCEPTED)
    words |= dict.fromkeys((w.casefold() for w in wanted.rejected), REJECTED)
    found = Outcomes()
    for value, status, reason in said:
        found.counts["rows"] += 1
        outcome = words.get(status.casefold())
        keys = sent.get(value, ())
        if not keys:
            found.counts["unknown_key"] += 1
        elif outcome is None:
            found.counts["unknown_status"] += 1
        for key in keys if outcome else ():
            if found.records.get(key, (ACCEPTED,))[0] == ACCEPTED:
                found.records[key] = (str(outcome), reason)
    found.counts.update(outcome for outcome, _ in found.records.values())
    return found


def record_outcomes(
    connection: sa.Connection,
    outcomes: Outcomes,
    *,
    target: str,
    destination: str,
    record_type: str,
    delivery: str,
    answered_at: dt.datetime,
) -> None:
    """Enter what the vendor said; an older answer changes nothing."""
    told = {"target": target, "destination": destination, "record_type": record_type}
    rows = [
        {**told, "key": key, "outcome": outcome, "reason": reason}
        | {"delivery": delivery, "answered_at": answered_at}
        for key, (outcome, reason) in outcomes.records.items()
    ]
    if not rows:
        return
    statement = insert(db.delivery_results)
    new, old = statement.excluded, db.delivery_results.c
    moved = ("outcome", "reason", "delivery", "answered_at")
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[*told, "key"],
            set_={name: new[name] for name in moved},
            where=new.answered_at >= old.answered_at,
        ),
        rows,
    )


def result_findings(
    connection: sa.Connection, target: str, destination: str
) -> Iterator[Finding]:
    """The rejections of the newest set that was answered, and what is odd about files."""
    r, f = db.delivery_results.c, db.result_files.c
    mine = (r.target == target, r.destination == destination)
    newest = connection.scalar(
        sa.select(r.delivery).where(*mine).order_by(r.answered_at.desc()).limit(1)
    )
    rejected = connection.execute(
        sa.select(r.key, r.reason)
        .where(*mine, r.delivery == newest, r.outcome == REJECTED)
        .order_by(r.key)
    )
    for key, reason in rejected:
        yield _finding("results.rejected", "error", reason, key)
    files = connection.execute(
        sa.select(f.name, f.problem, f.counts)
        .where(f.target == target, f.destination == destination)
        .where(sa.or_(f.delivery == newest, f.delivery.is_(None)))
        .order_by(f.modified, f.name)
    )
    for name, problem, counts in files:
        shown = printable(name, one_line=True)
        if problem:
            yield _finding(problem, "warning", shown)
        for kind in () if problem else ("unknown_key", "unknown_status"):
            if number := counts.get(kind):
                detail = f"{shown}: {number:,} of {counts['rows']:,} rows"
                yield _finding(f"results.{kind}", "warning", detail)


def _finding(code: str, level: Any, detail: str, key: str = "") -> Finding:
    return Finding(code, level, key=key, detail=detail, todo=_TODO[code])


def answers_about(
    connection: sa.Connection, target: str, keys: Collection[str]
) -> Sequence[sa.Row[Any]]:
    """What the vendor said last of records, at every destination."""
    c = db.delivery_results.c
    mine: list[sa.ColumnElement[bool]] = [c.key.in_(keys)]
    mine += [c.key.startswith(f"{key}/", autoescape=True) for key in sorted(keys)]
    return connection.execute(
        sa.select(db.delivery_results)
        .where(c.target == target, sa.or_(*mine))
        .order_by(c.destination, c.record_type, c.key)
    ).all()
