"""Health, statistics and workers: what monitoring asks, under the names of its fields.

Called by `cli/status.py`, `sensors.py` and the console with what `instance.py` knows of
Dagster. Page: docs/reference/health.md.
"""

from __future__ import annotations

import datetime as dt
import re
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from d118_pipelines.config.project import Project
from d118_pipelines.config.providers import FILE
from d118_pipelines.config.secrets import unreadable_tokens
from d118_pipelines.delivery.messages import Alert
from d118_pipelines.errors import ConfigurationError, D118Error
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.state.database import clock_warning, sync_leases
from d118_pipelines.state.leases import is_held
from d118_pipelines.state.open import state_database
from d118_pipelines.state.run_history import FOLDER, run_history_place

SERVICE = "roster-sync-service"
LEAST_FREE_BYTES = 2 * 1024**3
DEAD_AFTER = dt.timedelta(minutes=2)  # a daemon writes a heartbeat every 30 seconds
CONNECTORS = ("oneroster", "clever", "classlink", "csv", "powerschool")
OVERVIEW = (
    *("total_jobs", "active_jobs", "completed_jobs", "failed_jobs"),
    *("total_records_synced", "last_sync"),
)


@dataclass(frozen=True, slots=True)
class ActiveRun:
    """A run at work, or one that waits for its turn. step: empty while it waits."""

    id: str
    names: tuple[str, ...]
    step: str
    since: dt.datetime


