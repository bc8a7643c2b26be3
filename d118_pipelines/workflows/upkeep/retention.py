"""What is too old is removed: folders below `D118_HOME`, rows of the state database.

Called by `cli/prune.py` and the asset `reports/district/retention`; Dagster's own runs
are in `instance.py`, people in `erasure.py`. Rules: docs/reference/retention.md.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from d118_pipelines.config.project import Project
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.ages import count_older
from d118_pipelines.kernel.run_folders import (
    MANIFEST_FILE,
    made_at,
    newest_run_folder,
    run_folders,
)
from d118_pipelines.roster.model.tables import roster_history, sis_sync_runs, sync_logs
from d118_pipelines.roster.store.runs import last_change
from d118_pipelines.sources.csv_files.arrival import PROCESSED
from d118_pipelines.state import audit
from d118_pipelines.state import database as db
from d118_pipelines.state.database import Database, clock_warning
from d118_pipelines.state.open import state_database
from d118_pipelines.workflows.people.erasure import erase_inactive

REPORT_FILE = "retention.json"
Number = sa.Column[int]
OldRuns = Callable[[dt.datetime, bool], int]
"""Removes Dagster's runs that began before a time; True: only counts them."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """One class: what was older than its days, of that removed and kept.

    kept: older too, but the base of the next comparison, or held. size_bytes: of what
    was removed from the disk.
    """

    kind: str
    days: int
    removed: int
    kept: int = 0
    size_bytes: int = 0


def prune(
    project: Project,
    *,
    now: dt.datetime,
    actor: str,
    old_runs: OldRuns,
    is_dry: bool = False,
) -> list[Pruned]:
    """Remove what is older than `retention:` says; one entry per class.

    is_dry: nothing is removed. The report is in `D118_HOME/reports/`.
    Raises: ConfigurationError if the clock is behind what is stored.
    """
    limits, database = project.district().retention, state_database(project)
    with database.reading() as connection:
        if text := clock_warning(connection, now):
            raise ConfigurationError(
                text,
                rule="Ages are counted from this clock.",
                not_done="Nothing was removed.",
                next_step="Correct the clock, then: d118 prune --dry-run",
            )
        longest = now - dt.timedelta(days=limits.inactive_days)
        kept = set(kept_folders(project, connection, longest))
    given = dict(limits)
    done = [
        _prune_folders(kind, parents, given[f"{kind}_days"], kept, now, is_dry=is_dry)
        for kind, parents in _parents(project.home).items()
    ]
    done.append(_prune_tables(project, limits.tables_days, kept, now, is_dry=is_dry))
    done += _prune_rows(project, database, now, is_dry=is_dry)
    runs = old_runs(now - dt.timedelta(days=limits.runs_days), is_dry)
    done.append(Pruned("runs", limits.runs_days, runs))
    if not is_dry:
        _record(project, database, done, actor=actor, now=now)
    return done


def _parents(home: Path) -> dict[str, list[Path]]:
    """Class -> the folders in which its run folders are."""
    return {
        "raw": [*home.glob("raw/*"), *home.glob("raw/*/[a-z]*")],
        "staged": [*home.glob("staged/*")],
        "plans": [*home.glob("plans/*")],
        "exports": [*home.glob("exports/*")],
        "archived": [*home.glob(f"inbox/*/{PROCESSED}")],
    }


def kept_folders(
    project: Project, connection: sa.Connection, longest: dt.datetime
) -> Iterator[Path]:
    """Folders that stay whatever their age: what the next run compares with or needs.

    Only those that are younger than `longest`: then people in them have been erased.
    """
    d, p = db.deliveries.c, db.plans.c
    verified = sa.select(sa.func.max(d.number)).where(d.status.in_(db.COUNTS))
    newest = sa.select(sa.func.max(p.number)).group_by(p.target)
    found: list[Path] = []
    for query in (
        sa.select(d.folder).where(
            d.number.in_(verified.group_by(d.target, d.destination))
        ),
        # Nothing but a target's newest plan can be held or approved.
        sa.select(p.folder).where(p.number.in_(newest)),
    ):
        # The plan of a vendor's files has no folder.
        found += [project.home / name for name in connection.scalars(query) if name]
    found += [_staged_of(project, folder) for folder in found]
    for kind, parents in _parents(project.home).items():
        if kind != "archived":
            found += [f for parent in parents if (f := newest_run_folder(parent))]
    yield from (f for f in found if f.is_dir() and made_at(f) >= longest)


def _staged_of(project: Project, folder: Path) -> Path:
    """The staged roster that a provider's plan applies; else the folder itself."""
    path = folder / MANIFEST_FILE
    if folder.parent.parent.name != "plans" or not path.is_file():
        return folder
    staged = str(json.loads(path.read_text(encoding="utf-8")).get("staged", ""))
    return project.home / "staged" / folder.parent.name / staged


def _prune_folders(
    kind: str,
    parents: Iterable[Path],
    days: int,
    kept: set[Path],
    now: dt.datetime,
    *,
    is_dry: bool,
) -> Pruned:
    old = [f for parent in parents for f in _old_folders(parent, days, now)]
    going = [folder for folder in old if folder not in kept]
    size = sum(_size(folder.rglob("*")) for folder in going)
    if not is_dry:
        for folder in going:
            shutil.rmtree(folder, ignore_errors=True)
    return Pruned(kind, days, len(going), len(old) - len(going), size)


