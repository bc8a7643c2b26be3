"""What the audit log hears of runs, of files that a person took out, of changed files.

Called by `resources.py`, the alert and configuration sensors and the command line. The
log itself is `state/audit.py`. Rules: docs/reference/audit.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from d118_pipelines.config.project import Project
from d118_pipelines.errors import BusyError, D118Error, HeldError, PausedError
from d118_pipelines.kernel.after_commit import Warn, after_commit, log_warning
from d118_pipelines.kernel.clock import utc_now
from d118_pipelines.kernel.hashes import sha256_of
from d118_pipelines.state import audit
from d118_pipelines.state import database as db
from d118_pipelines.state.database import Database
from d118_pipelines.state.open import state_database
from d118_pipelines.workflows.runs.run import account

STARTED, ENDED = "run started", "run ended"
EXPORTED = "exported"
CHANGED, FIRST_SEEN = "configuration changed", "configuration first seen"
_CONFIGURATION = ("config", "mappings", "sql", "dagster.yaml", "workspace.yaml")


@contextmanager
def audited_run(
    database: Database,
    *,
    actor: str,
    run_id: str,
    subject: str,
    outcome: Callable[[], str] = lambda: "done",
    warn: Warn = log_warning,
) -> Iterator[None]:
    """Record the start of a run and its end, however the block ends.

    subject: the targets and providers. outcome: asked when the block ended without an
    exception.
    """

    def note(action: str, detail: str) -> None:
        audit.record_alone(
            database,
            actor=actor,
            action=action,
            subject=subject,
            detail=detail,
        )

    note(STARTED, f"run {run_id}")
    word = "failed"
    try:
        yield
        word = outcome()
    except D118Error as exc:
        word = _word(exc)
        raise
    except KeyboardInterrupt:
        word = "cancelled"
        raise
    finally:
        with after_commit("Noting the end of the run in the audit log", warn):
            note(ENDED, f"run {run_id}: {word}")


def _word(exc: D118Error) -> str:
    words = {HeldError: "held", BusyError: "busy", PausedError: "paused"}
    return next(
        (word for kind, word in words.items() if isinstance(exc, kind)), "failed"
    )


def close_lost_run(project: Project, run_id: str, *, actor: str) -> bool:
    """Record the end of a run whose process is gone; False if it has one, or no start."""
    c = db.audit_log.c
    with state_database(project).transaction() as connection:
        found = connection.execute(
            sa.select(c.action, c.object)
            .where(c.action.in_((STARTED, ENDED)))
            .where(c.detail.startswith(f"run {run_id}"))
            .order_by(c.id.desc())
        ).first()
        if found is None or found.action == ENDED:
            return False
        audit.record(
            connection,
            now=utc_now(),
            actor=actor,
            action=ENDED,
            subject=found.object,
            detail=f"run {run_id}: its process was gone",
        )
    return True


def record_export(project: Project, what: str, form: str, detail: str = "") -> None:
    """Record that a person took data out of the project: what, in which form."""
    audit.record_alone(
        state_database(project),
        actor=account(),
        action=EXPORTED,
        subject=what,
        detail=", ".join(filter(None, (form, detail))),
    )


def note_configuration(
    project: Project, database: Database, *, actor: str
) -> list[str]:
    """Record which files of the configuration have changed since somebody last looked.

    actor: who noticed; who changed a file is not known. Returns the paths, below the
    project. The first look records one row for all files.
    """
    now = {
        path.relative_to(project.root).as_posix(): sha256_of(path)
        for path in _files(project.root)
    }
    t = db.seen_files
    query = sa.select(t.c.path, t.c.sha256)
    with database.reading() as connection:
        if _pairs(connection, query) == now:
            return []
    with database.transaction() as connection:
        before = _pairs(
            connection, query
        )  # again: another process may have been quicker
        changed = sorted(
            path for path in {*before, *now} if before.get(path) != now.get(path)
        )
        rows = [(path, before.get(path, ""), now.get(path, "")) for path in changed]
        if changed and not before:
            whole = hashlib.sha256(repr(sorted(now.items())).encode()).hexdigest()
            rows = [("*", "", whole)]
        for path, old, new in rows:
            audit.record(
                connection,
                now=utc_now(),
                actor=actor,
                action=CHANGED if before else FIRST_SEEN,
                subject=path,
                detail=_told_of(project.root / path, len(now)),
                before=old,
                after=new,
            )
        remember_files(connection, {path: now.get(path, "") for path in changed})
    return changed


def remember_files(connection: sa.Connection, files: dict[str, str]) -> None:
    """Count these as noticed: path below the project -> SHA-256, empty if it is gone.

    Whoever changes a file and records that itself calls this in the same transaction.
    """
    t = db.seen_files
    connection.execute(t.delete().where(t.c.path.in_(files)))
    rows = [{"path": path, "sha256": sha} for path, sha in files.items() if sha]
    if rows:
        connection.execute(t.insert(), rows)


def _pairs(
    connection: sa.Connection, query: sa.Select[tuple[str, str]]
) -> dict[str, str]:
    return {row.path: row.sha256 for row in connection.execute(query)}


def _files(root: Path) -> Iterator[Path]:
    for name in _CONFIGURATION:
        place = root / name
        found = place.rglob("*") if place.is_dir() else [place]
        yield from (f for f in found if f.is_file() and not f.name.startswith("."))


def _told_of(path: Path, files: int) -> str:
    """The owner and the time of a file: the nearest to who changed it."""
    if not path.is_file():
        return f"{files} files" if path.name == "*" else "removed"
    try:
        owner = path.owner()
    except KeyError:
        owner = f"uid {path.stat().st_uid}"
    return f"file of {owner}"
