"""A backup back into a folder: a copy that is locked until a person unlocks it.

Called by `cli/backup.py`; the archive is made and checked in `backup.py`, the lock is in
`state/restored.py`. Rules: docs/reference/backup.md.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from d118_pipelines.config.project import Project
from d118_pipelines.errors import ConfigurationError
from d118_pipelines.kernel.hashes import sha256_of
from d118_pipelines.kernel.run_folders import scratch_folder
from d118_pipelines.roster.model.tables import roster_revision
from d118_pipelines.state.copy import copy_state
from d118_pipelines.state.database import Database
from d118_pipelines.state.restored import lock_copy
from d118_pipelines.state.run_history import FOLDER
from d118_pipelines.workflows.backup import (
    DAGSTER,
    HOME,
    ROOT,
    SECRETS,
    STATE,
    Backup,
    check_backup,
    opened_secrets,
)


@dataclass(frozen=True, slots=True)
class Restored:
    """What came back. other: files of the folder that are not as in the backup and stay."""

    backup: Backup
    written: int
    other: tuple[str, ...]


def check_only(project: Project, path: Path) -> Backup:
    """Prove an archive in a temporary place. Raises: as `check_backup`."""
    with scratch_folder(project.folder("tmp")) as work:
        return check_backup(path, work / "check")


def restore(
    project: Project,
    path: Path,
    *,
    actor: str,
    now: dt.datetime,
    key_file: Path | None = None,
) -> Restored:
    """Bring an archive back and lock the copy; files that are there stay as they are.

    key_file: opens the secrets, which are written where they are missing.
    Raises: ConfigurationError if there is a state here already, or the key is wrong;
    otherwise as `check_backup`. Nothing is changed then.
    """
    file = project.home / "d118.sqlite"
    if file.exists():
        raise ConfigurationError(
            f"There is a state here already: {file}.",
            rule="A backup is restored where there is none, so that none is lost.",
            not_done="Nothing was restored.",
            next_step=f"Stop the services and move {project.home} away.",
        )
    with scratch_folder(project.folder("tmp")) as work:
        place = work / "check"
        found = check_backup(path, place)
        secrets = {}
        if key_file is not None and (place / SECRETS).is_file():
            secrets = opened_secrets((place / SECRETS).read_bytes(), key_file)
        written, other = _bring(place / ROOT, project.root)
        written += _bring(place / HOME, project.home)[0]
        written += _bring(place / DAGSTER, project.root / FOLDER)[0]
        for name, data in secrets.items():
            written += _write_secret(project.root / name, data)
        _bring_state(place / STATE, file)
    database = Database(file, upgrade=True)
    with database.transaction() as connection:
        lock_copy(connection, backup_at=found.made_at, actor=actor, now=now)
    return Restored(found, written + 1, tuple(other))


def _bring_state(copy: Path, file: Path) -> None:
    url = os.environ.get("DATABASE_URL", "")
    if not url:
        shutil.copyfile(copy, file)
        file.chmod(0o600)
        return
    source, target = Database(copy, "", upgrade=True), Database(file, url)
    tables = roster_revision.metadata.sorted_tables
    copy_state(source, target, tables, is_idle=False)


def _bring(source: Path, target: Path) -> tuple[int, list[str]]:
    """Write what is missing; how many, and what is there with other contents."""
    written, other = 0, []
    for path in sorted(p for p in source.rglob("*") if p.is_file()):
        place = target / path.relative_to(source)
        if place.exists():
            if sha256_of(place) != sha256_of(path):
                other.append(path.relative_to(source).as_posix())
            continue
        for parent in reversed(place.parents):
            if not parent.exists():
                parent.mkdir(mode=0o700)
        shutil.copyfile(path, place)
        place.chmod(0o600)
        written += 1
    return written, other


def _write_secret(path: Path, data: bytes) -> int:
    if path.exists():
        return 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    return 1