def _prune_tables(
    project: Project, days: int, kept: set[Path], now: dt.datetime, *, is_dry: bool
) -> Pruned:
    """The tables beside files that were sent or overtaken: nothing compares with them."""
    old = [
        folder
        for parent in project.home.glob("exports/*")
        for folder in _old_folders(parent, days, now)
        if any(folder.glob("*.parquet"))
    ]
    going = [folder for folder in old if folder not in kept]
    tables = [path for folder in going for path in folder.glob("*.parquet")]
    size = _size(tables)
    if not is_dry:
        for path in tables:
            path.unlink(missing_ok=True)
    return Pruned("tables", days, len(going), len(old) - len(going), size)


def _old_folders(parent: Path, days: int, now: dt.datetime) -> list[Path]:
    folders = run_folders(parent)
    cut = now - dt.timedelta(days=days)
    return folders[: count_older([made_at(f) for f in folders], cut, now=now)]


def _size(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths if path.is_file())


def _prune_rows(
    project: Project, database: Database, now: dt.datetime, *, is_dry: bool
) -> list[Pruned]:
    limits, p, s = project.district().retention, db.plans.c, sis_sync_runs.c
    w = db.webhook_outbox.c
    newest = sa.select(sa.func.max(p.number)).group_by(p.target)
    with database.transaction() as connection:

        def old(column: Number, at: sa.Column[Any], days: int) -> int:
            """The number of the last row that is older than so many days."""
            rows = connection.execute(sa.select(column, at).order_by(column)).all()
            cut = now - dt.timedelta(days=days)
            older = count_older([row[1] for row in rows], cut, now=now)
            return int(rows[older - 1][0]) if older else 0

        def remove(
            kind: str, days: int, table: sa.Table, *where: sa.ColumnElement[bool]
        ) -> Pruned:
            if is_dry:
                counted = sa.select(sa.func.count()).select_from(table).where(*where)
                return Pruned(kind, days, connection.scalar(counted) or 0)
            done = connection.execute(table.delete().where(*where))
            return Pruned(kind, days, done.rowcount)

        def runs(days: int) -> sa.ColumnElement[bool]:
            return s.number <= old(s.number, s.started_at, days)

        last = old(p.number, p.created_at, limits.findings_days)
        cut = now - dt.timedelta(days=limits.findings_days)
        done = [
            remove(
                "plan rows",
                limits.plans_days,
                db.plans,
                p.number <= old(p.number, p.created_at, limits.plans_days),
                p.number.not_in(newest),
            ),
            remove(
                "findings",
                limits.findings_days,
                db.findings,
                # Of a run whose plan is that old, or gone.
                db.findings.c.run_id.not_in(
                    sa.select(p.run_id).where(
                        sa.or_(p.number > last, p.number.in_(newest))
                    )
                ),
            ),
            remove(
                "vendors' answers",
                limits.findings_days,
                db.delivery_results,
                db.delivery_results.c.answered_at < cut,
            ),
            remove(
                "result files",
                limits.findings_days,
                db.result_files,
                db.result_files.c.read_at < cut,
            ),
            remove(
                "webhooks",
                limits.webhooks_days,
                db.webhook_outbox,
                # Also one that still waits: its receiver gave no answer for so long.
                w.number <= old(w.number, w.created_at, limits.webhooks_days),
            ),
            remove(
                "logs",
                limits.logs_days,
                sync_logs,
                sync_logs.c.sync_job_id.in_(
                    sa.select(s.id).where(runs(limits.logs_days))
                ),
            ),
            remove(
                "history",
                limits.history_days,
                roster_history,
                roster_history.c.run_id.in_(
                    sa.select(s.run_id).where(runs(limits.history_days))
                ),
                # What `d118 undo` would put back.
                roster_history.c.run_id.not_in(_undoable(connection)),
            ),
        ]
        if not is_dry:
            remove(
                "progress",
                limits.logs_days,
                db.sync_progress,
                db.sync_progress.c.updated_at
                < now - dt.timedelta(days=limits.logs_days),
            )
            remove(
                "addresses of runs",
                limits.webhooks_days,
                db.webhook_runs,
                db.webhook_runs.c.created_at
                < now - dt.timedelta(days=limits.webhooks_days),
            )
        until = now - dt.timedelta(days=limits.inactive_days)
        people = erase_inactive(
            connection,
            district=project.district().id,
            until=until,
            last_run=old(s.number, s.started_at, limits.inactive_days),
            last_delivery=old(
                db.deliveries.c.number, db.deliveries.c.started_at, limits.inactive_days
            ),
            now=now,
            is_dry=is_dry,
        )
    return [*done, Pruned("people", limits.inactive_days, people)]


def _undoable(connection: sa.Connection) -> list[str]:
    """The run of each provider that changed the roster last."""
    ids = sa.select(sis_sync_runs.c.provider_id).distinct()
    found = (last_change(connection, one) for one in connection.scalars(ids).all())
    return [str(row["run_id"]) for row in found if row is not None]


def _record(
    project: Project,
    database: Database,
    done: list[Pruned],
    *,
    actor: str,
    now: dt.datetime,
) -> None:
    removed = ", ".join(f"{one.removed} {one.kind}" for one in done if one.removed)
    if removed:
        audit.record_alone(
            database,
            now=now,
            actor=actor,
            action="pruned",
            subject="*",
            detail=removed,
        )
    path = project.folder("reports") / REPORT_FILE
    report = {"at": now.isoformat(), "classes": [asdict(one) for one in done]}
    path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    path.chmod(0o600)