@dataclass(frozen=True, slots=True)
class DagsterFacts:
    """What Dagster's instance knows. heartbeats: of its daemons, by their names.

    error: why it cannot be asked; everything else is empty then.
    """

    heartbeats: dict[str, dt.datetime]
    processes: tuple[int, ...]
    running: tuple[ActiveRun, ...] = ()
    queued: tuple[ActiveRun, ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. result: ok, note or wrong."""

    check: str
    result: str
    found: str


def health(project: Project, dagster: DagsterFacts) -> dict[str, Any]:
    """`status` (healthy or unhealthy), `service`, `timestamp` and the checks.

    It is unhealthy when something is wrong that keeps the next run from working.
    """
    checks = list(_checks(project, dagster))
    is_well = all(one.result != "wrong" for one in checks)
    return {
        "status": "healthy" if is_well else "unhealthy",
        "service": SERVICE,
        "timestamp": utc_now(),
        "checks": [asdict(one) for one in checks],
    }


def health_alerts(found: dict[str, Any]) -> list[Alert]:
    """One for each check that is wrong; the daemon itself is told of by its ping."""
    return [
        Alert(
            "health", f"health {one['check']}", f"HEALTH: {one['check']}", one["found"]
        )
        for one in found["checks"]
        if one["result"] == "wrong" and one["check"] != "daemon"
    ]


def stats_overview(project: Project) -> dict[str, Any]:
    """Counts of all syncs of the district, as the view `stats_overview` has them."""
    [row] = _view(project, "stats_overview") or [{}]
    empty = {name: None if name == "last_sync" else 0 for name in OVERVIEW}
    found = {name: row.get(name) for name in OVERVIEW if row}
    return {**empty, **{name: _plain(value) for name, value in found.items()}}


def stats_connectors(project: Project) -> dict[str, dict[str, Any]]:
    """Of each connector `jobs`, `records` and `success_rate`: percent of those that
    ended; None before the first.
    """
    names = ("jobs", "records", "success_rate")
    empty = {"jobs": 0, "records": 0, "success_rate": None}
    found = {
        row["connector"]: {name: _plain(row[name]) for name in names}
        for row in _view(project, "stats_connectors")
    }
    return {name: found.get(name, dict(empty)) for name in (*CONNECTORS, *found)}


def workers(dagster: DagsterFacts) -> dict[str, Any]:
    """`workers` and `worker_stats` (Dagster's daemons), `active_tasks`, `scheduled_tasks`
    (runs), `error`; never arguments or configuration.
    """
    now = utc_now()
    return {
        "workers": sorted(dagster.heartbeats),
        "worker_stats": {
            name: {
                "last_heartbeat": at,
                "seconds_ago": round((now - at).total_seconds()),
                "is_alive": now - at < DEAD_AFTER,
            }
            for name, at in sorted(dagster.heartbeats.items())
        },
        "processes": list(dagster.processes),
        "active_tasks": [_task(run, now) for run in dagster.running],
        "scheduled_tasks": [_task(run, now) for run in dagster.queued],
        "error": dagster.error or None,
    }


def _task(run: ActiveRun, now: dt.datetime) -> dict[str, Any]:
    age = round((now - run.since).total_seconds())
    return {"id": run.id, "names": run.names, "step": run.step, "age_seconds": age}


def _view(project: Project, name: str) -> list[dict[str, Any]]:
    district = {"district": project.district().id}
    query = sa.text(f"SELECT * FROM {name} WHERE district_id = :district")
    with state_database(project).reading() as connection:
        return [dict(row) for row in connection.execute(query, district).mappings()]


def _plain(value: Any) -> Any:
    """A number or a moment, whatever the engine gave for a column of a view."""
    if isinstance(value, str):  # SQLite's views have no types
        return dt.datetime.fromisoformat(value).replace(tzinfo=dt.UTC)
    if isinstance(value, dt.datetime) or value is None:
        return value
    return int(value) if value == int(value) else float(value)


def _checks(project: Project, dagster: DagsterFacts) -> Iterator[Check]:
    yield attempt("configuration", lambda: project.district().name)
    yield attempt("database", lambda: _database(project))
    yield attempt("clock", lambda: clock_found(project))
    for name, folder in (("D118_HOME", project.home), ("project", project.root)):
        if folder.is_dir():
            yield _disk(f"disk of {name}", folder)
    yield attempt("file modes", lambda: _modes(project))
    yield attempt("encryption key", lambda: _keys(project.root / FILE))
    yield _leases(project)
    yield attempt("run history", lambda: run_history_place(project.root))
    yield _daemon(dagster)


def attempt(name: str, look: Callable[[], str]) -> Check:
    """The check of that name, wrong with the text of the error that `look` raises."""
    try:
        return Check(name, "ok", look())
    except D118Error as exc:
        return Check(name, "wrong", str(exc))


def _database(project: Project) -> str:
    database = state_database(project)
    with database.reading() as connection:
        connection.execute(sa.select(sa.func.count()).select_from(sync_leases))
    return database.place


def clock_found(project: Project) -> str:
    """Raises: ConfigurationError if the clock is behind what is stored."""
    with state_database(project).reading() as connection:
        if text := clock_warning(connection, utc_now()):
            raise ConfigurationError(text)
    return "not behind the newest row"


def _disk(name: str, folder: Path) -> Check:
    free = shutil.disk_usage(folder).free
    text = f"{free / 1024**3:.1f} GiB free"
    if free >= LEAST_FREE_BYTES:
        return Check(name, "ok", text)
    least = f"{LEAST_FREE_BYTES / 1024**3:.0f} GiB"
    return Check(name, "wrong", f"{text} in {folder}, less than {least}")


def _modes(project: Project) -> str:
    """Raises: ConfigurationError naming what others than its owner can read."""
    root, home = project.root, project.home
    wanted = [home, root / FOLDER, root / ".env", home / "d118.sqlite"]
    wanted += root.glob("*.pem")
    is_open = [path for path in wanted if path.exists() and _is_open(path)]
    if is_open:
        names = ", ".join(str(path) for path in is_open)
        raise ConfigurationError(
            f"Others on this machine can read: {names}.",
            rule="People's data and secrets are their owner's alone.",
            next_step=f"chmod go-rwx {' '.join(str(path) for path in is_open)}",
        )
    return "readable by their owner alone"


def _is_open(path: Path) -> bool:
    return bool(stat.S_IMODE(path.stat().st_mode) & 0o077)


def _keys(path: Path) -> str:
    """Raises: ConfigurationError or MissingSecretError if a token cannot be opened."""
    text = path.read_text("utf-8", "replace") if path.is_file() else ""
    if not re.search(r"fernet:[\w=-]", text):
        return "not needed"
    bad = unreadable_tokens(path)
    if bad:
        raise ConfigurationError(
            f"No key opens the fernet values of {FILE} in lines "
            f"{', '.join(map(str, bad))}.",
            next_step="d118 secrets verify",
        )
    return "opens every fernet value"


def _leases(project: Project) -> Check:
    """Those whose process is gone; the next run takes them."""
    try:
        with state_database(project).reading() as connection:
            names = connection.scalars(sa.select(sync_leases.c.name)).all()
            dead = [name for name in names if not is_held(connection, name)]
    except D118Error as exc:
        return Check("leases", "wrong", exc.what)
    if not dead:
        return Check("leases", "ok", f"{len(names)} held, none of a dead process")
    text = f"of dead processes: {', '.join(dead)}; the next run takes them"
    return Check("leases", "note", text)


def _daemon(dagster: DagsterFacts) -> Check:
    if dagster.error:
        return Check("daemon", "wrong", dagster.error)
    if not dagster.heartbeats:
        return Check("daemon", "note", "none has run here yet: no schedule starts")
    newest: Sequence[dt.datetime] = sorted(dagster.heartbeats.values())
    age = utc_now() - newest[-1]
    text = f"last heartbeat {round(age.total_seconds())} s ago"
    return Check("daemon", "ok" if age < DEAD_AFTER else "wrong", text)
